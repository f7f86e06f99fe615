from __future__ import annotations

from netbench.compare.absent_streams import AbsentStreams, absent_streams, cause
from netbench.result.environment import EnvironmentRecord, Finding
from netbench.result.reception import StreamResult
from netbench.result.trial import Trial


def trial(*received: int) -> Trial:
    """100 packets were sent in each stream."""
    streams = [
        StreamResult.model_construct(stream=number, sequences_sent=100, received_packets=count)
        for number, count in enumerate(received)
    ]
    return Trial.model_construct(streams=streams)


def environment(severity: str = "warn") -> EnvironmentRecord:
    about = {"title": "Groups of a function", "expected": "all", "evidence": "eth1 hears at most 29 groups at once"}
    findings = [
        Finding(id="rmem_max", severity="fail", title="Buffer", expected="more", evidence="less"),
        Finding(id="function_groups", severity=severity, **about),  # type: ignore[arg-type]
    ]
    return EnvironmentRecord(name="vm-sriov", label="vm-sriov", available=True, findings=findings)


def test_the_trial_with_most_of_them_counts() -> None:
    assert absent_streams([trial(100, 0, 99), trial(0, 100, 0), trial(100, 100, 100)]) == AbsentStreams(2, 3, 200)


def test_loss_in_every_stream_is_no_absence_and_neither_is_silence_in_all_of_them() -> None:
    assert absent_streams([trial(99, 1, 50)]) == AbsentStreams()
    assert absent_streams([trial(0, 0, 0)]) == AbsentStreams()
    assert absent_streams([]) == AbsentStreams()


def test_a_finding_of_the_place_explains_groups_and_nothing_else_does() -> None:
    found = AbsentStreams(21, 50, 1260)
    told = cause("lineup", "multicast", found, environment())
    without = cause("lineup", "multicast", found, environment("ok"))
    unicast = cause("unicast", "unicast", found, environment())

    assert told is not None and without is not None and unicast is not None
    assert "of 21 of 50 groups nothing arrived at all (1,260 packets" in told.sentence
    assert told.sentence.endswith("Groups of a function: eth1 hears at most 29 groups at once.")
    assert "29 groups" not in without.sentence
    assert "of 21 of 50 streams" in unicast.sentence and "29 groups" not in unicast.sentence
    assert cause("lineup", "multicast", AbsentStreams(), environment()) is None

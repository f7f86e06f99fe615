"""H4: do received packets get a hardware timestamp? By the ladder that packets climbed (docs/timestamps.md).

Where no ladder was measured (runs of older versions), by what the probe's interface advertises and what the trials' packets
carried. This never fails an environment by itself: a probe that stamps in software can be trusted without. But where the reference
has hardware stamps and the environment takes them away, that is a difference that a reader must see, and the overall verdict is a
warning.
"""

from __future__ import annotations

from netbench.compare.answer import Answer, not_measured, percent
from netbench.compare.comparison import usable
from netbench.result.environment import EnvironmentRecord
from netbench.result.run import Run
from netbench.result.timestamps import TimestampLadder
from netbench.result.verdict import Cause, Hypothesis, Remedy

_ALL_PACKETS = "HWTSTAMP_FILTER_ALL"
_NO_FILTER = "HWTSTAMP_FILTER_NONE"
_NEEDED_RUNGS = 5  # a clock that nobody reads takes nothing from the stamps
_DELIVERED = 3  # index of the rung

Numbers = dict[str, float | int | None]


def judge_stamps(run: Run, record: EnvironmentRecord) -> Answer:
    """Pass: every packet carried one. Warn: advertised for all packets, but not shown to be delivered. Fail: neither."""
    if record.timestamp_ladder is not None:
        return _by_ladder(record.timestamp_ladder)
    return _by_trials(run, record)


def has_stamps(record: EnvironmentRecord | None) -> bool:
    """Packets get hardware stamps there: every one of the ladder's did; without a ladder, the probe's interface says so."""
    if record is None:
        return False
    if record.timestamp_ladder is not None:
        return record.timestamp_ladder.rungs[_DELIVERED].passed is True
    return bool((record.hardware_stamps or {}).get("hardware_receive"))


def _by_ladder(ladder: TimestampLadder) -> Answer:
    received = sum(item.received_packets for item in ladder.traffic)
    numbers: Numbers = {
        "hardware_packets": sum(item.hardware_packets for item in ladder.traffic),
        "received_packets": received,
        "highest_rung": ladder.highest_rung,
    }
    rungs = ladder.rungs[:_NEEDED_RUNGS]
    failed = next((rung for rung in rungs if rung.passed is False), None)
    if failed is not None:
        return _failed(ladder.sentence, numbers, ladder.interface, failed.remedy)
    if rungs[_DELIVERED].passed:
        return Answer(Hypothesis(verdict="pass", sentence=ladder.sentence, numbers=numbers))
    if rungs[0].passed is None:
        return not_measured(ladder.sentence)
    open_rung = next((rung for rung in rungs if rung.passed is None), rungs[_DELIVERED])
    prove = Remedy(
        sentence="Advertised is not delivered: prove it with packets.",
        command=open_rung.remedy or f"netbench timestamps -i {ladder.interface} --configure",
    )
    return Answer(Hypothesis(verdict="warn", sentence=ladder.sentence, numbers=numbers), "", [], [prove])


def _by_trials(run: Run, record: EnvironmentRecord) -> Answer:
    stamped, received = _delivered(run, record.label)
    interface = record.interface or "the probe's interface"
    numbers: Numbers = {"hardware_packets": stamped, "received_packets": received}
    if stamped and stamped == received:
        return Answer(Hypothesis(verdict="pass", sentence=f"All {received:,} packets carried a hardware stamp.", numbers=numbers))
    if stamped:
        sentence = f"{stamped:,} of {received:,} packets ({percent(stamped / received)}) carried a hardware stamp: some is not all."
        return _failed(sentence, numbers, interface)
    if record.hardware_stamps is None:
        why = f": {record.timestamp_ladder_absent}" if record.timestamp_ladder_absent else "."
        return not_measured(f"{interface} was not asked what it can stamp{why}")
    if not has_stamps(record):
        return _failed(f"{interface} does not advertise hardware stamps for received packets.", numbers, interface)
    filters = [name for name in record.hardware_stamps.get("rx_filters") or [] if name != _NO_FILTER]
    if _ALL_PACKETS not in filters:
        sentence = f"{interface} stamps only some packets in hardware: {', '.join(filters) or 'no filter is named'}."
        return _failed(sentence, numbers, interface)
    look = Remedy(
        sentence="Advertised is not delivered: prove it with packets.",
        command=f"netbench timestamps -i {interface} --configure",
    )
    sentence = f"{interface} advertises hardware stamps for all packets; this run did not ask for them, so none is proven."
    return Answer(Hypothesis(verdict="warn", sentence=sentence, numbers=numbers), "", [], [look])


def _failed(sentence: str, numbers: Numbers, interface: str, command: str | None = None) -> Answer:
    return Answer(
        Hypothesis(verdict="fail", sentence=sentence, numbers=numbers),
        "has no hardware stamps",
        [Cause(layer=None, sentence=f"{sentence} A probe that depends on them cannot be trusted here.")],
        [
            Remedy(
                sentence="Where hardware stamps are needed, give the probe a passed-through card or an SR-IOV function; prove it.",
                command=command or f"netbench timestamps -i {interface} --configure",
            )
        ],
    )


def _delivered(run: Run, label: str) -> tuple[int, int]:
    """Packets with a hardware stamp, and all."""
    stamps = [trial.timestamps for trial in usable(run.trials_of(label)) if trial.timestamps is not None]
    hardware = sum(item.hardware_packets for item in stamps)
    return hardware, hardware + sum(item.kernel_packets + item.user_packets for item in stamps)

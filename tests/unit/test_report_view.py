from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import run_builder

from netbench.report import format, html, markdown
from netbench.report.view import build_view
from netbench.report.view.figures import survival_curve
from netbench.report.view.limits import limits, share_struck_at_most
from netbench.report.view.pooling import pool_trials
from netbench.result.environment import EnvironmentRecord, Facts, Floor
from netbench.result.numbers import Distribution
from netbench.result.run import Run
from netbench.result.verdict import Hypothesis


def plain(text: str) -> str:
    return text.replace(format.GROUP_SPACE, " ").replace(format.UNIT_SPACE, " ")


def test_the_headline_answers_for_every_environment() -> None:
    view = build_view(run_builder.complete_run())

    assert view.headline == "A probe can be trusted in host; not in macvlan:receivers=3; bridge cannot carry what was asked."


def test_losses_of_samples_are_added_up_and_the_layer_keeps_its_packets() -> None:
    run = run_builder.complete_run()
    trials = run.trials_of(run_builder.MACVLAN, "lineup")

    pooled = pool_trials(run)[run_builder.MACVLAN, "lineup"].loss

    assert pooled is not None
    assert pooled.lost_packets == sum(trial.loss.lost_packets for trial in trials if trial.loss)
    assert pooled.expected_packets == 3 * 94_985
    assert dict(pooled.drops) == {"macvlan_broadcast_queue": pooled.lost_packets - 6}
    assert pooled.unattributed_packets == 6


def test_no_loss_in_all_samples_is_worth_three_over_all_packets() -> None:
    pooled = pool_trials(run_builder.complete_run())["host", "lineup"].loss

    assert pooled is not None
    assert pooled.lost_packets == 0
    assert pooled.upper_bound_ratio == 3 / (3 * 94_985)


def test_the_verdict_row_shows_the_worst_profile() -> None:
    view = build_view(run_builder.complete_run())
    macvlan = view.verdicts[1]

    assert macvlan.loss.note == "lineup"
    assert "of 284 955 (10.5 %; at most" in plain(macvlan.loss.text)
    assert [item.look.word for item in macvlan.hypotheses] == ["fail", "not measured", "fail", "fail"]


def test_both_tables_show_the_bound_that_h1_was_judged_by() -> None:
    run = run_builder.complete_run()
    pooled = pool_trials(run)[run_builder.MACVLAN, "lineup"].loss
    assert pooled is not None
    numbers = {"lost_packets": pooled.lost_packets, "expected_packets": pooled.expected_packets, "upper_bound_ratio": 0.123}
    verdict = run.verdicts[1]
    judged = verdict.model_copy(
        update={"hypotheses": {**verdict.hypotheses, "H1": verdict.hypotheses["H1"].model_copy(update={"numbers": numbers})}}
    )
    view = build_view(run.model_copy(update={"verdicts": [judged]}))
    row = next(row for row in view.measures if (row.environment, row.profile) == (run_builder.MACVLAN, "lineup"))

    assert "at most 12.3 % at 95 %" in plain(view.verdicts[1].loss.text)
    assert row.loss.text == view.verdicts[1].loss.text


def test_what_was_not_measured_is_a_dash_with_its_reason_and_never_zero() -> None:
    view = build_view(run_builder.complete_run())
    row = next(row for row in view.measures if (row.environment, row.profile) == ("bridge", "iptv"))
    cells = (row.loss, row.iat_p50, row.iat_p99, row.iat_max, row.distortion, row.jitter, row.mdi, row.reordered)

    assert {cell.text for cell in cells} == {format.ABSENT}
    reasons = {note.number: note.reason for note in view.footnotes}
    assert {reasons[cell.footnote] for cell in cells if cell.footnote} == {
        "Groups from outside do not pass Docker's NAT bridge: it routes no multicast."
    }


def test_a_sender_limited_trial_is_left_out_and_is_nobodys_loss() -> None:
    run = run_builder.sender_limited_run()
    view = build_view(run)
    pooled = pool_trials(run)[run_builder.MACVLAN, "lineup"]
    row = next(row for row in view.trials if row.status == "sender-limited")

    assert len(pooled.counted) == 2
    assert not row.counts
    assert row.lost.text == format.ABSENT
    assert [banner.kind for banner in view.banners] == ["sender-limited"]
    assert "it is not the environment's loss" in view.banners[0].text


def test_an_interrupted_run_says_so_and_judges_only_what_was_judged() -> None:
    view = build_view(run_builder.interrupted_run())

    assert view.banners[0].kind == "interrupted"
    assert "4 of 27 planned trials" in view.banners[0].text
    assert [row.word for row in view.verdicts] == ["pass", "not_judged", "not_judged"]
    assert view.verdicts[2].loss.title == "The run was interrupted before this was measured."


def test_a_run_without_any_environment_or_trial_has_a_view() -> None:
    run = run_builder.complete_run().model_copy(
        update={"environments": [], "trials": [], "verdicts": [], "comparison": None, "status": "running"}
    )
    view = build_view(run)

    assert view.headline == "The run holds no environment."
    assert view.verdicts == []
    assert view.figures.series == []


def test_an_environment_that_could_not_be_built_says_why_and_what_to_type() -> None:
    run = run_builder.complete_run()
    missing = EnvironmentRecord(
        name="vm", label="vm", available=False, reason="There is no QEMU here.", remedy="apt-get install qemu"
    )
    view = build_view(run.model_copy(update={"environments": [*run.environments, missing]}))
    row = view.verdicts[-1]

    assert row.sentence == "There is no QEMU here."
    assert row.remedies[-1].command == "apt-get install qemu"
    assert row.loss.title == "There is no QEMU here."


def test_a_distortion_of_one_stamp_is_told_to_be_no_second_look() -> None:
    view = build_view(run_builder.one_stamp_run())
    (banner,) = view.banners

    assert banner.kind == "caveat"
    assert banner.text.startswith("In host, tap and probe read the same kernel stamp of each packet")
    assert view.verdicts[0].distortion.note == "same stamp"
    assert view.figures.one_stamp == ["host"]
    assert "host" not in {curve.environment for panel in view.figures.distortion for curve in panel.curves}


def test_no_loss_is_worth_the_bound_of_the_profile_with_the_fewest_packets() -> None:
    host = build_view(run_builder.complete_run()).verdicts[0]

    assert host.loss.note == "iptv"
    assert plain(host.loss.brief) == "0 (< 0.053 %)"


def test_what_a_run_cannot_show_is_told_in_its_own_numbers() -> None:
    run = run_builder.complete_run()
    noisy = Floor(idle_iat_error_us=run_builder.distribution([900.0]))
    bursts, floor, load, _ = map(plain, build_view(run.model_copy(update={"floor": noisy})).limits)

    assert "3 samples of 2 s without loss rule out only bursts that strike more than 63 % of such samples" in bursts
    assert not any("Under load the sender" in item for item in build_view(run).limits)
    assert floor.startswith("The floor, 900 µs, is above H3's limit of 250 µs")
    assert load.startswith("No more than 47.5 kpps in 50 streams was sent")
    assert not any("The floor" in item for item in build_view(run).limits)


def test_a_sender_that_was_late_under_load_is_told() -> None:
    run = run_builder.complete_run(samples=1)
    books = run.trials[0].sent
    assert books is not None
    late = books.model_copy(update={"lateness_us": run_builder.distribution([7000.0])})
    trials = [run.trials[0].model_copy(update={"sent": late}), *run.trials[1:]]

    assert any(
        "Under load the sender itself was up to 7.00 ms late" in plain(item)
        for item in build_view(run.model_copy(update={"trials": trials})).limits
    )


@pytest.mark.parametrize(("samples", "percent"), [(1, 95), (3, 63), (29, 10)])
def test_samples_without_loss_bound_the_share_that_loss_strikes(samples: int, percent: int) -> None:
    assert round(100 * share_struck_at_most(samples)) == percent


def test_stamps_that_are_nowhere_are_told_to_be_left_out() -> None:
    run = run_builder.complete_run()
    failed = [item for item in build_view(run).limits if item.startswith("H4 fails in host, too")]
    answers = {**run.verdicts[0].hypotheses, "H4": Hypothesis(verdict="pass", sentence="All carried one.")}
    stamped = [run.verdicts[0].model_copy(update={"hypotheses": answers}), *run.verdicts[1:]]

    assert len(failed) == 1
    assert not any("H4" in item for item in build_view(run.model_copy(update={"verdicts": stamped})).limits)


def test_why_an_environment_carries_no_multicast_is_one_reason_with_what_each_trial_saw() -> None:
    run = run_builder.complete_run()
    why = run.environments[2].multicast_unsupported or ""
    trials = [
        trial.model_copy(
            update={
                "reason": f"0 of {index} packets arrived: {why}",
                "absent": {"loss": f"unsupported: 0 of {index} packets arrived: {why}"},
            }
        )
        if trial.status == "unsupported"
        else trial
        for index, trial in enumerate(run.trials)
    ]
    view = build_view(run.model_copy(update={"trials": trials}))
    rows = [row for row in view.trials if row.status == "unsupported"]

    assert [note.reason for note in view.footnotes if why in note.reason] == [why]
    assert {row.reason for row in rows} == {
        f"0 of {index} packets arrived" for index, trial in enumerate(run.trials) if trial.status == "unsupported"
    }


def test_injected_loss_is_told_before_any_number() -> None:
    view = build_view(run_builder.injected_run())

    assert view.banners[0].kind == "injected"
    assert view.verdicts[0].injected is not None


def test_every_receiver_of_every_trial_has_a_row() -> None:
    run = run_builder.complete_run()

    assert len(build_view(run).trials) == sum(len(trial.receptions) for trial in run.trials)


def test_a_survival_curve_never_rises_and_ends_at_the_exact_maximum() -> None:
    first = Distribution(count=4, min=1, mean=2, max=3.5, p50=2, p99=3.5, p99_9=3.5, histogram=[(1, 2, 2), (2, 3, 1), (3, 4, 1)])
    second = Distribution(count=4, min=0.5, mean=2, max=9, p50=2, p99=9, p99_9=9, histogram=[(0, 1, 1), (1, 2, 2), (8, 10, 1)])

    curve = survival_curve("host", 0, [first, second])

    assert curve.x_us == [0.5, 1, 2, 3, 4, 9]
    assert curve.share_above == [1.0, 7 / 8, 3 / 8, 2 / 8, 1 / 8, 0.0]


def test_a_long_histogram_is_thinned_but_its_tail_is_kept() -> None:
    histogram = [(float(index), float(index + 1), 1) for index in range(5000)]
    wide = Distribution(count=5000, min=0, mean=2500, max=4999.5, p50=2500, p99=4950, p99_9=4995, histogram=histogram)

    curve = survival_curve("host", 0, [wide])

    assert len(curve.x_us) <= 500
    assert curve.x_us[-100:-1] == [float(upper) for upper in range(4901, 5000)]
    assert curve.share_above == sorted(curve.share_above, reverse=True)


def test_series_share_one_time_axis_and_a_short_last_window_is_no_dip() -> None:
    run = run_builder.complete_run(samples=1)
    trial = run.trials[0]
    points = [point.model_copy(update={"start_s": index * 0.3, "packets": 300}) for index, point in enumerate(trial.series[:7])]
    points[-1] = points[-1].model_copy(update={"packets": 200})
    shorter = trial.model_copy(update={"series": points, "duration_s": 2.0})
    view = build_view(run.model_copy(update={"trials": [shorter]}))

    (item,) = view.figures.series
    assert item.time_s == [0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8]
    assert item.lines[0].packets_per_second == [pytest.approx(1000)] * 7


def test_a_soak_is_thinned_without_losing_its_worst_moment() -> None:
    run = run_builder.complete_run(samples=1)
    trial = run.trials[0]
    points = [
        trial.series[0].model_copy(update={"start_s": float(second), "packets": 950, "iat_max_us": 1100.0})
        for second in range(86_400)
    ]
    points[50_000] = points[50_000].model_copy(update={"iat_max_us": 123_000.0})
    soak = trial.model_copy(update={"series": points, "duration_s": 86_400.0})
    view = build_view(run.model_copy(update={"trials": [soak]}))

    (item,) = view.figures.series
    assert len(item.time_s) <= 30_000
    assert max(value for value in item.lines[0].iat_max_ms if value is not None) == 123.0


def test_a_trial_of_an_unknown_environment_or_profile_does_not_break_the_report() -> None:
    run: Run = run_builder.complete_run(samples=1)
    strange = run.trials[0].model_copy(update={"environment": "elsewhere", "profile": "other"})
    view = build_view(run.model_copy(update={"trials": [*run.trials, strange]}))

    assert view.trials[-1].environment == "elsewhere"


@pytest.mark.parametrize(
    ("counters", "absent", "shown"),
    [
        (
            {"kernel": {"kfree_skb.NOT_SPECIFIED": 7, "kfree_skb.SOCKET_RCVBUFF": 1234}},
            {},
            "SOCKET_RCVBUFF 1 234, NOT_SPECIFIED 7: ",
        ),
        ({}, {"counters.kernel": "tracefs cannot be read here"}, format.ABSENT),
        ({}, {}, None),  # a record of before
    ],
)
def test_the_kernels_reasons_stand_with_the_environment_that_lost(
    counters: dict[str, dict[str, int]], absent: dict[str, str], shown: str | None
) -> None:
    run = run_builder.complete_run()
    trials = [trial.model_copy(update={"counters": counters, "absent": trial.absent | absent}) for trial in run.trials]
    view = build_view(run.model_copy(update={"trials": trials}))

    rows = {item.label: [row for row in item.rows if row.key.startswith("The kernel's own reasons")] for item in view.environments}
    lost = {trial.environment for trial in trials if trial.status == "ok" and trial.loss and trial.loss.lost_packets}
    assert lost
    assert {label for label, told in rows.items() if told} == (lost if shown else set())
    assert all(plain(row.value.text).startswith(plain(shown or "")) for told in rows.values() for row in told)


def test_findings_that_ask_for_nothing_are_counted_and_remarks_are_shown() -> None:
    run = run_builder.complete_run()
    host = run.environments[0].model_copy(update={"remarks": ["The guest is slow <b>."]})
    view = build_view(run.model_copy(update={"environments": [host, *run.environments[1:]]}))

    shown = view.environments[0]
    assert {finding.look.word for finding in shown.findings} <= {"warn", "fail"}
    assert len(shown.findings) == sum(finding.severity in ("warn", "fail") for finding in host.findings) > 0
    met = sum(finding.severity == "ok" for finding in host.findings)
    assert shown.findings_left_out is not None
    assert f"{len(host.findings)} requirements checked: {met} met" in shown.findings_left_out
    assert "<li>The guest is slow &lt;b&gt;.</li>" in html.render(view)
    assert "- The guest is slow \\<b\\>." in markdown.render(view)


def test_an_emulated_processor_is_told_before_its_timing_is_believed() -> None:
    run = run_builder.complete_run()
    guest = run.environments[0].model_copy(update={"facts": Facts(values={"machine": {"cpu_model": "QEMU TCG CPU version 2.5+"}})})
    emulated = run.model_copy(update={"environments": [guest, *run.environments[1:]]})

    assert not any("TCG" in limit for limit in limits(run))
    assert "The processor of host was emulated" in plain(limits(emulated)[0])

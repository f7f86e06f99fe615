"""Whether a probe can be trusted in each environment: four hypotheses, one verdict, why, and what to type.

The overall verdict is the worse of H1 (loss) and H3 (timing): fail > inconclusive > warn > pass. On top of that
- H2 (HTTP timing) is not measured by this run, and changes nothing;
- H4 (hardware stamps) turns a pass into a warn where the reference has hardware stamps and the environment has not; where
  neither has, the environment takes nothing away;
- an environment into which multicast does not come is `unsupported`, unless what does come in fails;
- an environment that could not be built, of which no trial is usable, or that failed in half of its trials, is `inconclusive`.
"""

from __future__ import annotations

from netbench.compare.answer import Answer, not_measured, trials_of, worst
from netbench.compare.comparison import compare, reference_label
from netbench.compare.loss_hypothesis import judge_loss
from netbench.compare.stamp_hypothesis import has_stamps, judge_stamps
from netbench.compare.timing_hypothesis import judge_timing
from netbench.errors import ExitCode
from netbench.result.environment import EnvironmentRecord
from netbench.result.run import Run
from netbench.result.verdict import Cause, Comparison, Hypothesis, Remedy, Verdict, VerdictWord

_HTTP = "HTTP timing is not measured by this run."


def judge(run: Run) -> tuple[Comparison, list[Verdict]]:
    """Compare all environments, and judge each.

    Args:
        run: as far as it came; interrupted runs are judged by what they hold.

    Returns:
        The comparison, and a verdict for each environment of the run, in its order.
    """
    comparison = compare(run)
    label = reference_label(run)
    reference = next((record for record in run.environments if record.label == label), None)
    return comparison, [_verdict(run, record, reference, comparison) for record in run.environments]


def exit_code(run: Run) -> ExitCode:
    """What the process says about a judged run.

    130 when it was interrupted; 1 when any environment fails; 3 when none could be built; 4 when any is inconclusive, for the
    plan asked for it and has no answer; else 0. `warn` is told, not failed; `unsupported` is an answer, not a failure of the plan.
    """
    words = {verdict.verdict for verdict in run.verdicts}
    if run.status == "interrupted":
        return ExitCode.INTERRUPTED
    if "fail" in words:
        return ExitCode.FAIL
    if not any(record.available for record in run.environments):
        return ExitCode.CANNOT_RUN
    if not words or "inconclusive" in words:
        return ExitCode.INCONCLUSIVE
    return ExitCode.PASS


def _verdict(run: Run, record: EnvironmentRecord, reference: EnvironmentRecord | None, comparison: Comparison) -> Verdict:
    if not record.available:
        return _not_built(record)
    loss, timing, stamps = judge_loss(run, record), judge_timing(run, record, comparison), judge_stamps(run, record)
    word = _overall(loss, timing)
    blamed = [answer for answer in (loss, timing) if answer.word != "pass"]
    told = [answer for answer in (loss, timing) if answer.word == word]
    if stamps.word == "fail" and has_stamps(reference):
        blamed.append(stamps)
        if word == "pass":
            word = "warn"
            told = [stamps]
    stopped = _stopped(run, record)
    if stopped is not None and word in ("pass", "warn"):
        blamed.append(stopped)
        word = "inconclusive"
        told = [stopped]
    remedies = [remedy for answer in blamed for remedy in answer.remedies]
    return Verdict(
        environment=record.label,
        verdict=word,
        sentence="; ".join(answer.headline for answer in told if answer.headline) or "was not measured",
        hypotheses={
            "H1": loss.hypothesis,
            "H2": not_measured(_HTTP).hypothesis,
            "H3": timing.hypothesis,
            "H4": stamps.hypothesis,
        },
        causes=[cause for answer in blamed for cause in answer.causes],
        remedies=list({(remedy.sentence, remedy.command): remedy for remedy in remedies}.values()),
    )


def _overall(loss: Answer, timing: Answer) -> VerdictWord:
    """The worse of the two, with `unsupported` next to the worst; `inconclusive` when neither judges."""
    judged = worst([loss.word, timing.word])
    if loss.word == "unsupported" and judged != "fail":
        return "unsupported"
    return judged or "inconclusive"


def _stopped(run: Run, record: EnvironmentRecord) -> Answer | None:
    """That a place did not work in half of its trials or more: what the others say is not what it is like."""
    trials = run.trials_of(record.label)
    broken = [trial for trial in trials if trial.status == "error"]
    if not broken or 2 * len(broken) < len(trials):
        return None
    headline = f"{trials_of(len(broken), len(trials))} ended in an error"
    sentence = f"{headline}, the last one because {broken[-1].reason or 'of something that was not told'}"
    return Answer(Hypothesis(verdict="inconclusive", sentence=sentence), headline, [Cause(layer=None, sentence=sentence)])


def _not_built(record: EnvironmentRecord) -> Verdict:
    reason = record.reason or "no reason was given"
    answer = not_measured(f"The environment could not be built here: {reason}")
    return Verdict(
        environment=record.label,
        verdict="inconclusive",
        sentence=f"could not be built here: {reason}",
        hypotheses={"H1": answer.hypothesis, "H2": answer.hypothesis, "H3": answer.hypothesis, "H4": answer.hypothesis},
        causes=[Cause(layer=None, sentence=answer.hypothesis.sentence)],
        remedies=[Remedy(sentence="Give this machine what it lacks.", command=record.remedy)] if record.remedy else [],
    )

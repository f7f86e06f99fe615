"""H3: are arrival times and MLR that a capture measures inside the environment those of the wire?

Three witnesses. The tap sees the same packets on the wire side: what lies between the two sightings is the environment's doing
alone, and packets that only the tap saw would be blamed on the network by the probe's MLR. The reference environment received the
same stream: it is the weaker witness, for the sender is in between, and it decides only where there is no tap. The application
itself says how long packets took from the kernel's stamp into its hands: what a probe adds that reads its own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netbench.compare import emulation
from netbench.compare.answer import Answer, JudgedWord, micros, not_measured, percent, together, worst
from netbench.compare.comparison import distortion_floor_us, usable
from netbench.compare.losses import Losses, pool
from netbench.compare.statistics import FEWEST_SAMPLES, mean_interval
from netbench.compare.throttling import REMEDY, longest_wait_us, throttled_periods
from netbench.result.environment import EnvironmentRecord
from netbench.result.plan import Traffic
from netbench.result.run import Run
from netbench.result.trial import Trial
from netbench.result.verdict import Cause, Comparison, Hypothesis, Interval, MetricComparison, Remedy

_IAT = "iat_us.p99"
_DELIVERY = "delivery_us.p99"
_KERNEL_STAMPS = Remedy(
    sentence="Let the probe take the kernel's receive stamps: libpcap does, a UDP socket by SO_TIMESTAMPNS. See if yours does.",
    command="strace -f -e trace=setsockopt -p PID",
)
_QUIETER = Remedy(
    sentence="Measure on a machine with less noise of its own: this one's floor is above the threshold.", command="netbench inspect"
)
_MORE_SAMPLES = Remedy(sentence="Take more samples.", command=f"netbench run --samples {FEWEST_SAMPLES + 2}")


@dataclass(frozen=True)
class Opinion:
    """What one witness says about one profile.

    Attributes:
        text: without the profile, so that profiles of which the same can be said are told together.
        headline: for a row of a table; "" where H1 has told it already, with its causes.
    """

    word: JudgedWord
    profile: str
    text: str
    headline: str = ""
    remedy: Remedy | None = None


def judge_timing(run: Run, record: EnvironmentRecord, comparison: Comparison) -> Answer:
    """Pass: the probe's arrival times and MLR are those of the wire, within the plan's threshold."""
    opinions: list[Opinion] = []
    distortions: list[Interval] = []
    inside = 0
    for profile in run.plan.traffic:
        trials = usable(run.trials_of(record.label, profile.name))
        if not trials:
            continue
        losses = pool(profile.name, profile.delivery, trials, len(trials))
        distortion = _distortion(trials)
        row = _row(comparison, record.label, profile.name, _IAT)
        inside += losses.inside
        timed: list[Opinion] = []
        if distortion is not None:
            distortions.append(distortion)
            timed.append(_by_distortion(run, profile, distortion, _one_stamp(trials), record.interface or "eth0"))
        timed += _by_cpu_limit(profile, trials)
        timed += _by_own_clock(profile, comparison, record.label)
        timed += _by_reference(run, profile, comparison.reference, row, tap=distortion is not None)
        opinions += map(_of_an_emulation, timed) if emulation.is_emulated(record) else timed
        opinions += _by_loss(run, losses, trials)
    word = worst(opinion.word for opinion in opinions)
    if word is None:
        return not_measured("No usable trial was seen from a tap, or compared with the reference.")
    told = sorted(opinions, key=lambda opinion: opinion.word != word)
    worst_distortion = max(distortions, key=lambda interval: interval.estimate, default=None)
    blamed = [opinion for opinion in told if opinion.word != "pass"]
    headlines = dict.fromkeys(opinion.headline for opinion in told if opinion.word == word and opinion.headline)
    return Answer(
        Hypothesis(
            verdict=word,
            sentence=" ".join(_sentences(told)),
            numbers={
                "distortion_p99_us": worst_distortion.estimate if worst_distortion else None,
                "threshold_us": run.plan.thresholds.distortion_p99_us,
                "floor_us": distortion_floor_us(run) if run.floor.idle_iat_error_us else None,
                "lost_inside_packets": inside,
            },
            absent=_absent(run, worst_distortion),
        ),
        next(iter(headlines), ""),
        [Cause(layer=None, sentence=sentence) for sentence in _sentences([item for item in blamed if item.headline])],
        list({opinion.remedy.sentence: opinion.remedy for opinion in blamed if opinion.remedy}.values()),
    )


def _of_an_emulation(opinion: Opinion) -> Opinion:
    """What speaks against an emulated processor's timing speaks against no other."""
    if opinion.word == "pass":
        return opinion
    text = f"{opinion.text.removesuffix('.')}; the processor is emulated, and so is this."
    return replace(opinion, word="inconclusive", text=text, headline=emulation.HEADLINE, remedy=emulation.REMEDY)


def _sentences(opinions: Sequence[Opinion]) -> list[str]:
    """One a text, with all profiles that it is about."""
    profiles: dict[str, list[str]] = {}
    for opinion in opinions:
        profiles.setdefault(opinion.text, []).append(opinion.profile)
    return [f"{together(names)}: {text}" for text, names in profiles.items()]


def _distortion(trials: Sequence[Trial]) -> Interval | None:
    """p99 of the distortion, over samples."""
    return mean_interval([trial.tap.distortion_us.p99 for trial in trials if trial.tap and trial.tap.distortion_us])


def _one_stamp(trials: Sequence[Trial]) -> bool:
    """Tap and probe were given the very same stamps: no distortion is then a fact of the kernel, not a measurement of luck."""
    transits = [trial.tap.transit_us for trial in trials if trial.tap is not None and trial.tap.transit_us is not None]
    return bool(transits) and all(transit.min == transit.max == 0 for transit in transits)


def _by_distortion(run: Run, profile: Traffic, distortion: Interval, one_stamp: bool, interface: str) -> Opinion:
    threshold, floor = run.plan.thresholds.distortion_p99_us, distortion_floor_us(run)
    if one_stamp:
        text = "distortion is 0 by construction, for the probe gets the kernel's stamp of the wire side."
        return Opinion("pass", profile.name, text, "keeps the wire's kernel stamps")
    amount = f"arrival times are distorted by {micros(distortion.estimate)} (p99)"
    headline = f"distorts arrival times by {micros(distortion.estimate)} (p99)"
    if distortion.estimate <= threshold:
        return Opinion("pass", profile.name, f"{amount}, {micros(threshold)} allowed.", headline)
    if distortion.estimate <= floor:
        text = f"{amount}, below this machine's own floor of {micros(floor)}: not to be judged."
        return Opinion("inconclusive", profile.name, text, "has a floor too high to judge its timing", _QUIETER)
    limit = f"above the {micros(threshold)} allowed" + (f" and the floor of {micros(floor)}" if floor > threshold else "")
    if distortion.samples < FEWEST_SAMPLES:
        text = f"{amount}, {limit}; it takes {FEWEST_SAMPLES} samples to judge that."
        return Opinion("inconclusive", profile.name, text, "has too few samples to judge its timing", _MORE_SAMPLES)
    steady = Remedy(
        sentence="Give the probe CPUs of its own, and turn GRO, LRO and interrupt coalescing off where it receives; "
        "or take hardware stamps.",
        command=f"ethtool -K {interface} gro off lro off",
    )
    if distortion.low <= max(threshold, floor):
        return Opinion("warn", profile.name, f"{amount}, {limit}, but samples differ too much to be sure.", headline, steady)
    return Opinion("fail", profile.name, f"{amount}, {limit}.", headline, steady)


def _by_own_clock(profile: Traffic, comparison: Comparison, environment: str) -> list[Opinion]:
    """The kernel's stamp is taken early; a probe that reads its own clock gets the way from there to its hands on top.

    Only a delay beyond the reference's counts against the environment. What cannot be told apart is said to be so: samples that lie
    far apart clear nobody.
    """
    row = _row(comparison, environment, profile.name, _DELIVERY)
    if row is None or row.difference is None or row.tolerance is None:
        return []
    late = micros(abs(row.difference.estimate))
    if row.relevant and row.difference.estimate > 0:
        return [
            Opinion(
                "warn",
                profile.name,
                f"packets reach the application {late} (p99) later than in {comparison.reference}, counted from "
                "the kernel's stamp: a probe with its own clock measures that as jitter, one with the kernel's stamps does not.",
                f"hands packets over {late} (p99) later than {comparison.reference}",
                _KERNEL_STAMPS,
            )
        ]
    if row.difference.samples >= FEWEST_SAMPLES and row.difference.high <= row.tolerance:
        return []
    text = (
        f"whether a probe with a clock of its own sees more jitter than in {comparison.reference} is open: samples differ too much."
    )
    return [Opinion("pass", profile.name, text)]


def _by_cpu_limit(profile: Traffic, trials: Sequence[Trial]) -> list[Opinion]:
    """A process that a quota holds back reads late, in gaps; what its kernel stamps does not tell that."""
    periods = throttled_periods(trials)
    if not periods:
        return []
    wait = longest_wait_us(trials)
    gaps = f": gaps in its reading, up to {micros(wait)} in which a packet waited" if wait is not None else ""
    text = f"a CPU limit (cgroup nr_throttled) held the probe back in {periods:,} of its periods{gaps}."
    return [Opinion("warn", profile.name, text, f"is held back by a CPU limit in {periods:,} periods", REMEDY)]


def _by_loss(run: Run, losses: Losses, trials: Sequence[Trial]) -> list[Opinion]:
    """Packets that passed the tap and then were lost count in the probe's MLR, and are blamed on the network."""
    seen = sum(trial.tap.unique_packets for trial in trials if trial.tap is not None and trial.tap.kernel_drops == 0)
    if seen == 0:
        return []
    name, inside = losses.profile, losses.inside
    if inside == 0:
        return [Opinion("pass", name, "MLR is that of the wire: nothing was lost behind the tap.")]
    share = f"{percent(inside / seen)} of {seen:,}"
    if inside / seen <= run.plan.thresholds.loss_ratio:
        return [Opinion("pass", name, f"MLR counts {inside:,} packets that the wire delivered ({share}), as is allowed.")]
    return [Opinion("fail", name, f"MLR counts {inside:,} packets as lost that the wire delivered ({share}).")]


def _by_reference(run: Run, profile: Traffic, reference: str, row: MetricComparison | None, *, tap: bool) -> list[Opinion]:
    """IAT beside the reference's."""
    if row is None or row.difference is None:
        return []
    if row.relevant is None:
        if tap:
            return []
        text = f"IAT p99 cannot be compared with {reference}: {row.absent.get('relevant', 'too few samples')}."
        return [Opinion("inconclusive", profile.name, text, "has too few samples to judge its timing", _MORE_SAMPLES)]
    amount = f"IAT p99 is {micros(abs(row.difference.estimate))}"
    headline = f"has an IAT p99 {micros(abs(row.difference.estimate))} above {reference}"
    if row.relevant and row.difference.estimate > 0:
        if tap:
            # The tap is the better witness: IATs that differ on the wire are the sender's, or stretched by packets lost there.
            text = f"{amount} above {reference}, on the wire already: the environment does not add it."
            return [Opinion("pass", profile.name, text)]
        return [Opinion("fail", profile.name, f"{amount} above {reference}.", headline)]
    return [] if tap else [_alike(run, profile, reference, row.difference)]


def _alike(run: Run, profile: Traffic, reference: str, difference: Interval) -> Opinion:
    """No difference was found; that clears the environment only where one above the threshold would have been found."""
    threshold = run.plan.thresholds.distortion_p99_us
    if difference.high <= threshold:
        text = f"IAT p99 is at most {micros(max(difference.high, 0.0))} above {reference} (95 %), {micros(threshold)} allowed."
        return Opinion("pass", profile.name, text, f"has the IAT of {reference}")
    text = (
        f"IAT p99 may be {micros(difference.high)} above {reference} (95 %), {micros(threshold)} allowed: samples differ too much."
    )
    noisy = distortion_floor_us(run) > threshold
    return Opinion(
        "inconclusive",
        profile.name,
        text,
        "has samples that differ too much to judge its timing",
        _QUIETER if noisy else _MORE_SAMPLES,
    )


def _row(comparison: Comparison, environment: str, profile: str, metric: str) -> MetricComparison | None:
    rows = (row for row in comparison.metrics if (row.environment, row.profile, row.metric) == (environment, profile, metric))
    return next(rows, None)


def _absent(run: Run, distortion: Interval | None) -> dict[str, str]:
    absent = {}
    if distortion is None:
        absent["numbers.distortion_p99_us"] = "no trial had a tap's packet log to compare with"
    if run.floor.idle_iat_error_us is None:
        absent["numbers.floor_us"] = run.floor.absent.get("idle_iat_error_us", "the floor was not measured")
    return absent

"""What an environment is, how it was built, what the plan asked for, and how it was measured: lists of facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netbench.report import format
from netbench.report.view.cells import Cell, Footnotes, KeyValue
from netbench.report.view.feed_rows import feed_rows
from netbench.report.view.pooling import Pool
from netbench.report.words import SEVERITIES, VerdictLook, layer_name
from netbench.result.environment import EnvironmentRecord, Facts, Finding
from netbench.result.numbers import Distribution
from netbench.result.run import Run

LARGEST_NUMBER_OF_FACTS = 400


@dataclass(frozen=True)
class FindingRow:
    """One checked requirement that is not met."""

    look: VerdictLook
    title: str
    expected: str
    evidence: str
    remedy: str | None


@dataclass(frozen=True)
class DropRow:
    """Loss that a counter explains, in the sample that lost most."""

    profile: str
    layer: str
    side: str
    packets: Cell
    counted: Cell
    evidence: str


@dataclass(frozen=True)
class EnvironmentDetail:
    """Everything about one environment that is no measurement."""

    label: str
    slot: int
    available: bool
    rows: list[KeyValue]
    built_by: list[str]
    remarks: list[str]
    findings: list[FindingRow]
    findings_left_out: str | None
    drops: list[DropRow]
    facts: list[KeyValue]


def describe_environment(record: EnvironmentRecord, slot: int, pools: list[Pool], footnotes: Footnotes) -> EnvironmentDetail:
    """All that the record says, readable; findings that ask for nothing are counted alone."""
    worst_first = sorted(record.findings, key=lambda item: SEVERITIES[item.severity].rank)
    return EnvironmentDetail(
        label=record.label,
        slot=slot,
        available=record.available,
        rows=[
            *_environment_rows(record),
            *(row for pool in pools for row in (*feed_rows(pool), *_kernel_rows(pool, footnotes), *_pattern_rows(pool))),
        ],
        built_by=record.built_by,
        remarks=list(record.remarks),
        findings=[_finding_row(finding) for finding in worst_first if finding.severity in ("fail", "warn")],
        findings_left_out=_left_out(worst_first),
        drops=[row for pool in pools for row in _drop_rows(pool)],
        facts=fact_rows(record.facts, record.label, footnotes),
    )


def _environment_rows(record: EnvironmentRecord) -> Iterator[KeyValue]:
    yield KeyValue("What it is", Cell(record.description or record.name))
    if not record.available:
        yield KeyValue("Not built here", Cell(record.reason or "no reason was recorded"))
        if record.remedy:
            yield KeyValue("To make it available", Cell(record.remedy))
        return
    yield KeyValue("Receivers", Cell(format.count(record.receivers)))
    yield KeyValue("Multicast from outside", Cell(record.multicast_unsupported or "arrives"))
    if record.interface:
        hangs_on = f", on {record.parent_interface}" if record.parent_interface else ""
        yield KeyValue("The probe's interface", Cell(record.interface + hangs_on))
    if record.injected:
        yield KeyValue("Put in on purpose", Cell(record.injected))


def _finding_row(finding: Finding) -> FindingRow:
    return FindingRow(SEVERITIES[finding.severity], finding.title, finding.expected, finding.evidence, finding.remedy)


def _left_out(findings: list[Finding]) -> str | None:
    """How many requirements are met, and how many are worth knowing only; None: nothing was checked."""
    if not findings:
        return None
    met, noted = (sum(finding.severity == severity for finding in findings) for severity in ("ok", "info"))
    bad = len(findings) - met - noted
    words = f"{format.plural(len(findings), 'requirement')} checked: {met} met, {noted} to know only, {bad} to act on"
    return f"{words}. All of them are in run.json."


def _drop_rows(pool: Pool) -> Iterator[DropRow]:
    sides = {"sender": "at the sender", "before_tap": "before the wire side", "after_tap": "after the tap", "unknown": "not known"}
    for drop in pool.evidence:
        yield DropRow(
            profile=pool.profile,
            layer=layer_name(drop.layer),
            side=sides[drop.side],
            packets=Cell(format.count(drop.packets)),
            counted=Cell(format.count(drop.counted_packets)),
            evidence=format.glued(drop.evidence),
        )


def _kernel_rows(pool: Pool, footnotes: Footnotes) -> Iterator[KeyValue]:
    """The kernel's own reasons for the drops of the sample that lost most; nothing where nothing was lost."""
    trial = pool.most_lost
    if trial is None or not trial.loss or not trial.loss.lost_here_packets:
        return
    key = f"The kernel's own reasons, {pool.profile}"
    reasons = trial.counters.get("kernel", {})
    if reasons:
        most_first = sorted(reasons.items(), key=lambda item: -item[1])
        told = ", ".join(f"{name.partition('.')[2]} {format.count(packets)}" for name, packets in most_first)
        yield KeyValue(key, Cell(f"{told}: IPv4 packets that the whole machine dropped meanwhile, copies included (skb:kfree_skb)"))
    elif "counters.kernel" in trial.absent:
        yield KeyValue(key, footnotes.absent(trial.absent["counters.kernel"], f"{pool.environment}, {pool.profile}: drop reasons"))


def _pattern_rows(pool: Pool) -> Iterator[KeyValue]:
    """How the sample that lost most lost, reordered and delayed; nothing where the record does not hold it."""
    trial = pool.most_lost
    if trial is None:
        return
    pattern, order, ipdv = trial.loss_pattern, trial.sequence, trial.ipdv_us
    if pattern is not None and pattern.period_packets is not None:
        close = f"{format.count(pattern.noticeable_packets)} of {format.count(pattern.lost_packets)} losses"
        told = (
            f"{format.plural(pattern.loss_periods, 'period')}, the longest of "
            f"{format.plural(pattern.longest_loss_packets, 'packet')}; "
            f"{close} at most {format.count(pattern.loss_distance_packets)} sequences after another"
        )
        yield KeyValue(f"Loss pattern (RFC 3357), {pool.profile}", Cell(told))
    if order is not None and order.extent_packets is not None:
        late = f", late by up to {format.duration_us(1e3 * order.late_ms.max)}" if order.late_ms else ""
        extent = f"{format.count(order.reordered_packets)} packets, {format.count(round(order.extent_packets.max))} at most behind"
        yield KeyValue(f"Reordering (RFC 4737), {pool.profile}", Cell(extent + late))
    if ipdv is not None:
        figures = (("min", ipdv.min), ("p50", ipdv.p50), ("p99", ipdv.p99), ("max", ipdv.max))
        told = ", ".join(f"{name} {format.signed_duration_us(value)}" for name, value in figures)
        yield KeyValue(f"Delay variation (IPDV, RFC 5481), {pool.profile}", Cell(told))


def fact_rows(facts: Facts, place: str, footnotes: Footnotes) -> list[KeyValue]:
    """Facts as dotted keys, and those that are absent with their reason."""
    rows = [KeyValue(key, Cell(text)) for key, text in _flat(facts.values, "")][:LARGEST_NUMBER_OF_FACTS]
    return rows + [KeyValue(key, footnotes.absent(reason, f"{place}: {key}")) for key, reason in facts.absent.items()]


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        if any(isinstance(item, dict | list | tuple) for item in value):
            for index, item in enumerate(value):
                yield from _flat(item, f"{key}.{index}")
        else:
            yield key, ", ".join(_plain(item) for item in value) or "none"
    else:
        yield key, _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def plan_rows(run: Run) -> list[KeyValue]:
    """What was to be measured, one row a profile among them."""
    plan = run.plan
    how = "all environments at the same time" if plan.live else f"interleaved, seed {plan.seed}"
    rows = [
        KeyValue("Environments", Cell(", ".join(environment.label for environment in plan.environments))),
        KeyValue("Reference", Cell(plan.reference)),
        KeyValue("Samples", Cell(f"{format.count(plan.samples)} of {format.duration_s(plan.duration_s)}, {how}")),
        KeyValue("Warm-up", Cell(format.duration_s(plan.omit_s) + ", not counted" if plan.omit_s else "none")),
        KeyValue("Sent by / captured by", Cell(f"{'nobody here' if plan.live else plan.method} / {plan.backend}")),
    ]
    if plan.interface is not None:
        rows.append(KeyValue("Built on", Cell(f"{plan.interface}, an interface of the user's own")))
    rows += [KeyValue("Live feed", Cell(feed.label)) for feed in plan.live]
    for profile in plan.profiles:
        shape = (
            f"{profile.delivery}, {format.plural(profile.streams, 'stream')} of {format.bit_rate(profile.bits_per_second)}, "
            f"{format.size(profile.payload_bytes)} of UDP payload, {format.packet_rate(profile.packets_per_second)} together"
        )
        if profile.burst_packets > 1:
            shape += f", in bursts of {format.count(profile.burst_packets)}"
        rows.append(KeyValue(f"Profile {profile.name}", Cell(shape, note=profile.description)))
    return rows


def threshold_rows(run: Run) -> list[KeyValue]:
    """What decides."""
    thresholds = run.plan.thresholds
    return [
        KeyValue("H1 passes up to a loss of", Cell(format.percent(thresholds.loss_ratio))),
        KeyValue("H3 passes up to a distortion p99 of", Cell(format.duration_us(thresholds.distortion_p99_us))),
        KeyValue("A second is an error-second above an IAT of", Cell(format.duration_us(thresholds.iat_error_ms * 1e3))),
        KeyValue("A trial is sender-limited above a shortfall of", Cell(format.percent(thresholds.sender_shortfall_ratio))),
    ]


def floor_rows(run: Run, footnotes: Footnotes) -> list[KeyValue]:
    """What this run cannot see below, each figure or the reason why there is none."""
    floor = run.floor

    def row(key: str, field: str, text: str | None) -> KeyValue:
        if text is None:
            return KeyValue(key, footnotes.absent(floor.absent.get(field, "The run did not measure it."), f"floor: {key}"))
        return KeyValue(key, Cell(text))

    def distribution(value: Distribution | None) -> str | None:
        if value is None:
            return None
        return ", ".join(
            f"{name} {format.duration_us(getattr(value, key))}" for name, key in (("p50", "p50"), ("p99", "p99"), ("max", "max"))
        )

    return [
        row("One reading of the clock costs", "clock_cost_ns", _nanoseconds(floor.clock_cost_ns)),
        row("Smallest step of the clock", "clock_step_ns", _nanoseconds(floor.clock_step_ns)),
        row("A sleep of 1 ms wakes up late by", "wakeup_us", distribution(floor.wakeup_us)),
        row("The sender is late, over loopback, by", "sender_lateness_us", distribution(floor.sender_lateness_us)),
        row("IAT is off its schedule, over idle loopback, by", "idle_iat_error_us", distribution(floor.idle_iat_error_us)),
        row(
            "CPU time stolen by the hypervisor",
            "steal_ratio",
            None if floor.steal_ratio is None else format.percent(floor.steal_ratio),
        ),
    ]


def _nanoseconds(value: float | None) -> str | None:
    return None if value is None else format.duration_us(value / 1e3)


def method_rows(run: Run) -> list[KeyValue]:
    """Who measured, how it was typed, when."""
    rows = [
        KeyValue("Tool", Cell(f"{run.tool.name} {run.tool.version}, format {run.schema_version} of run.json")),
        KeyValue("Command", Cell(run.command or "not recorded")),
        KeyValue("Started", Cell(format.moment(run.started_at))),
        KeyValue("Ended", Cell(format.moment(run.ended_at) if run.ended_at else "not yet")),
    ]
    machine = machine_line(run)
    return [*rows, KeyValue("Machine", Cell(machine))] if machine else rows


def machine_line(run: Run) -> str:
    """Kernel, processor and cores in one line; empty when the facts do not tell."""
    values = dict(_flat(run.host.values, ""))
    kernel, model, cores = (values.get(key) for key in ("kernel.release", "machine.cpu_model", "machine.usable_cores"))
    parts = [f"Linux {kernel}" if kernel else "", model or "", f"{cores} usable cores" if cores else ""]
    return ", ".join(part for part in parts if part)

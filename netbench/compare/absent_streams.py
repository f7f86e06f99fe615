"""Streams of which nothing at all arrived while others did: not let in, which is another fault than packets dropped on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netbench.result.environment import EnvironmentRecord, Finding
from netbench.result.trial import Trial
from netbench.result.verdict import Cause

# Findings that keep single groups out, the surest explanation first.
_ABOUT_GROUPS = ("function_groups", "firewall_group", "firewall_igmp", "bridge_snooping", "function_trust")


@dataclass(frozen=True)
class AbsentStreams:
    """Of the trial in which most were absent.

    Attributes:
        absent: streams that were sent, and of which not one packet arrived.
        streams: that were sent.
        packets: of the absent ones.
    """

    absent: int = 0
    streams: int = 0
    packets: int = 0


def absent_streams(trials: Sequence[Trial]) -> AbsentStreams:
    """The worst trial's; none where all streams were absent, which is no question of single ones."""
    counted = [_of(trial) for trial in trials]
    return max((item for item in counted if 0 < item.absent < item.streams), key=lambda item: item.absent, default=AbsentStreams())


def cause(profile: str, delivery: str, found: AbsentStreams, record: EnvironmentRecord) -> Cause | None:
    """What it means, with the finding of the place that explains it; None: no stream was absent."""
    if not found.absent:
        return None
    what = "groups" if delivery == "multicast" else "streams"
    sentence = (
        f"{profile}: of {found.absent} of {found.streams} {what} nothing arrived at all ({found.packets:,} packets in the worst "
        "trial), while others came: they are not let in, rather than dropped on the way."
    )
    finding = _finding(record) if delivery == "multicast" else None
    return Cause(layer=None, sentence=f"{sentence} {finding.title}: {finding.evidence}." if finding else sentence)


def _of(trial: Trial) -> AbsentStreams:
    sent = [stream for stream in trial.streams if stream.sequences_sent]
    absent = [stream for stream in sent if stream.received_packets == 0]
    return AbsentStreams(len(absent), len(sent), sum(stream.sequences_sent or 0 for stream in absent))


def _finding(record: EnvironmentRecord) -> Finding | None:
    explaining = [item for item in record.findings if item.id in _ABOUT_GROUPS and item.severity in ("warn", "fail")]
    return min(explaining, key=lambda item: _ABOUT_GROUPS.index(item.id), default=None)

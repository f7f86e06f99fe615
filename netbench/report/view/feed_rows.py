"""What became of each flow of a live feed in one environment, over all samples."""

from __future__ import annotations

from netbench.report import format
from netbench.report.view.cells import Cell, KeyValue
from netbench.report.view.pooling import Pool
from netbench.result.reception import FeedStream


def feed_rows(pool: Pool) -> list[KeyValue]:
    """A line a flow; none where nothing live was measured."""
    flows: dict[tuple[str, str | None], list[FeedStream]] = {}
    for trial in pool.counted:
        for stream in trial.tap.streams if trial.tap else ():
            flows.setdefault((stream.feed, stream.source), []).append(stream)
    return [
        KeyValue(f"Feed {feed}" + (f" from {source}" if source else ""), Cell(_told(streams)))
        for (feed, source), streams in flows.items()
    ]


def _told(streams: list[FeedStream]) -> str:
    seen, lost = (sum(getattr(stream, key) for stream in streams) for key in ("tap_packets", "lost_packets"))
    if streams[0].source is None:
        return "silent: nothing of it came, at the tap nor at the probe"
    before = [stream.lost_before_packets for stream in streams if stream.lost_before_packets is not None]
    holes = (
        f"{format.count(sum(before))} missing there already"
        if before
        else "without sequence numbers, so that holes there do not show"
    )
    errors = [stream.cc_errors for stream in streams if stream.cc_errors is not None]
    continuity = f", {format.plural(sum(errors), 'continuity error')} at the tap" if errors else ""
    kind = f"{streams[0].kind}, " if streams[0].kind else ""
    return f"{kind}{format.count(seen)} packets at the tap ({holes}{continuity}), {format.count(lost)} of them lost behind it"

"""What `netbench capture` shows while it writes, and its closing lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from netbench.report import format
from netbench.report.live import _Display
from netbench.result.recording import Recording

_MOST_FILES_NAMED = 20


class CaptureDisplay(_Display):
    """Shows a capture at work."""

    def __enter__(self) -> CaptureDisplay:
        super().__enter__()
        return self

    def ready(self) -> None:
        """Frames are being kept."""
        self._tell("Capturing. Ctrl-C ends it; the file is complete then.")

    def progress(self, data: Mapping[str, Any]) -> None:
        """One progress event of the agent: {"capture": …, "writer": …}."""
        ring, writer = data.get("capture") or {}, data.get("writer") or {}
        written, octets = int(writer.get("written", 0)), int(writer.get("bytes", 0))
        rates = self._meter.update(self._elapsed_s(), written, octets)
        pps = rates.packets_per_second
        line = "  ".join(
            (
                f"{format.count(written)} written",
                format.ABSENT if pps is None else format.packet_rate(pps),
                f"{format.size(octets)} in {format.plural(int(writer.get('files', 0)), 'file')}",
                f"dropped so far {format.count(int(ring.get('kernel_drops', 0)))}",
            )
        )
        self._show(Text(self._page.text(line), style="bold"), line)

    def print_result(self, recording: Recording) -> None:
        """The books, in one sentence that adds up; then what a user should know, and the files."""
        page = self._result
        page.prose(closing_line(recording), style="bold")
        if recording.dropped_packets:
            page.prose(
                f"{format.percent(recording.dropped_packets / recording.seen_packets)} dropped: the ring was full, for the disk or "
                "the processor could not follow. Try a larger ring (--buffer), a filter, or -s to keep less of each frame."
            )
        if recording.cut_packets:
            page.prose(f"{format.count(recording.cut_packets)} of the written packets are not whole (-s).")
        if recording.deleted_files:
            page.prose(
                f"{format.plural(recording.deleted_files, 'older file')} deleted (--files), with "
                f"{format.count(recording.deleted_packets)} of the written packets."
            )
        kept = [item for item in recording.files if not item.deleted]
        for item in kept[-_MOST_FILES_NAMED:]:
            drops = f", {format.count(item.dropped_packets)} dropped meanwhile" if item.dropped_packets else ""
            page.line(
                Text.assemble(
                    ("Wrote  ", "dim"),
                    f"{item.path}  ({format.count(item.written_packets)} packets, {format.size(item.bytes)}{drops})",
                )
            )
        if len(kept) > _MOST_FILES_NAMED:
            page.prose(f"and {len(kept) - _MOST_FILES_NAMED} older ones; --json names all.", style="dim")


def closing_line(recording: Recording) -> str:
    """`1 200 seen = 1 190 written + 10 dropped`, and what else there was; every term counts packets."""
    terms = [f"{format.count(recording.written_packets)} written", f"{format.count(recording.dropped_packets)} dropped"]
    if recording.failed_packets:
        terms.append(f"{format.count(recording.failed_packets)} not written (disk)")
    if recording.left_out_packets:
        terms.append(f"{format.count(recording.left_out_packets)} left out behind the last one of -c")
    return f"{format.count(recording.seen_packets)} packets seen = {' + '.join(terms)}"

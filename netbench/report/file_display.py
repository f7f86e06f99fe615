"""What `netbench analyze` prints: how far it has read, then what the files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from netbench.metrics.two_points import PointCounts
from netbench.report import format
from netbench.report.live import ReceiveDisplay
from netbench.result.numbers import Distribution
from netbench.result.reception import Reception, Tap


class FileDisplay(ReceiveDisplay):
    """Shows files being read, and prints what was in them."""

    def __enter__(self) -> FileDisplay:
        super().__enter__()
        return self

    def ready(self) -> None:
        """The files are known."""
        self._tell("Reading. Ctrl-C ends it and prints the result so far.")

    def progress(self, data: Mapping[str, Any]) -> None:
        """One progress event of the agent: {"totals": …, "streams": […]}."""
        totals, streams = data.get("totals") or {}, data.get("streams") or []
        line = f"{format.count(int(totals.get('packets', 0)))} datagrams in {format.plural(len(streams), 'stream')} so far"
        self._show(Text(self._page.text(line)), line)

    def print_files(self, files: Sequence[Mapping[str, Any]], left_out: int) -> None:
        """One line a file: what it holds; below it, what is to be known of it."""
        page = self._result
        for file in files:
            page.prose(f"{file['path']}: {file_contents(file)}", hanging=2)
            for sentence in file_remarks(file):
                page.prose(sentence, indent=2, hanging=2)
        if left_out:
            page.prose(f"{format.plural(left_out, 'file')} of the directories left out: no capture files.", style="dim")
        page.gap()

    def print_result(self, reception: Reception) -> None:
        """What was received, as the files tell."""
        if reception.received is None or reception.received.packets == 0:
            self._result.prose("No UDP datagram was found that was asked for.", style="bold")
            return
        super().print_result(reception)

    def print_points(self, tap: Tap | None, counts: PointCounts | None, reason: str | None) -> None:
        """What lies between the two points."""
        page = self._result
        page.gap()
        if tap is None or counts is None:
            page.prose(f"{'Between':<10}{format.ABSENT}  ({reason})", hanging=10)
            return
        before, between = format.count(tap.lost_before_packets), format.count(counts.lost_between)
        rows = [
            ("Between", f"{between} lost of {format.count(counts.lost_between + counts.matched)} packets"),
            ("Before", f"{before} lost at both points: before the first, or missed by its capture"),
            ("Distorted", _distribution(tap.distortion_us, tap.absent.get("distortion_us"))),
            ("Transit", _distribution(tap.transit_us, tap.absent.get("transit_us"))),
        ]
        if counts.missed_by_first:
            missed = format.count(counts.missed_by_first)
            rows.append(("Unseen", f"{missed} packets at the second point that the first capture lacks"))
        if counts.outside:
            rows.append(("Outside", f"{format.count(counts.outside)} packets before or after what the second capture covers"))
        if counts.absent_streams:
            absent = format.plural(counts.absent_streams, "stream")
            rows.append(("Absent", f"{absent} ({format.count(counts.absent_packets)} packets) at the first point only"))
        for name, text in rows:
            page.prose(f"{name:<10}{text}", hanging=10)


def _distribution(found: Distribution | None, reason: str | None) -> str:
    if found is None:
        return f"{format.ABSENT}  ({reason or 'the record gives no reason'})"
    figures = (("p50", found.p50), ("p99", found.p99), ("max", found.max))
    return ", ".join(f"{name} {format.duration_us(value)}" for name, value in figures)


def file_contents(file: Mapping[str, Any]) -> str:
    """Packets, and how many of them were not used, by reason."""
    parts = [f"{format.plural(int(file['records']), 'packet')}, {format.plural(int(file['datagrams']), 'UDP datagram')} used"]
    reasons = (
        ("not_udp", "not UDP"),
        ("filtered", "not asked for"),
        ("fragments", "later fragments"),
        ("cut_headers", "cut before the UDP header ended"),
        ("damaged", "with a header that lies"),
        ("unknown_link", f"of link type {file['unknown_link_type']}, which is not understood"),
    )
    parts += [f"{format.count(int(file[key]))} {words}" for key, words in reasons if file[key]]
    if file["stamped"]:
        parts.append(f"stamps of the capturing program in steps of {format.duration_us(file['resolution_ns'] / 1e3)}")
    return ", ".join(parts)


def file_remarks(file: Mapping[str, Any]) -> list[str]:
    """What is to be known of a file before its numbers are believed."""

    def number(key: str) -> str:
        return format.count(int(file[key]))

    remarks = []
    if file["broken"]:
        remarks.append(f"Broken at byte {number('broken_at')}: {file['broken_what']}. What came before is counted.")
    if file["capturer_drops"]:
        remarks.append(f"The capturing program lost {number('capturer_drops')} packets: they count as lost here, too.")
    if file["overlaps_previous"]:
        remarks.append("Begins before the file above ends, so time goes backwards: join them first (mergecap -w BOTH A B).")
    if file["unstamped"]:
        remarks.append(f"{number('unstamped')} datagrams carry no time: counted, never timed.")
    if file["outgoing"] not in (0, file["records"]):
        remarks.append(f"{number('outgoing')} packets were sent by the host that captured: what it also received counts twice.")
    return remarks

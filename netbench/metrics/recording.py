"""The books of a capture to files: each packet that was seen is written, dropped, failed or left out; never two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from netbench.errors import InvalidDataError
from netbench.result.recording import RecordedFile, Recording


def measure_recording(raw: Mapping[str, Any], interface: str, format: Literal["pcap", "pcapng"]) -> Recording:
    """The record of a capture job.

    Args:
        raw: the `result` event's data.
        interface: where it captured.
        format: of the files.

    Raises:
        InvalidDataError: the books do not balance.
    """
    ring, writer = raw["capture"], raw["writer"]
    deleted = writer["deleted_files"]
    _balanced("the kernel saw", ring["kernel_packets"], "frames + drops", ring["frames"] + ring["kernel_drops"])
    _balanced("the ring gave", ring["frames"], "the writer took", writer["frames"])
    _balanced(
        "the writer took",
        writer["frames"],
        "written + failed + left out",
        writer["written"] + writer["failed"] + writer["left_out"],
    )
    _balanced("the kernel dropped", ring["kernel_drops"], "the writer was told", writer["dropped"])
    files = [_file(item, deleted) for item in raw["files"]]
    if len(files) == writer["files"]:
        _balanced("written", writer["written"], "in the files", sum(item.written_packets for item in files))
        _balanced("dropped", writer["dropped"], "in the files", sum(item.dropped_packets for item in files))
    return Recording(
        interface=interface,
        format=format,
        filter=raw["filter"],
        seen_packets=ring["kernel_packets"],
        written_packets=writer["written"],
        dropped_packets=ring["kernel_drops"],
        failed_packets=writer["failed"],
        left_out_packets=writer["left_out"],
        cut_packets=writer["cut"],
        bytes=writer["bytes"],
        deleted_files=deleted,
        deleted_packets=writer["deleted_frames"],
        failure=raw["failure"]["message"] if raw["failure"] else None,
        files=files,
    )


def _file(item: Mapping[str, Any], deleted_files: int) -> RecordedFile:
    return RecordedFile(
        path=item["path"],
        deleted=item["number"] <= deleted_files,
        seen_packets=item["frames"] + item["dropped"],
        written_packets=item["frames"],
        dropped_packets=item["dropped"],
        bytes=item["bytes"],
        first_ns=item["first_ns"] or None,
        last_ns=item["last_ns"] or None,
    )


def _balanced(name: str, number: int, other_name: str, other: int) -> None:
    if number != other:
        raise InvalidDataError(f"books do not balance: {name} {number} packets, {other_name} {other}")

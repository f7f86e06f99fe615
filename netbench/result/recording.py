"""What `netbench capture` says of the files that it wrote."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netbench.result.base import Count, Record


class RecordedFile(Record):
    """One capture file: seen_packets == written_packets + dropped_packets.

    A drop belongs to the file that was being written when the kernel told of it.
    """

    path: str
    deleted: bool = Field(description="to make room for newer ones (--files)")
    seen_packets: Count
    written_packets: Count
    dropped_packets: Count
    bytes: Count
    first_ns: int | None = Field(description="stamp of its first packet, CLOCK_REALTIME; null when there is none")
    last_ns: int | None


class Recording(Record):
    """The books: seen == written + dropped + failed + left_out, each packet in exactly one of them."""

    interface: str
    format: Literal["pcap", "pcapng"]
    filter: str = Field(description="BPF expression that the kernel filtered by; empty: everything")
    seen_packets: Count = Field(description="that the filter let through at the interface")
    written_packets: Count = Field(description="to a file, deleted files included")
    dropped_packets: Count = Field(description="by the kernel: the ring was full")
    failed_packets: Count = Field(description="that the system refused to write: disk full, quota, file size limit")
    left_out_packets: Count = Field(description="that came behind the last one of --count")
    cut_packets: Count = Field(description="of the written ones: not whole, longer than --snaplen")
    bytes: Count = Field(description="of all files")
    deleted_files: Count
    deleted_packets: Count = Field(description="of the written ones: in files that were deleted")
    failure: str | None = Field(description="what ended it early; null: nothing")
    files: list[RecordedFile] = Field(description="the newest, oldest first")

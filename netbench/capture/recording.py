"""Frames of an interface into capture files: the ring, the filter in the kernel, the groups that are joined, and the writer."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import struct
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from netbench import __version__
from netbench.capture.membership import Memberships
from netbench.core import PcapWriter, RingCapture
from netbench.interface import interface_index
from netbench.protocol import CaptureJob, StreamSpec

MOST_INSTRUCTIONS = 4096
"""What the kernel takes of a classic BPF program (BPF_MAXINSNS)."""
MOST_STREAMS = 1000
"""Groups of one filter: libpcap takes 2 s to compile so many, and four times as long for twice as many."""

_WHOLE_FRAME_BYTES = 262_144
_UNKNOWN_NETMASK = 0xFFFF_FFFF
_RETURN = 0x06  # BPF_RET | BPF_K
_SIOCGIFFLAGS = 0x8913
_IFF_LOOPBACK = 0x8


class Recording:
    """Frames are kept from the moment it exists; the first file is there, the groups are joined.

    Raises:
        OSError: the system refused, with what failed; then no file was made.
        ValueError: the filter is none.
    """

    def __init__(self, job: CaptureJob) -> None:
        if (job.rotate_bytes or job.rotate_ns) and not job.overwrite:
            _refuse_another_row(Path(job.path))
        self.filter = filter_expression(job.listens, job.port, job.expression)
        index = interface_index(job.interface)
        snapshot_bytes = job.snapshot_bytes or _WHOLE_FRAME_BYTES
        self._capture = RingCapture(
            interface_index=index,
            filter=compile_filter(self.filter, snapshot_bytes),
            blocks=job.ring_blocks,
            # On a loopback interface each frame passes twice, out and in; one of them is enough, as in libpcap.
            incoming_only=job.incoming_only or _is_loopback(job.interface),
        )
        groups = tuple(spec for spec in job.listens if IPv4Address(spec.destination).is_multicast)
        self._memberships = Memberships(groups, job.interface) if job.join and groups else None
        # Last of all: whatever fails before leaves no empty file behind.
        self._writer = PcapWriter(
            path=job.path,
            format=job.format,
            snapshot_bytes=snapshot_bytes,
            application=f"netbench {__version__}",
            interface=job.interface,
            filter=self.filter,
            rotate_bytes=job.rotate_bytes,
            rotate_ns=job.rotate_ns,
            files=job.files,
            frames=job.packets,
            overwrite=job.overwrite,
        )
        self._failure: OSError | None = None

    def run(self, duration_ns: int) -> None:
        """Write for so long (0: until stop()), until the count is reached, or until the system refuses; then complete the file."""
        try:
            self._capture.run(None, duration_ns, writer=self._writer)
        except OSError as error:  # the interface went down, say: what was written stays, and is told
            self._failure = error
        finally:
            if self._memberships is not None:
                self._memberships.close()
            self._writer.close()

    def stop(self) -> None:
        """End run() from another thread."""
        self._capture.stop()

    def books(self) -> dict[str, Any]:
        """Counts of the ring and of the writer; while it runs, too."""
        return {"capture": self._capture.counts(), "writer": self._writer.counts()}

    def result(self) -> dict[str, Any]:
        """Everything, once run() returned: the books, the files, and what ended it early."""
        books = self.books()
        number = books["writer"]["error_number"]
        failure = None
        if number:
            failure = {"errno": number, "message": f"writing the capture file: {os.strerror(number)}"}
        elif self._failure is not None:
            failure = {"errno": self._failure.errno, "message": str(self._failure.strerror)}
        return {**books, "files": self._writer.files(), "filter": self.filter, "failure": failure}


def filter_expression(listens: tuple[StreamSpec, ...], port: int, expression: str) -> str:
    """One BPF expression for groups or hosts (port 0: any), a UDP destination port (0: any), and an expression of the user's.

    Raises:
        ValueError: there are more than MOST_STREAMS groups and hosts.
    """
    if len(listens) > MOST_STREAMS:
        raise ValueError(
            f"cannot filter by {len(listens)} groups, only by {MOST_STREAMS}; name a port (-p), or a network that holds them all, "
            "like 'dst net 239.1.0.0/16'"
        )
    parts = []
    if listens:
        parts.append("udp and (" + " or ".join(_of_stream(spec) for spec in listens) + ")")
    elif port:
        parts.append(f"udp dst port {port}")
    if expression.strip():
        parts.append(f"({expression.strip()})" if parts else expression.strip())
    return " and ".join(parts)


def compile_filter(expression: str, snapshot_bytes: int) -> list[tuple[int, int, int, int]]:
    """The kernel's program of an expression: what passes is cut to so many bytes.

    Raises:
        ValueError: it is no expression, or one that cannot work in the kernel; with what to do.
        OSError: libpcap, which compiles it, is not installed here.
    """
    if not expression:
        return [(_RETURN, 0, 0, snapshot_bytes)]
    if re.search(r"\bvlan\b", expression):
        raise ValueError(
            "cannot filter by 'vlan': the kernel takes the tag out of a frame before any filter sees it. Leave the word out: "
            "tagged frames are matched like all others, and the tag is written to the file. Select by it afterwards: "
            "tshark -r FILE -Y vlan.id==5"
        )
    try:
        import pcapy
    except ImportError as error:
        raise OSError(errno.ENOPKG, "compile the filter without libpcap for Python (pip install pcapy-ng)") from error
    try:
        program = pcapy.compile(pcapy.DLT_EN10MB, snapshot_bytes, expression, 1, _UNKNOWN_NETMASK).get_bpf()
    except pcapy.PcapError as error:
        raise ValueError(f"cannot filter by {_shortened(expression)!r}: {error} (man pcap-filter)") from error
    if len(program) > MOST_INSTRUCTIONS:
        raise ValueError(
            f"cannot filter by so many words: they need {len(program)} instructions, and the kernel takes {MOST_INSTRUCTIONS}; "
            "name a network that holds them all, like 'dst net 239.1.0.0/16'"
        )
    return [tuple(line) for line in program]


def _refuse_another_row(path: Path) -> None:
    """A row of files of an earlier capture: ours would run into it, or be taken for one with it."""
    row = re.compile(re.escape(path.stem) + r"-\d{5,}" + re.escape(path.suffix))
    try:
        there = sorted(name for name in os.listdir(path.parent) if row.fullmatch(name))
    except OSError:
        return  # the writer says what is wrong with the folder
    if there:
        raise OSError(errno.EEXIST, f"begin a row of files beside {path.with_name(there[0])}")


def _of_stream(spec: StreamSpec) -> str:
    words = [f"dst host {spec.destination}"]
    if spec.source is not None:
        words.append(f"src host {spec.source}")
    if spec.port:
        words.append(f"udp dst port {spec.port}")
    text = " and ".join(words)
    return f"({text})" if len(words) > 1 else text


def _shortened(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _is_loopback(interface: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answer = fcntl.ioctl(asked, _SIOCGIFFLAGS, struct.pack("=16sH22x", interface.encode(), 0))
    return bool(struct.unpack_from("=H", answer, 16)[0] & _IFF_LOOPBACK)

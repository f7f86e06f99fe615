"""Why the kernel freed packets: `skb:kfree_skb` counted by reason while a trial runs. Evidence beside the counters.

Theory of operation. The kernel tells each dropped packet with a reason (`SOCKET_RCVBUFF`, `NETFILTER_DROP`…) at one tracepoint. A
perf event of that tracepoint, with a filter, only counts: no trace buffer, no reader, and a packet that is consumed never gets
there. One event for each reason and CPU, and one for all IPv4 packets, whose rest is `OTHER`: the sum is exact. The events are
file descriptors, so nothing has to be undone after a crash, and nobody else's tracing is touched. (A histogram trigger in a trace
instance would count as well; it needs CONFIG_HIST_TRIGGERS, and an instance outlives whoever made it.)

It tells how many IPv4 packets the whole machine dropped, and why. It does not tell whose: the event holds neither port nor network
namespace. So a loss is never attributed by it. One packet may also be freed more than once, a copy for each socket or interface
that did not want it (`OTHERHOST`, `PACKET_SOCK_ERROR`). macvlan gives no reason: neither for what its queue refuses nor for the
copy of each packet of a group that it frees when all is well, so its drops cannot be told from its traffic (`NOT_SPECIFIED`).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import re
import resource
import struct
from types import TracebackType

from netbench.facts.reading import Unreadable, read_number, read_text

PREFIX = "kfree_skb"
TRACING_DIRECTORIES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")

# What happens to a UDP datagram of IPv4. Each costs every dropped packet some 40 ns (a filter), so only the telling ones are apart.
# The most telling first: where CPUs are many and file descriptors few, the last are in OTHER.
REASONS = (
    *("SOCKET_RCVBUFF", "NETFILTER_DROP", "CPU_BACKLOG", "NOT_SPECIFIED", "QDISC_DROP", "QDISC_OVERLIMIT", "NO_SOCKET"),
    *("IP_RPFILTER", "PROTO_MEM", "PACKET_SOCK_ERROR", "TC_INGRESS", "UDP_CSUM"),
)
OTHER = "OTHER"

_SPARE_DESCRIPTORS = 256  # left to the agents' pipes, files and whatever else the process has open
_IPV4 = "protocol == 0x0800"
_SYSCALL = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
# linux/perf_event.h: the kernel's interface, it does not change.
_PERF_TYPE_TRACEPOINT = 2
_PERF_ATTR_SIZE_VER0 = 64
_PERF_FLAG_FD_CLOEXEC = 8
_DISABLED = 1
_IOC_ENABLE = 0x2400
_IOC_SET_FILTER = 0x4008_2406


class DropReasons:
    """Counts from construction until it is closed; a context manager.

    Raises:
        Unreadable: it cannot be counted here; the message is the reason.
    """

    def __init__(self) -> None:
        event = _event_directory()
        known = reasons_of_format(read_text(f"{event}/format"))
        number = read_number(f"{event}/id")
        cpus = online_cpus(read_text("/sys/devices/system/cpu/online"))
        room = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_DESCRIPTORS) // len(cpus) - 1
        if room < 0:
            raise Unreadable(f"{len(cpus)} CPUs need more file descriptors than this process may open: raise `ulimit -n`")
        wanted = {name: f"reason == {known[name]} && {_IPV4}" for name in REASONS if name in known}
        self._descriptors: dict[str, list[int]] = {}
        try:
            for name, condition in [("", _IPV4), *list(wanted.items())[:room]]:
                self._descriptors[name] = descriptors = []
                for cpu in cpus:
                    descriptors.append(_open(number, cpu))
                    _filter(descriptors[-1], condition)
            for descriptors in self._descriptors.values():
                for descriptor in descriptors:
                    fcntl.ioctl(descriptor, _IOC_ENABLE)
        except OSError as error:
            self.close()
            raise Unreadable(f"counting {PREFIX} was refused: {error.strerror}") from error

    def __enter__(self) -> DropReasons:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self) -> dict[str, int]:
        """`kfree_skb.<reason>` -> IPv4 packets of the whole machine dropped since construction; only what is above 0."""
        # All of them last: a packet in between is then one of OTHER, and never less than nothing.
        counts = {name: _sum(self._descriptors[name]) for name in reversed(self._descriptors)}
        counts[OTHER] = max(0, counts.pop("") - sum(counts.values()))
        return {f"{PREFIX}.{name}": packets for name, packets in sorted(counts.items()) if packets}

    def close(self) -> None:
        """Count no more."""
        for descriptor in (descriptor for descriptors in self._descriptors.values() for descriptor in descriptors):
            os.close(descriptor)
        self._descriptors = {}


def reasons_of_format(text: str) -> dict[str, int]:
    """Reason -> its number, which differs from kernel to kernel, from the event's format file.

    Raises:
        Unreadable: this kernel tells no reasons.
    """
    _, _, printed = text.partition("__print_symbolic(REC->reason")
    reasons = {name: int(number, 0) for number, name in re.findall(r'\{ *(0x[0-9a-fA-F]+|\d+), *"(\w+)" *\}', printed)}
    if not reasons:
        raise Unreadable(f"this kernel's {PREFIX} gives no reasons; Linux does since 5.17")
    return reasons


def online_cpus(text: str) -> list[int]:
    """CPU numbers of a list such as `0-3,6`.

    Raises:
        Unreadable: it is none.
    """
    cpus: list[int] = []
    try:
        for part in text.strip().split(","):
            first, dash, last = part.partition("-")
            cpus += range(int(first), int(last if dash else first) + 1)
    except ValueError as error:
        raise Unreadable(f"{text.strip()[:40]!r} is no list of CPUs") from error
    return cpus


def _event_directory() -> str:
    """Where the kernel describes the tracepoint.

    Raises:
        Unreadable: this process does not see it.
    """
    for directory in TRACING_DIRECTORIES:
        event = f"{directory}/events/skb/{PREFIX}"
        if os.access(f"{event}/id", os.R_OK):
            return event
    raise Unreadable("tracefs cannot be read here: it takes root, and `mount -t tracefs tracefs /sys/kernel/tracing`")


def _open(event: int, cpu: int) -> int:
    """One counter of one CPU, not counting yet.

    Raises:
        OSError: the kernel refused.
        Unreadable: netbench does not know this architecture's number of the system call.
    """
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise Unreadable(f"perf events are not known on {platform.machine()}")
    # type, size, config, sample_period, sample_type, read_format, flags; zeros up to the structure's first published size
    attributes = struct.pack("=IIQQQQQ", _PERF_TYPE_TRACEPOINT, _PERF_ATTR_SIZE_VER0, event, 0, 0, 0, _DISABLED)
    buffer = ctypes.create_string_buffer(attributes, _PERF_ATTR_SIZE_VER0)
    libc = ctypes.CDLL(None, use_errno=True)
    everybody, no_group = ctypes.c_int(-1), ctypes.c_int(-1)
    arguments = (buffer, everybody, ctypes.c_int(cpu), no_group, ctypes.c_ulong(_PERF_FLAG_FD_CLOEXEC))
    descriptor = int(libc.syscall(ctypes.c_long(number), *arguments))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def _filter(descriptor: int, condition: str) -> None:
    """Count only what fits. The kernel takes the address of a text, so the C library is called.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.c_char_p(condition.encode("ascii"))
    if libc.ioctl(ctypes.c_int(descriptor), ctypes.c_ulong(_IOC_SET_FILTER), text) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _sum(descriptors: list[int]) -> int:
    return sum(struct.unpack("=Q", os.read(descriptor, 8))[0] for descriptor in descriptors)


NOT_READ_THERE = "the probe is on another machine, whose kernel's reasons are not read from here"


class KernelDrops:
    """The kernel's own reasons, where they can be counted on this machine; else why not. A trial never fails for them.

    Args:
        absent: why they shall not be counted, or None.

    Attributes:
        absent: why they are not counted, or None.
    """

    def __init__(self, absent: str | None = None) -> None:
        self.absent = absent
        self._counting: DropReasons | None = None
        if absent is not None:
            return
        try:
            self._counting = DropReasons()
        except Unreadable as reason:
            self.absent = str(reason)

    def __enter__(self) -> KernelDrops:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._counting is not None:
            self._counting.close()

    def read(self) -> dict[str, int]:
        """Dropped so far; empty where it is not counted."""
        return self._counting.read() if self._counting is not None else {}

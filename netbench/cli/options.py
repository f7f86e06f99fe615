"""Options that several commands share, and how their words are read."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

from netbench.errors import UsageError
from netbench.plans.quantities import parse_bitrate, parse_duration
from netbench.protocol import StreamSpec

DEFAULT_PORT = 5004
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<prefix>(?:[kKmMgG]i?)?)[bB]?")
_SIZE_PREFIX = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_TARGET = re.compile(r"(?:(?P<source>[^,@:]+)[,@])?(?P<host>[^,@:]+)(?::(?P<port>\d+))?")


def duration_s(text: str, option: str = "-t/--duration") -> float:
    """Seconds of a duration as typed.

    Raises:
        UsageError: it is none.
    """
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if seconds < 0:
        raise UsageError(f"{option}: {text!r} is below zero")
    return seconds


def octets(text: str, option: str) -> int:
    """Bytes of a size as typed: `4096`, `100M`, `1.5G`, `64MB` (decimal), `64Mi`, `64MiB` (binary).

    Raises:
        UsageError: it is none, or zero.
    """
    match = _SIZE.fullmatch(text.strip())
    size = round(float(match["number"]) * _SIZE_PREFIX[match["prefix"].lower()]) if match else 0
    if size <= 0:
        raise UsageError(f"{option}: {text!r} is no size; type 100M, 1.5G or 64Mi")
    return size


def bits_per_second(text: str, option: str = "-b/--bitrate") -> float:
    """Bits per second of a rate as typed.

    Raises:
        UsageError: it is none, or zero.
    """
    try:
        rate = parse_bitrate(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if rate <= 0:
        raise UsageError(f"{option}: {text!r} is not above zero")
    return rate


def stream_specs(targets: list[str], default_port: int, count: int) -> tuple[StreamSpec, ...]:
    """Streams of targets `[S,]G[:port]` or `host[:port]`; with one target, `count` groups (or ports of a host) counted up from it.

    Raises:
        UsageError: a target is no address, or what is counted up leaves the range; all mistakes at once.
    """
    mistakes: list[str] = []
    specs: list[StreamSpec] = []
    for text in targets:
        match = _TARGET.fullmatch(text.strip())
        if match is None:
            mistakes.append(
                f"{text!r} is no target; type 239.1.1.1:5004, or 10.0.0.1,232.1.1.1:5004 for one source, or 10.0.0.9:5004"
            )
            continue
        port = int(match["port"] or default_port)
        if match["port"] and not 1 <= port <= 65_535:
            mistakes.append(f"{text!r}: port {port} is not in 1..65535")
        addresses = {}
        for role in ("source", "host"):
            if match[role] is None:
                continue
            try:
                addresses[role] = IPv4Address(match[role])
            except AddressValueError:
                mistakes.append(f"{text!r}: {match[role]!r} is no IPv4 address")
        if "host" not in addresses:
            continue
        if match["source"] is not None and not addresses["host"].is_multicast:
            mistakes.append(f"{text!r}: a source goes with a group, and {addresses['host']} is none")
        specs.append(StreamSpec(len(specs) + 1, str(addresses["host"]), port, match["source"]))
    if count > 1 and len(targets) != 1:
        mistakes.append(f"--streams {count} counts up from one target, and there are {len(targets)}")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return _counted_up(specs[0], count) if count > 1 else tuple(specs)


def _counted_up(first: StreamSpec, count: int) -> tuple[StreamSpec, ...]:
    address = IPv4Address(first.destination)
    if address.is_multicast:
        if not (address + (count - 1)).is_multicast:
            raise UsageError(f"{count} groups from {address} on leave the multicast range")
        return tuple(StreamSpec(index + 1, str(address + index), first.port, first.source) for index in range(count))
    if first.port + count - 1 > 65_535:
        raise UsageError(f"{count} ports from {first.port} on pass 65535")
    return tuple(StreamSpec(index + 1, first.destination, first.port + index) for index in range(count))

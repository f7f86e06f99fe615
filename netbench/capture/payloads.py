"""The UDP payloads of a capture file with its own timing, to be sent again."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from netbench.capture.compressed import BrokenCompressionError, pieces
from netbench.core import CaptureReader, StreamTable
from netbench.protocol import Replay

MOST_BYTES = 512 << 20
_SECOND_NS = 1_000_000_000
_FLOWS_TOLD = 5


@dataclass(frozen=True)
class Payloads:
    """What a capture file holds that can be sent again.

    Attributes:
        offsets_ns: when each is due, since the first; never falling, "q".
        payloads: one after the other.
        ends: where each ends in these, "Q".
        notes: what is not as it was captured, sentences.
    """

    offsets_ns: array[int]
    payloads: bytes
    ends: array[int]
    notes: tuple[str, ...]

    def busiest_second_bytes(self) -> int:
        """Most payload bytes that are due within any second."""
        most = first = 0
        for last, offset_ns in enumerate(self.offsets_ns):
            while offset_ns - self.offsets_ns[first] >= _SECOND_NS:
                first += 1
            most = max(most, self.ends[last] - (self.ends[first - 1] if first else 0))
        return most


def read_payloads(replay: Replay) -> Payloads:
    """The payloads of one flow: of the only one in the file, or of the group or host that the replay names.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no such datagrams, several flows of them, more than fits, or they are above the cap; with what to type.
    """
    listens = [(spec.destination, spec.source or "0.0.0.0", spec.port) for spec in replay.only] or None
    reader, table = CaptureReader(listens=listens, keep_bytes=MOST_BYTES), StreamTable(max_streams=65_536)
    broken = ""
    try:
        for piece in pieces(replay.path):
            if not reader.feed(piece, table):
                break
        else:
            reader.finish()
    except BrokenCompressionError as error:
        broken = str(error)
    books, kept = reader.counts(), reader.kept()
    broken = str(books["broken_what"]) or broken
    flows = sorted({(str(stream["destination"]), int(str(stream["destination_port"]))) for stream in table.streams()})
    if len(flows) > 1:
        told = ", ".join(f"{address}:{port}" for address, port in flows[:_FLOWS_TOLD])
        raise ValueError(
            f"{replay.path} holds datagrams to {len(flows)} destinations ({told}{' …' if len(flows) > _FLOWS_TOLD else ''}): "
            f"choose one with --replay-only {flows[0][0]}:{flows[0][1]}"
        )
    if not kept["kept"]:
        raise ValueError(f"{replay.path} holds no UDP datagram that could be sent again" + (f" ({broken})" if broken else ""))
    if kept["beyond"]:
        raise ValueError(
            f"{replay.path} holds more than {MOST_BYTES >> 20} MiB of payloads: cut it, e.g. editcap -r IN OUT 1-100000"
        )
    payloads = _payloads(kept, replay.speed, _notes(kept, books, broken))
    bits = 8 * payloads.busiest_second_bytes()
    if 0 < replay.most_bits_per_second < bits:
        raise ValueError(
            f"{bits / 1e6:.0f} Mb/s in the busiest second is above the cap of {replay.most_bits_per_second / 1e6:.0f} Mb/s "
            "that protects a network in use: lower --speed, or add --uncapped when the network is yours to load"
        )
    return payloads


def _payloads(kept: dict[str, int | bytes], speed: float, notes: list[str]) -> Payloads:
    stamps_ns: array[int] = array("q", bytes(kept["stamps_ns"]))
    ends: array[int] = array("Q", bytes(kept["payload_ends"]))
    offsets_ns: array[int] = array("q")
    latest_ns, backwards = stamps_ns[0], 0
    for stamp_ns in stamps_ns:
        backwards += stamp_ns < latest_ns
        latest_ns = max(latest_ns, stamp_ns)
        elapsed_ns = latest_ns - stamps_ns[0]
        offsets_ns.append(elapsed_ns if speed == 1 else round(elapsed_ns / speed))
    if backwards:
        notes.append(f"{backwards} datagrams with a stamp before that of one that precedes them go out right after it")
    return Payloads(offsets_ns, bytes(kept["payloads"]), ends, tuple(notes))


def _notes(kept: dict[str, int | bytes], books: dict[str, int | bool | str], broken: str) -> list[str]:
    told = (
        (int(kept["cut"]), "datagrams were captured in part: zeros stand for the rest"),
        (int(kept["unstamped"]), "datagrams without a stamp are left out"),
        (int(kept["too_long"]), "datagrams that are too long for IPv4 are left out"),
        (int(books["fragments"]), "later fragments are left out: zeros stand for their part of the datagrams"),
    )
    notes = [f"{count} {words}" for count, words in told if count]
    return [*notes, f"the file is damaged, and what came before is sent: {broken}"] if broken else notes

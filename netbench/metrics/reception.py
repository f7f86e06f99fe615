"""What one receiver got, from its agent's raw counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netbench.errors import InvalidDataError
from netbench.metrics.attribution import Missing, attribute, split
from netbench.metrics.claims import Path, claims
from netbench.metrics.counters import Counters
from netbench.metrics.distortion import Sightings, match
from netbench.metrics.distribution import NS_PER_MS, NS_PER_US, largest, summarize, summarize_values
from netbench.metrics.inputs import SiteResult, TrialInputs
from netbench.metrics.loss import StreamBooks, measure_loss
from netbench.metrics.mdi import measure_mdi, worst_interval
from netbench.metrics.patterns import measure_ipdv, measure_loss_pattern, measure_order, stream_patterns
from netbench.metrics.sending import bits_per_second, rate_pps, refused_after_a_drop
from netbench.metrics.transport_stream import NO_TS, all_transport, stream_transport
from netbench.result.numbers import Drop, Received, SeriesPoint, Stamps
from netbench.result.reception import Reception, StreamResult, Tap

RawStream = Mapping[str, Any]


@dataclass(frozen=True)
class Arrivals:
    """A receiver's streams, those of this trial's sender apart from strangers.

    Attributes:
        streams: the sender's stream number -> what arrived of it; several where its source address or port changed on the way.
        foreign_packets: of anybody else.
    """

    streams: dict[int, list[RawStream]]
    foreign_packets: int

    @property
    def flat(self) -> list[RawStream]:
        """All of the sender's streams that arrived."""
        return [stream for parts in self.streams.values() for stream in parts]

    def total(self, key: str) -> int:
        """A count over all of the sender's streams."""
        return sum(stream[key] for stream in self.flat)


def arrivals(raw: Mapping[str, Any], numbers: Iterable[int]) -> Arrivals:
    """Sort a receiver's streams.

    Raises:
        InvalidDataError: its streams do not add up to its totals.
    """
    ours: dict[int, list[RawStream]] = {number: [] for number in numbers}
    foreign = raw["totals"]["foreign"]
    for stream in raw["streams"]:
        if stream["probe"] and stream["stream"] in ours:
            ours[stream["stream"]].append(stream)
        else:
            foreign += stream["packets"]
    counted = sum(stream["packets"] for stream in raw["streams"])
    if counted != raw["totals"]["tracked"]:
        raise InvalidDataError(
            f"books do not balance: the receiver tracked {raw['totals']['tracked']} packets, its streams hold {counted}"
        )
    return Arrivals(ours, foreign)


def measure_reception(inputs: TrialInputs, receiver: SiteResult, places: Mapping[str, Counters]) -> Reception:
    """The record of one receiver.

    Args:
        inputs: of the trial.
        receiver: one of its receivers.
        places: place -> counters, each place once.

    Raises:
        InvalidDataError: the books do not balance.
        ValidationError: the same, found by the record itself.
    """
    raw, sent_streams = receiver.raw, {stream["stream"]: stream for stream in inputs.sender.raw["streams"]}
    arrived = arrivals(raw, sent_streams)
    books = [_books(sent, arrived.streams[number]) for number, sent in sent_streams.items()]
    loss = measure_loss(books)
    absent: dict[str, str] = {}
    if loss is None:
        absent["loss"] = "nothing was sent"
    elif loss.loss_periods is None:
        absent["loss.loss_periods"] = "holes cannot be told from sequences that were never sent"
    missing, tap = _tap(inputs, receiver, arrived, books)
    drops, unattributed = _drops(inputs, receiver, books, missing, places)
    one_way = inputs.clock_sync != "unsynced"
    jitters = [stream["jitter_ns"] / NS_PER_MS for stream in arrived.flat if stream["unique"] > 1]
    jitter_peaks = [stream["jitter_max_ns"] / NS_PER_MS for stream in arrived.flat if stream["unique"] > 1]
    numbers = {
        "iat_us": (summarize(raw.get("iat"), NS_PER_US), "no stream had two packets with a stamp of the class in use"),
        "pdv_us": (summarize(raw.get("pdv"), NS_PER_US), "no packet had a send stamp and a receive stamp"),
        "delivery_us": (summarize(raw.get("delivery"), NS_PER_US), "this backend does not know when it held a packet in its hands"),
        "one_way_delay_us": (
            summarize(raw.get("transit"), NS_PER_US) if one_way else None,
            "no packet was received after it was sent, by the clocks" if one_way else "sender and receiver share no clock",
        ),
        "jitter_ms": (sum(jitters) / len(jitters) if jitters else None, "no stream had two packets"),
        "jitter_max_ms": (max(jitter_peaks, default=None), "no stream had two packets"),
        "mdi": (
            _mdi(inputs, arrived, books),
            "no stream lasted one interval of 1 s, or a datagram is shorter than an MPEG-TS packet",
        ),
        "ipdv_us": measure_ipdv(raw),
        "loss_pattern": (measure_loss_pattern(raw, arrived.flat), "nothing was received"),
        "mpegts": (all_transport(arrived.flat), NO_TS),
        "tap": (tap, "this environment has no tap"),
    }
    absent |= {key: reason for key, (value, reason) in numbers.items() if value is None}
    return Reception(
        receiver=receiver.site,
        received=_received(raw, arrived),
        loss=loss,
        **{key: value for key, (value, _) in numbers.items()},
        sequence=measure_order(raw, arrived.flat),
        timestamps=Stamps(
            used=raw["stamp_class"],
            hardware_packets=raw["totals"]["stamps_hardware"],
            kernel_packets=raw["totals"]["stamps_kernel"],
            user_packets=raw["totals"]["stamps_user"],
        ),
        error_seconds=arrived.total("iat_error_windows"),
        clock_sync=inputs.clock_sync,
        drops=drops,
        unattributed_packets=unattributed,
        capture=capture_books(raw),
        series=series_points(raw),
        streams=[_stream(inputs, sent, arrived.streams[number]) for number, sent in sent_streams.items()],
        absent=absent,
    )


def _books(sent: Mapping[str, int], parts: Sequence[RawStream]) -> StreamBooks:
    """One stream at both ends. Of a stream in several parts the holes are unknown: -1 never fits the books."""
    seen = [part for part in parts if part["unique"]]
    whole = len(seen) == 1
    return StreamBooks(
        stream=sent["stream"],
        sequences=sent["sequences"],
        unsent=sent["unsent"],
        skipped=sent["skipped"],
        unique=sum(part["unique"] for part in parts),
        holes=seen[0]["lost"] if whole else -1,
        hole_runs=seen[0]["loss_periods"] if whole else 0,
        longest_hole=seen[0]["longest_loss"] if whole else 0,
        first=min((part["first_sequence"] for part in seen), default=None),
        last=max((part["last_sequence"] for part in seen), default=None),
    )


def _tap(inputs: TrialInputs, receiver: SiteResult, arrived: Arrivals, books: Sequence[StreamBooks]) -> tuple[Missing, Tap | None]:
    """What is missing, split by the tap; and the tap's record."""
    lost, skipped = sum(item.lost for item in books), sum(item.skipped for item in books)
    offered = sum(item.expected - item.skipped for item in books)
    unique = arrived.total("unique")
    if inputs.tap is None:
        return split(lost, skipped, offered, None, unique, tap_complete=False), None
    raw = inputs.tap.raw
    seen = arrivals(raw, [item.stream for item in books])
    own_loss = raw["capture"].get("kernel_drops", 0)
    complete = own_loss == 0 and raw["totals"]["refused_streams"] == 0 and raw["totals"]["damaged"] == 0
    missing = split(lost, skipped, offered, seen.total("unique"), unique, complete)
    absent: dict[str, str] = {}
    pairs: Sightings | None = None
    if inputs.tap.log is None or receiver.log is None:
        absent["distortion_us"] = absent["transit_us"] = "no packet log was kept"
    elif raw["stamp_class"] != receiver.raw["stamp_class"]:
        absent["distortion_us"] = absent["transit_us"] = "tap and probe stamp by different classes, which are never mixed"
    else:
        pairs = match(inputs.tap.log, receiver.log)
    distortion = summarize_values(pairs.distortion_ns(), NS_PER_US) if pairs else None
    transit = summarize_values(pairs.transit_ns, NS_PER_US) if pairs and inputs.tap_shares_clock else None
    if distortion is None:
        absent.setdefault("distortion_us", "no stream had two packets that were seen at both points")
    if transit is None:
        unseen, no_clock = "no packet was seen at both points", "tap and probe share no clock"
        absent.setdefault("transit_us", unseen if inputs.tap_shares_clock else no_clock)
    tap = Tap(
        packets=sum(stream["packets"] for stream in seen.flat),
        unique_packets=seen.total("unique"),
        kernel_drops=own_loss,
        lost_before_packets=missing.before,
        lost_after_packets=missing.after,
        matched_packets=pairs.matched if pairs else 0,
        distortion_us=distortion,
        transit_us=transit,
        absent=absent,
    )
    return missing, tap


def _drops(
    inputs: TrialInputs, receiver: SiteResult, books: Sequence[StreamBooks], missing: Missing, places: Mapping[str, Counters]
) -> tuple[list[Drop], int]:
    """What died where on the way to this receiver; and how much nobody explains."""
    own = {key: value for key, value in receiver.raw["capture"].items() if key in ("socket_drops", "kernel_drops")}
    totals = receiver.raw["totals"]
    path = Path(
        sender=places[inputs.sender.place],
        tap=places[inputs.tap.place] if inputs.tap else None,
        receiver=places[receiver.place],
        sender_interface=inputs.sender.interface,
        refused_packets=refused_after_a_drop(inputs.sender.raw),
        skipped_packets=sum(item.skipped for item in books),
        multicast=inputs.profile.delivery == "multicast",
        parent_interface=inputs.parent_interface,
        backend=receiver.raw["backend"],
        own=own | {"refused_streams": totals["refused_streams"], "damaged": totals["damaged"]},
    )
    found = attribute(missing, claims(path))
    return found.drops, found.unattributed_packets


def _received(raw: Mapping[str, Any], arrived: Arrivals) -> Received:
    packets, octets = arrived.total("packets"), arrived.total("bytes")
    flat = [stream for stream in arrived.flat if stream["packets"]]
    span_s = (max(stream["last_ns"] for stream in flat) - min(stream["first_ns"] for stream in flat)) / 1e9 if flat else 0.0
    packets_per_second = rate_pps(packets, span_s)
    return Received(
        packets=packets,
        unique_packets=arrived.total("unique"),
        duplicate_packets=arrived.total("duplicate"),
        replicated_packets=sum(stream.get("replicated", 0) for stream in arrived.flat),
        beyond_window_packets=arrived.total("beyond_window"),
        foreign_packets=arrived.foreign_packets,
        damaged_packets=raw["totals"]["damaged"],
        bytes=octets,
        streams=sum(any(part["packets"] for part in parts) for parts in arrived.streams.values()),
        packets_per_second=packets_per_second,
        bits_per_second=bits_per_second(packets_per_second, packets, octets),
    )


def _mdi(inputs: TrialInputs, arrived: Arrivals, books: Sequence[StreamBooks]) -> Any:
    missing = [item.lost + sum(part["reordered"] for part in arrived.streams[item.stream]) for item in books]
    return measure_mdi(
        [stream["delay_factor_max_ns"] for stream in arrived.flat],
        missing,
        inputs.profile.payload_bytes,
        inputs.duration_s,
        inputs.profile.bits_per_second,
        worst_interval(arrived.flat),
    )


def capture_books(raw: Mapping[str, Any]) -> dict[str, int | str]:
    """The backend's name and its own counts."""
    numbers = {key: int(value) for key, value in raw["capture"].items() if isinstance(value, int)}
    return {"backend": raw["backend"], **numbers}


def series_points(raw: Mapping[str, Any]) -> list[SeriesPoint]:
    """The time series, from the first packet on."""
    first_ns = raw["totals"]["first_ns"]
    return [
        SeriesPoint(
            start_s=(point["start_ns"] - first_ns) / 1e9,
            packets=point["packets"],
            bytes=point["bytes"],
            iat_mean_us=point["iat_sum_ns"] / point["iat_count"] / NS_PER_US if point["iat_count"] else None,
            iat_max_us=point["iat_max_ns"] / NS_PER_US if point["iat_count"] else None,
        )
        for point in raw.get("series") or []
    ]


def _stream(inputs: TrialInputs, sent: Mapping[str, int], parts: Sequence[RawStream]) -> StreamResult:
    """One stream; of one in several parts the worst timing, and the first part's addresses."""
    books = _books(sent, parts)
    destination, port = inputs.destinations.get(sent["stream"], ("", inputs.profile.port))
    timed = [part for part in parts if part["unique"] > 1]
    iats = [part["iat_ns"] for part in parts if part.get("iat_ns")]
    factors = [part["delay_factor_max_ns"] for part in parts]
    ts = stream_transport(parts[0]) if parts else None
    numbers: dict[str, tuple[Any, str]] = {
        "iat_p99_us": (largest([iat["p99"] / NS_PER_US for iat in iats]), "fewer than two packets"),
        "iat_max_us": (largest([iat["max"] / NS_PER_US for iat in iats]), "fewer than two packets"),
        "jitter_ms": (largest([part["jitter_ns"] / NS_PER_MS for part in timed]), "fewer than two packets"),
        "delay_factor_ms": (
            largest([factor / NS_PER_MS for factor in factors if factor is not None and factor >= 0]),
            "it did not last one interval of 1 s",
        ),
        "payload_type": (None, "a probe of ours, whatever is around it"),
        "cc_errors": (ts.cc_errors if ts else None, NO_TS),
        "ts_lost_estimate": (ts.ts_lost_estimate if ts else None, NO_TS),
        "ts": (ts, NO_TS),
    }
    patterns, no_patterns = stream_patterns(parts)
    return StreamResult(
        stream=sent["stream"],
        source=parts[0]["source"] if parts else "",
        destination=parts[0]["destination"] if parts else destination,
        port=parts[0]["destination_port"] if parts else port,
        sequences_sent=sent["sent"],
        received_packets=sum(part["packets"] for part in parts),
        unique_packets=books.unique,
        lost_packets=books.lost,
        duplicate_packets=sum(part["duplicate"] for part in parts),
        reordered_packets=sum(part["reordered"] for part in parts),
        error_seconds=sum(part["iat_error_windows"] for part in parts),
        absent={key: reason for key, (value, reason) in numbers.items() if value is None} | no_patterns,
        **{key: value for key, (value, _) in numbers.items()},
        **patterns,
    )

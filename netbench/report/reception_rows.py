"""What one receiver got, as lists of facts: books, loss, order, delay, MDI, MPEG-TS. A figure that is absent says why."""

from __future__ import annotations

from collections.abc import Callable

from netbench.metrics.two_points import PointCounts
from netbench.report import format
from netbench.report.view.cells import Cell, Footnotes, KeyValue
from netbench.result.numbers import Distribution, Mpegts
from netbench.result.reception import Reception

_NO_REASON = "The record gives no reason."
_NONE_REORDERED = "no packet was reordered"


def ms(milliseconds: float) -> str:
    """Milliseconds in the unit that fits."""
    return format.duration_us(1e3 * milliseconds)


def packets(number: float) -> str:
    """A whole number of packets."""
    return format.count(round(number))


def distribution_text(found: Distribution, show: Callable[[float], str]) -> str:
    """Its figures, the smallest first."""
    figures = (("min", found.min), ("p50", found.p50), ("p99", found.p99), ("p99.9", found.p99_9), ("max", found.max))
    return ", ".join(f"{name} {show(value)}" for name, value in figures)


def _row(key: str, text: str | None, reason: str | None, footnotes: Footnotes) -> KeyValue:
    return KeyValue(key, footnotes.absent(reason or _NO_REASON, key) if text is None else Cell(text))


def book_rows(reception: Reception, footnotes: Footnotes) -> list[KeyValue]:
    """Both equations, with their numbers."""
    received, loss = reception.received, reception.loss
    if received is None:
        return []
    rows = [
        KeyValue(
            "Received = different + duplicates + too late to tell",
            Cell(
                f"{packets(received.packets)} = {packets(received.unique_packets)} + {packets(received.duplicate_packets)} + "
                f"{packets(received.beyond_window_packets)}"
            ),
        )
    ]
    if loss is not None:
        sequenced = received.unique_packets - received.unsequenced_packets
        rows.append(
            KeyValue(
                "Expected = different with a sequence + lost",
                Cell(f"{packets(loss.expected_packets)} = {packets(sequenced)} + {packets(loss.lost_packets)}"),
            )
        )
    else:
        rows.append(_row("Expected", None, reception.absent.get("loss"), footnotes))
    others = (
        ("Without a sequence number: no loss shows", received.unsequenced_packets),
        ("Foreign: of another session, or no probes", received.foreign_packets),
        ("Damaged", received.damaged_packets),
    )
    rows += [KeyValue(key, Cell(packets(number))) for key, number in others if number]
    rate = f"{format.packet_rate(received.packets_per_second)}, {format.bit_rate(received.bits_per_second)} of UDP payload"
    rows += [KeyValue("Octets of UDP payload", Cell(format.size(received.bytes))), KeyValue("Rate", Cell(rate))]
    for drop in reception.drops:
        rows.append(KeyValue(f"Dropped in {drop.layer}", Cell(packets(drop.packets), note=format.glued(drop.evidence))))
    return rows


def loss_rows(reception: Reception, footnotes: Footnotes) -> list[KeyValue]:
    """RFC 7680 and the patterns of RFC 3357."""
    loss, pattern = reception.loss, reception.loss_pattern
    if loss is None:
        return [_row("Lost", None, reception.absent.get("loss"), footnotes)]
    rows = [
        KeyValue("Lost", Cell(format.loss(loss.lost_packets, loss.expected_packets, loss.upper_bound_ratio))),
        KeyValue("Streams with loss", Cell(packets(loss.streams_with_loss))),
    ]
    if pattern is None:
        return [*rows, _row("Loss patterns", None, reception.absent.get("loss_pattern"), footnotes)]
    if not pattern.lost_packets:
        return rows
    noticeable = f"{packets(pattern.noticeable_packets)} at most {packets(pattern.loss_distance_packets)} sequences after another"
    if pattern.noticeable_ratio is not None:
        noticeable += f" ({format.percent(pattern.noticeable_ratio)} of the lost)"
    rows += [
        KeyValue(
            "Loss periods",
            Cell(f"{packets(pattern.loss_periods)}, the longest of {format.plural(pattern.longest_loss_packets, 'packet')}"),
        ),
        KeyValue("Noticeable losses", Cell(noticeable)),
    ]
    figures = (
        ("Length of a period, packets", "period_packets", pattern.period_packets, packets),
        ("Length of a period, time", "period_ms", pattern.period_ms, ms),
        ("From one period to the next, sequences", "between_packets", pattern.between_packets, packets),
        ("From one period to the next, time", "between_ms", pattern.between_ms, ms),
    )
    for key, name, found, show in figures:
        rows.append(_row(key, distribution_text(found, show) if found else None, pattern.absent.get(name), footnotes))
    return rows


def order_rows(reception: Reception, footnotes: Footnotes) -> list[KeyValue]:
    """RFC 4737 and RFC 5560."""
    order, received = reception.sequence, reception.received
    rows = []
    if received is not None and received.replicated_packets is not None:
        copies = packets(received.duplicate_packets)
        if received.duplicate_packets:
            copies += f", of {format.plural(received.replicated_packets, 'different packet')}"
        rows.append(KeyValue("Duplicates", Cell(copies)))
    if order is None:
        return [*rows, _row("Reordered", None, reception.absent.get("sequence"), footnotes)]
    rows.append(KeyValue("Reordered", Cell(f"{packets(order.reordered_packets)} ({format.percent(order.reordered_ratio)})")))
    if not order.reordered_packets:
        return rows
    if order.three_reordered_packets is not None:
        rows.append(KeyValue("Behind three later ones (3-reordering)", Cell(packets(order.three_reordered_packets))))
    extent, late = order.extent_packets, order.late_ms
    rows.append(_row("Extent, packets", distribution_text(extent, packets) if extent else None, _NONE_REORDERED, footnotes))
    rows.append(_row("Late by", distribution_text(late, ms) if late else None, "stamps do not tell", footnotes))
    return rows


def delay_rows(reception: Reception, footnotes: Footnotes) -> list[KeyValue]:
    """IAT, jitter, RFC 5481, and what needs a common clock."""
    named: tuple[tuple[str, str, Distribution | None], ...] = (
        ("Inter-arrival time (IAT)", "iat_us", reception.iat_us),
        ("PDV: transit less the least", "pdv_us", reception.pdv_us),
        ("IPDV: transit less the one before", "ipdv_us", reception.ipdv_us),
        ("One-way delay", "one_way_delay_us", reception.one_way_delay_us),
        ("Delivery to the application", "delivery_us", reception.delivery_us),
    )
    rows = [
        _row(key, distribution_text(found, format.signed_duration_us) if found else None, reception.absent.get(field), footnotes)
        for key, field, found in named
    ]
    jitter, largest = reception.jitter_ms, reception.jitter_max_ms
    text = (
        None if jitter is None else f"{ms(jitter)}, mean of the streams" + ("" if largest is None else f"; at most {ms(largest)}")
    )
    rows.insert(1, _row("Jitter", text, reception.absent.get("jitter_ms"), footnotes))
    if reception.error_seconds is not None:
        rows.append(KeyValue("Error-seconds", Cell(packets(reception.error_seconds))))
    return rows


def media_rows(reception: Reception, footnotes: Footnotes) -> list[KeyValue]:
    """MDI of the worst stream."""
    mdi = reception.mdi
    if mdi is None:
        return [_row("MDI", None, reception.absent.get("mdi"), footnotes)]
    rows = [
        KeyValue("DF : MLR", Cell(f"{ms(mdi.delay_factor_ms)} : {format.significant(mdi.media_loss_packets_per_second)}/s")),
        KeyValue("Media rate", Cell(f"{format.bit_rate(mdi.media_rate_bps)}, {mdi.media_rate_source}")),
    ]
    if mdi.worst_interval_missing_datagrams is not None:
        worst = f"{packets(mdi.worst_interval_missing_datagrams)} datagrams missing or out of order"
        rows.append(KeyValue("Worst interval of about 1 s", Cell(worst)))
    return rows


def transport_rows(ts: Mpegts, footnotes: Footnotes) -> list[KeyValue]:
    """ETSI TR 101 290, first priority first."""
    inside = f"{packets(ts.ts_packets)} packets of 188 octets, {packets(ts.null_packets)} of them null packets"
    rows = [
        KeyValue("Inside", Cell(f"{inside}; {format.plural(ts.pids, 'PID')}, {format.plural(ts.programs, 'program')}")),
        KeyValue("1.1 TS sync loss", Cell(packets(ts.sync_losses))),
        KeyValue("1.2 Sync byte error", Cell(packets(ts.sync_byte_errors))),
        KeyValue("1.3 PAT error", Cell(packets(ts.pat_errors))),
        KeyValue(
            "1.4 Continuity count error",
            Cell(f"{packets(ts.cc_errors)}; about {packets(ts.ts_lost_estimate)} TS packets missing"),
        ),
        KeyValue("1.5 PMT error", Cell(packets(ts.pmt_errors))),
        KeyValue("1.6 PID error", Cell(packets(ts.pid_errors))),
        KeyValue("2.1 Transport error", Cell(packets(ts.transport_errors))),
        KeyValue("2.2 CRC error (PAT, PMT)", Cell(packets(ts.crc_errors))),
        KeyValue("2.3 PCR later than 100 ms, by arrival", Cell(packets(ts.pcr_interval_errors))),
    ]
    few = "fewer than two arrived"
    for name, value in (("PAT", ts.pat_interval_max_ms), ("PMT", ts.pmt_interval_max_ms), ("PCR", ts.pcr_interval_max_ms)):
        rows.append(_row(f"Longest time between two {name}s", None if value is None else ms(value), few, footnotes))
    rate = None if ts.mux_rate_bps is None else format.bit_rate(ts.mux_rate_bps)
    return [*rows, _row("Rate by the PCR", rate, "no PCR, or not steady enough", footnotes)]


def point_rows(reception: Reception, counts: PointCounts, footnotes: Footnotes) -> list[KeyValue]:
    """What lies between two points of capture."""
    tap = reception.tap
    if tap is None:
        return []
    between = f"{packets(counts.lost_between)} lost of {packets(counts.lost_between + counts.matched)} packets"
    rows = [
        KeyValue("Between the two", Cell(between)),
        KeyValue("Lost at both", Cell(packets(tap.lost_before_packets))),
        KeyValue("At the second point only", Cell(packets(counts.missed_by_first))),
        KeyValue("Before or after what the second one covers", Cell(packets(counts.outside))),
        KeyValue("Streams at the first point only", Cell(packets(counts.absent_streams))),
    ]
    for key, field, found in (("Distortion", "distortion_us", tap.distortion_us), ("Transit", "transit_us", tap.transit_us)):
        rows.append(
            _row(key, distribution_text(found, format.signed_duration_us) if found else None, tap.absent.get(field), footnotes)
        )
    return rows

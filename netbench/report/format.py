"""Numbers as a person reads them: a unit that fits, no more digits than were measured, absent never as 0.

Groups of three digits are set apart by U+202F and a number from its unit by U+00A0, so that neither is ever broken at a line's end.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

ABSENT = "\u2013"
MINUS = "\u2212"
TIMES = "\u00d7"
GROUP_SPACE = "\u202f"
UNIT_SPACE = "\u00a0"
SPACES = f" {GROUP_SPACE}{UNIT_SPACE}"

_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:%|ns|µs|ms|s|min|h|[kM]?pps|[kMG]?b/s|[kMG]?B)(?![\w/]))")
_GROUPED_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?![\w])")
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=\S)")
_PERCENT_DIGITS_ABOVE_1 = 3
_PERCENT_DIGITS_BELOW_1 = 2


def count(number: int) -> str:
    """`284 905`."""
    return f"{number:,}".replace(",", GROUP_SPACE)


def significant(number: float, digits: int = 3) -> str:
    """Round to so many significant digits, in plain decimals: `1.05`, `47.5`, `0.012`, `284 905` (never an exponent)."""
    if number == 0:
        return "0"
    decimals = digits - 1 - _exponent(number, digits)
    if decimals <= 0:
        return count(round(number))
    return f"{number:.{decimals}f}"


def duration_us(microseconds: float) -> str:
    """`640 ns`, `21.1 µs`, `1.05 ms`, `2.50 s`."""
    size = abs(microseconds)
    if size == 0:
        return f"0{UNIT_SPACE}µs"
    if size < 0.9995:
        return f"{significant(microseconds * 1e3)}{UNIT_SPACE}ns"
    if size < 999.5:
        return f"{significant(microseconds)}{UNIT_SPACE}µs"
    if size < 999_500:
        return f"{significant(microseconds / 1e3)}{UNIT_SPACE}ms"
    return f"{significant(microseconds / 1e6)}{UNIT_SPACE}s"


def signed_duration_us(microseconds: float) -> str:
    """As duration_us, with a true minus sign."""
    return (MINUS if microseconds < 0 else "") + duration_us(abs(microseconds))


def duration_s(seconds: float) -> str:
    """A length of time that was planned or waited for: `0.5 s`, `2 s`, `1 min 30 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.3g}{UNIT_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{UNIT_SPACE}min" + (f" {rest}{UNIT_SPACE}s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{UNIT_SPACE}h" + (f" {minutes:02d}{UNIT_SPACE}min" if minutes else "")


def packet_rate(packets_per_second: float) -> str:
    """`950 pps`, `47.5 kpps`, `1.20 Mpps`."""
    return _scaled(packets_per_second, "pps")


def bit_rate(bits_per_second: float) -> str:
    """`10.0 Mb/s`, decimal."""
    return _scaled(bits_per_second, "b/s")


def size(octets: float) -> str:
    """`1 316 B`, `2.50 MB`, decimal."""
    return f"{count(round(octets))}{UNIT_SPACE}B" if octets < 10_000 else _scaled(octets, "B")


def percent(ratio: float) -> str:
    """A ratio in percent: `10.4 %`, `0.012 %`, `0 %`; what is not all is never shown as 100 %, what is not none never as 0 %."""
    value = ratio * 100
    if value == 0 or value == 100:
        return f"{value:.0f}{UNIT_SPACE}%"
    if 99.95 <= value < 100:
        return f">{UNIT_SPACE}99.9{UNIT_SPACE}%"
    return f"{significant(value, _percent_digits(value))}{UNIT_SPACE}%"


def percent_rounded_up(ratio: float) -> str:
    """As percent, for an upper bound: rounded up, so that the bound that is shown still holds."""
    value = ratio * 100
    if value <= 0 or value >= 100:
        return percent(min(max(ratio, 0.0), 1.0))
    step = 10.0 ** (_exponent(value, 17) - _percent_digits(value) + 1)
    raised = math.ceil(value / step * (1 - 1e-12)) * step
    return f"{significant(raised, _percent_digits(raised))}{UNIT_SPACE}%"


def loss(lost_packets: int, expected_packets: int, upper_bound_ratio: float | None) -> str:
    """`0 of 284 905 (< 0.0011 % at 95 %)`, `29 778 of 284 976 (10.4 %; at most 10.7 % at 95 %)`."""
    books = f"{count(lost_packets)} of {count(expected_packets)}"
    at_95 = f"at{UNIT_SPACE}95{UNIT_SPACE}%"
    if lost_packets == 0:
        return books if upper_bound_ratio is None else f"{books} ({zero_loss_bound(upper_bound_ratio)} {at_95})"
    ratio = percent(lost_packets / expected_packets)
    if upper_bound_ratio is None:
        return f"{books} ({ratio})"
    return f"{books} ({ratio}; at most {percent_rounded_up(upper_bound_ratio)} {at_95})"


def loss_in_short(lost_packets: int, expected_packets: int, upper_bound_ratio: float) -> str:
    """`0 (< 0.0011 %)`, `10.4 % (≤ 10.7 %)`: the ratio with its bound, for narrow places."""
    if lost_packets == 0:
        return f"0 ({zero_loss_bound(upper_bound_ratio)})"
    return f"{percent(lost_packets / expected_packets)} (≤{UNIT_SPACE}{percent_rounded_up(upper_bound_ratio)})"


def zero_loss_bound(upper_bound_ratio: float) -> str:
    """What "no loss" is worth: `< 0.0011 %`."""
    return f"<{UNIT_SPACE}{percent_rounded_up(upper_bound_ratio)}"


def number_with_unit(value: float, unit: str) -> str:
    """A value of a record in the unit that its key names (`us`, `ms`, `ns`, `s`, `ratio`, `pps`, `bps`, `packets`, …)."""
    match unit:
        case "ns" | "us" | "µs" | "ms" | "s":
            return duration_us(value * {"ns": 1e-3, "us": 1.0, "µs": 1.0, "ms": 1e3, "s": 1e6}[unit])
        case "ratio":
            return (MINUS if value < 0 else "") + percent(abs(value))
        case "percent" | "%":
            return (MINUS if value < 0 else "") + percent(abs(value) / 100)
        case "pps" | "packets/s":
            return packet_rate(value)
        case "bps" | "b/s":
            return bit_rate(value)
        case "":
            return significant(value)
        case _:
            return f"{count(int(value)) if float(value).is_integer() else significant(value)}{UNIT_SPACE}{unit}"


def moment(iso_8601: str) -> str:
    """`2026-11-24 10:13:23 UTC`; as it stands when it is no ISO 8601."""
    try:
        parsed = datetime.fromisoformat(iso_8601)
    except ValueError:
        return iso_8601
    return f"{parsed:%Y-%m-%d %H:%M:%S} {parsed.tzname() or ''}".strip()


def elapsed(started_iso: str, ended_iso: str | None) -> str | None:
    """How long it took, or None when it cannot be known."""
    try:
        return duration_s((datetime.fromisoformat(ended_iso or "") - datetime.fromisoformat(started_iso)).total_seconds())
    except (ValueError, TypeError):
        return None


def glued(sentence: str) -> str:
    """A sentence of a record, its numbers written as all others here: groups set apart, none parted from its unit."""
    grouped = _GROUPED_NUMBER.sub(lambda number: number[0].replace(",", GROUP_SPACE), sentence)
    return _NUMBER_AND_UNIT.sub(UNIT_SPACE, grouped)


def first_sentence(text: str) -> tuple[str, str]:
    """A text's first sentence, and the rest."""
    first, *rest = _SENTENCE_END.split(text, maxsplit=1)
    return first, rest[0] if rest else ""


def as_sentence(text: str) -> str:
    """A part of a sentence made a whole one."""
    whole = text[:1].upper() + text[1:]
    return whole if not whole or whole.endswith((".", "!", "?")) else f"{whole}."


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 trial`, `3 trials`."""
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


def listing(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _percent_digits(value: float) -> int:
    return _PERCENT_DIGITS_ABOVE_1 if value >= 1 else _PERCENT_DIGITS_BELOW_1


def _exponent(number: float, digits: int) -> int:
    """Power of ten of the first digit after rounding: 9.996 to three digits is 10.0."""
    return int(f"{abs(number):.{digits - 1}e}".partition("e")[2])


def _scaled(number: float, unit: str) -> str:
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= factor * 0.9995:
            return f"{significant(number / factor)}{UNIT_SPACE}{prefix}{unit}"
    return f"{significant(number)}{UNIT_SPACE}{unit}"

"""Durations and rates as a person types them: `90`, `1m30s`, `10M`."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+)ms)?")
_RATE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<prefix>[kKmMgG]?)(?:b|bit|bps|bit/s|b/s)?")
_PREFIX = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def parse_duration(text: str | float) -> float:
    """Seconds of `10`, `30s`, `1m30s`, `2h`, `500ms`.

    Raises:
        ValueError: it is no duration, with the forms that are.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    word = str(text).strip()
    try:
        return float(word)
    except ValueError:
        pass
    match = _DURATION.fullmatch(word)
    if not word or match is None:
        raise ValueError(f"{text!r} is no duration; type 10, 30s, 1m30s or 500ms")
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.group("h", "m", "s", "ms"))
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def parse_bitrate(text: str | float) -> float:
    """Bits per second of `10M`, `500k`, `1.5G`, `10000000`; decimal prefixes, as iperf has them.

    Raises:
        ValueError: it is no rate, with the forms that are.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    match = _RATE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no bit rate; type 10M, 500k or 1.5G (decimal bits per second)")
    return float(match["number"]) * _PREFIX[match["prefix"].lower()]

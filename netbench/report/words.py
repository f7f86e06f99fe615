"""The words, symbols and order in which verdicts are shown, the same in every format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "care", "bad", "none"]


@dataclass(frozen=True)
class VerdictLook:
    """How a verdict word is shown.

    Attributes:
        word: as printed.
        symbol: one character that tells it apart without colour.
        ascii_symbol: the same where the terminal has no Unicode.
        emoji: for Markdown, where neither colour nor weight can be set.
        tone: what the colour says.
        rank: place in lists, best first.
    """

    word: str
    symbol: str
    ascii_symbol: str
    emoji: str
    tone: Tone
    rank: int


LOOKS: dict[str, VerdictLook] = {
    "pass": VerdictLook("pass", "✓", "+", "✅", "good", 0),
    "warn": VerdictLook("warn", "!", "!", "⚠️", "care", 1),
    "inconclusive": VerdictLook("inconclusive", "?", "?", "❔", "care", 2),
    "fail": VerdictLook("fail", "✗", "x", "❌", "bad", 3),
    "unsupported": VerdictLook("unsupported", "⊘", "o", "🚫", "bad", 4),
    "not_measured": VerdictLook("not measured", "\u2013", "-", "\u2796", "none", 5),
    "not_judged": VerdictLook("not judged", "\u2013", "-", "\u2796", "none", 6),
}

HYPOTHESES: dict[str, tuple[str, str]] = {
    "H1": ("Loss", "the mode receives less traffic without loss"),
    "H2": ("HTTP timing", "HTTP connection timing is skewed upward"),
    "H3": ("Capture timing", "capture-based IAT and MLR are unreliable"),
    "H4": ("Hardware stamps", "received packets get no hardware timestamp"),
}

SEVERITIES: dict[str, VerdictLook] = {
    "ok": VerdictLook("ok", "✓", "+", "✅", "good", 3),
    "info": VerdictLook("info", "i", "i", "\u2139\ufe0f", "none", 2),
    "warn": VerdictLook("warn", "!", "!", "⚠️", "care", 1),
    "fail": VerdictLook("fail", "✗", "x", "❌", "bad", 0),
}

_SPELLED = {"macvlan": "macvlan", "udp": "UDP", "ip": "IP", "nic": "NIC", "cpu": "CPU"}


def layer_name(layer: str) -> str:
    """A layer's name as printed: `macvlan_broadcast_queue` is "macvlan broadcast queue"."""
    return " ".join(_SPELLED.get(word, word) for word in layer.split("_"))

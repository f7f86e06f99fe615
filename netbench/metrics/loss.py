"""Loss: what was sent and did not arrive (RFC 7680), in which runs (RFC 3357), and how sure "none" is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netbench.errors import InvalidDataError
from netbench.result.numbers import Loss

_CONFIDENCE = 0.95
_RULE_OF_THREE = 3.0


@dataclass(frozen=True)
class StreamBooks:
    """One stream at both ends.

    Attributes:
        stream: its number.
        sequences: numbers that the sender used up, from 0.
        unsent: of these, refused by the sender's own stack; not lost.
        skipped: of these, left out on purpose; lost, as far as a receiver can tell.
        unique: distinct sequences that arrived.
        holes: missing sequences between the first and the last that arrived.
        hole_runs: maximal runs of these.
        longest_hole: packets of the longest run.
        first, last: lowest and highest sequence that arrived; None when none did.
    """

    stream: int
    sequences: int
    unsent: int
    skipped: int
    unique: int
    holes: int = 0
    hole_runs: int = 0
    longest_hole: int = 0
    first: int | None = None
    last: int | None = None

    @property
    def expected(self) -> int:
        """Packets that should have arrived."""
        return self.sequences - self.unsent

    @property
    def lost(self) -> int:
        """Packets that did not."""
        return self.expected - self.unique


def upper_bound_ratio(lost: int, expected: int) -> float:
    """One-sided 95 % upper bound of the loss ratio.

    With none lost of N it is 3/N (rule of three: (1 - 3/N)^N is about 5 %), else Clopper and Pearson's exact bound.

    Raises:
        ValueError: nothing was expected, or more was lost than that.
    """
    if not 0 <= lost <= expected or expected == 0:
        raise ValueError(f"{lost} lost of {expected} expected")
    if lost == 0:
        return min(1.0, _RULE_OF_THREE / expected)
    if lost == expected:
        return 1.0
    from scipy.stats import beta

    return float(beta.ppf(_CONFIDENCE, lost + 1, expected - lost))


def measure_loss(streams: Sequence[StreamBooks]) -> Loss | None:
    """The loss over all streams, or None when nothing was sent.

    Raises:
        InvalidDataError: more arrived than was sent.
    """
    for books in streams:
        if books.lost < 0:
            raise InvalidDataError(
                f"books do not balance: stream {books.stream} has {books.unique} unique packets at the receiver, "
                f"but only {books.expected} were sent"
            )
    expected = sum(books.expected for books in streams)
    if expected == 0:
        return None
    lost = sum(books.lost for books in streams)
    runs = _runs(streams)
    return Loss(
        expected_packets=expected,
        lost_packets=lost,
        lost_ratio=lost / expected,
        lost_percent=100 * lost / expected,
        upper_bound_ratio=upper_bound_ratio(lost, expected),
        streams_with_loss=sum(books.lost > 0 for books in streams),
        loss_periods=runs[0] if runs else None,
        longest_loss_packets=runs[1] if runs else None,
    )


def _runs(streams: Sequence[StreamBooks]) -> tuple[int, int] | None:
    """Number of loss periods and the longest; None when holes cannot be told from sequences that were never sent."""
    periods, longest = 0, 0
    for books in streams:
        if books.unsent:
            return None
        if books.first is None or books.last is None:
            periods += books.sequences > 0
            longest = max(longest, books.sequences)
            continue
        # The receiver sees holes between its first and last packet only; the sender's books show the two ends.
        leading, trailing = books.first, books.sequences - 1 - books.last
        if books.holes + leading + trailing != books.lost:
            return None
        periods += books.hole_runs + (leading > 0) + (trailing > 0)
        longest = max(longest, books.longest_hole, leading, trailing)
    return periods, longest

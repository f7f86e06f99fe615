"""Distortion: what lies between the tap and the probe does to arrival times, packet by packet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netbench.errors import InvalidDataError

LOG_ENTRY = np.dtype([("received_ns", "=i8"), ("stream", "=u4"), ("sequence", "=u4")])
"""struct nb_log_entry (c_ext/stream_table.h), native byte order."""


@dataclass(frozen=True)
class Sightings:
    """Packets seen at both points, grouped by stream, in the tap's order of arrival within each.

    Attributes:
        stream: shape (n,).
        transit_ns: shape (n,), R_probe - R_tap, signed.
    """

    stream: NDArray[np.uint32]
    transit_ns: NDArray[np.int64]

    @property
    def matched(self) -> int:
        """Pairs of sightings."""
        return int(self.transit_ns.size)

    def distortion_ns(self) -> NDArray[np.int64]:
        """|(R_probe,i - R_probe,i-1) - (R_tap,i - R_tap,i-1)| of consecutive pairs of one stream, shape (m,).

        The same as |transit_i - transit_i-1|: a constant offset between the two clocks falls out.
        """
        same_stream = self.stream[1:] == self.stream[:-1]
        steps: NDArray[np.int64] = np.abs(np.diff(self.transit_ns)[same_stream])
        return steps


def read_log(log: bytes) -> NDArray[np.void]:
    """A packet log as a structured array.

    Raises:
        InvalidDataError: it is cut in the middle of an entry.
    """
    if len(log) % LOG_ENTRY.itemsize:
        raise InvalidDataError(f"a packet log of {len(log)} bytes is cut in the middle of an entry: measure again")
    return np.frombuffer(log, dtype=LOG_ENTRY)


def match(tap_log: bytes, probe_log: bytes) -> Sightings:
    """Join two packet logs by (stream, sequence). Of duplicates, the first sighting counts.

    Raises:
        InvalidDataError: a log is cut.
    """
    tap, probe = read_log(tap_log), read_log(probe_log)
    tap_keys, tap_first = np.unique(_keys(tap), return_index=True)
    probe_keys, probe_first = np.unique(_keys(probe), return_index=True)
    _, in_tap, in_probe = np.intersect1d(tap_keys, probe_keys, assume_unique=True, return_indices=True)
    tap_index, probe_index = tap_first[in_tap], probe_first[in_probe]
    order = np.lexsort((tap_index, tap["stream"][tap_index]))
    tap_index, probe_index = tap_index[order], probe_index[order]
    return Sightings(
        stream=tap["stream"][tap_index],
        transit_ns=probe["received_ns"][probe_index] - tap["received_ns"][tap_index],
    )


def _keys(log: NDArray[np.void]) -> NDArray[np.uint64]:
    return (log["stream"].astype(np.uint64) << np.uint64(32)) | log["sequence"].astype(np.uint64)

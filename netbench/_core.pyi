"""The C core. Only netbench.core imports it.

Errors: OSError(errno, what failed) for what the system refused, ValueError for a wrong argument, RuntimeError for a call out of
order. All times are integer nanoseconds; receive and send stamps are CLOCK_REALTIME.
"""

from collections.abc import Sequence

from netbench.core import HistogramData

ABI_VERSION: int  # raised when a signature or a key below changes
PROBE_LENGTH: int

class Histogram:
    def __init__(self) -> None: ...
    def record(self, value: int) -> None: ...
    def quantile(self, quantile: float) -> int | None: ...
    def data(self) -> HistogramData: ...

class StreamTable:
    """Streams, their trackers, time series and packet log. May be read by any thread while a capture feeds it."""

    def __init__(
        self,
        *,
        max_streams: int = 4096,
        session: int = 0,
        probes_only: bool = False,
        stamp_class: str = "kernel",  # "user" | "kernel" | "hardware": the class that timing statistics use
        reorder_window: int = 4096,
        window_ns: int = 1_000_000_000,
        error_iat_ns: int = 45_000_000,
        media_rate_bps: float = 0.0,
        series_ns: int = 0,
        series_points: int = 4096,
        log_capacity: int = 0,
    ) -> None: ...
    def feed(self, frame: bytes, received_ns: int, wire_length: int, stamp_class: str = "kernel", read_ns: int = 0) -> str:
        """One Ethernet frame. Returns "datagram", "not_udp" or "damaged"."""

    def finish(self) -> None:
        """Settles what is still open; afterwards holes count as lost."""

    def totals(self) -> dict[str, int]:
        """Keys of struct nb_table_totals; stamps as stamps_user, stamps_kernel, stamps_hardware; and streams."""

    def streams(self, *, histograms: bool = False) -> list[dict[str, object]]:
        """One dict a stream, in order of first arrival.

        Keys: those of struct nb_stream_counts (stamps as stamps_user …; delay_factor_max_ns None when there is none; jitter_ns,
        jitter_max_ns float), probe (bool), session, stream, source, destination (text), source_port, destination_port,
        iat_ns, transit_ns: {count, min, max, mean, p50, p99, p99_9} or None when empty (transit is receive - send, absolute).
        With histograms: iat_histogram, transit_above_histogram, transit_below_histogram (HistogramData; relative to
        transit_base_ns).
        """

    def histogram(self, name: str) -> HistogramData | None:
        """One distribution over all streams, by its name.

        "iat"; "pdv" (RFC 5481: transit less the smallest of its stream); "transit" (receive - send; None when a packet came before
        it was sent, by the clocks); "delivery" (kernel stamp to the application's hands).
        """

    def series(self) -> list[dict[str, int]]:
        """Keys of struct nb_series_point, oldest first."""

    def log(self) -> bytes:
        """Entries of 16 bytes, native byte order: int64 received_ns, uint32 stream, uint32 sequence. A copy."""

class SocketSender:
    def __init__(
        self,
        *,
        streams: Sequence[tuple[int, str, int]],  # stream number, IPv4 destination, port
        rate_pps: float,  # over all streams; 0: as fast as possible
        packets: int,  # turns over all streams; 0: endless
        session: int = 0,
        payload_bytes: int = 1316,
        burst: int = 1,
        spin_ns: int = 0,
        skip_every: int = 0,
        repeat_every: int = 0,
        swap_every: int = 0,
        interface_index: int = 0,
        source: str = "0.0.0.0",
        source_port: int = 0,
        ttl: int = 1,
        dscp: int = 0,
        send_buffer_bytes: int = 0,
    ) -> None: ...
    def run(self) -> None:
        """Blocks until the schedule has ended or stop() was called; the GIL is dropped."""

    def stop(self) -> None: ...
    def counts(self) -> dict[str, int]:
        """The books over all streams; while it runs, too.

        Keys: those of struct nb_source_counts; enobufs, eagain, other_errors, last_errno; bytes, system_calls, intended,
        started_ns, ended_ns.
        """

    def streams(self) -> list[dict[str, int]]:
        """One dict a stream: its number as "stream", and the keys of struct nb_source_counts."""

    def lateness(self) -> HistogramData: ...

class FrameSender:
    """As SocketSender, by AF_PACKET. Needs CAP_NET_RAW, interface_index, source and source_port; next_hop for unicast."""

    def __init__(
        self,
        *,
        streams: Sequence[tuple[int, str, int]],
        rate_pps: float,
        packets: int,
        interface_index: int,
        source: str,
        source_port: int,
        session: int = 0,
        payload_bytes: int = 1316,
        burst: int = 1,
        spin_ns: int = 0,
        skip_every: int = 0,
        repeat_every: int = 0,
        swap_every: int = 0,
        ttl: int = 1,
        dscp: int = 0,
        send_buffer_bytes: int = 0,
        next_hop: str = "",  # aa:bb:cc:dd:ee:ff
        qdisc_bypass: bool = True,
    ) -> None: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...
    def counts(self) -> dict[str, int]: ...
    def streams(self) -> list[dict[str, int]]: ...
    def lateness(self) -> HistogramData: ...

class SocketCapture:
    """Bound and joined once constructed."""

    def __init__(
        self,
        *,
        listens: Sequence[tuple[str, str, int]],  # group or local address, source ("0.0.0.0": any), port
        interface_index: int = 0,
        receive_buffer_bytes: int = 0,
        memberships_per_socket: int = 0,
        hardware_stamps: bool = False,
    ) -> None: ...
    def run(self, table: StreamTable, duration_ns: int = 0) -> None:
        """Feeds the table for so long (0: until stop()), then takes what is queued; the GIL is dropped."""

    def stop(self) -> None: ...
    def counts(self) -> dict[str, int]:
        """Keys of struct nb_socket_capture_counts."""

class RingCapture:
    """Keeping packets once constructed. Needs CAP_NET_RAW."""

    def __init__(
        self,
        *,
        interface_index: int,
        port_low: int = 0,
        port_high: int = 0,
        block_bytes: int = 0,
        blocks: int = 0,
        snapshot_bytes: int = 0,
        retire_ms: int = 0,
        incoming_only: bool = True,
        hardware_stamps: bool = False,
    ) -> None: ...
    def run(self, table: StreamTable, duration_ns: int = 0) -> None: ...
    def stop(self) -> None: ...
    def counts(self) -> dict[str, int]:
        """Keys of struct nb_ring_capture_counts."""

def timestamp_capabilities(interface: str) -> dict[str, int | bool]:
    """Keys of struct nb_timestamp_caps."""

def probe_encode(session: int, stream: int, sequence: int, scheduled_ns: int, sent_ns: int) -> bytes: ...
def probe_decode(payload: bytes) -> dict[str, int] | None:
    """session, stream, sequence, scheduled_ns, sent_ns; None when it is no valid probe."""

def clock_cost_ns(readings: int = 100_000) -> float: ...
def clock_step_ns(readings: int = 100_000) -> int: ...
def wakeup_latency(wakeups: int, interval_ns: int) -> HistogramData:
    """Lateness of absolute sleeps; blocks wakeups * interval_ns with the GIL dropped."""

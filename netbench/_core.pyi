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
        decode: str = "auto",  # "auto" | "probe" | "rtp" | "mpegts" | "iperf2" | "raw": see c_ext/decoder.h
        rtp_clock_hz: int = 0,  # of RTP's dynamic payload types; 0: 90 kHz
        stamp_class: str = "kernel",  # "user" | "kernel" | "hardware": the class that timing statistics use
        reorder_window: int = 4096,
        window_ns: int = 1_000_000_000,
        error_iat_ns: int = 45_000_000,
        media_rate_bps: float = 0.0,
        loss_distance: int = 99,  # RFC 3357 section 6.1: a loss at most so far behind the one before is noticeable
        series_ns: int = 0,
        series_points: int = 4096,
        log_capacity: int = 0,
        log_content: bool = False,  # the log takes every timed packet, by a hash of its content instead of a sequence
        content_seed: int = 0,  # of that hash
    ) -> None: ...
    def feed(self, frame: bytes, received_ns: int, wire_length: int, stamp_class: str = "kernel", read_ns: int = 0) -> str:
        """One Ethernet frame. Returns "datagram", "not_udp" or "damaged"."""

    def restart(self) -> None:
        """Forgets every packet so far, as if the table had just been made; a capture may go on feeding it.

        What it has not read by then comes after: of a ring, what arrived in the last `retire_ms`.
        """

    def finish(self) -> None:
        """Settles what is still open; afterwards holes count as lost."""

    def totals(self) -> dict[str, int]:
        """Keys of struct nb_table_totals; stamps as stamps_user, stamps_kernel, stamps_hardware; and streams."""

    def streams(self, *, histograms: bool = False, windows: bool = False) -> list[dict[str, object]]:
        """One dict a stream, in order of first arrival.

        Keys: those of struct nb_stream_counts (stamps as stamps_user …; delay_factor_max_ns and delay_factor_last_ns None when
        there is none; jitter_ns, jitter_max_ns float), probe (bool), session, stream, source, destination (text), source_port,
        destination_port.
        What it is: kind ("raw", "probe", "rtp", "mpegts", "iperf2"); stream is a probe's number or the SSRC; of RTP payload_type
        (else None), media_clock_hz, sequence_restarts. first_sequence and last_sequence of RTP are extended: 2^32 and more. The
        transit of RTP is relative: its first packet's is 0.
        ts: None, or of the MPEG transport stream inside the keys of struct nb_ts_counts (delay_factor_max_ns below 0: none).
        Distributions in short, {count, min, max, mean, p50, p99, p99_9} or None when empty: iat_ns; transit_ns (receive - send,
        absolute); ipdv_ns (signed); loss_length_packets, loss_length_ns, loss_between_packets, loss_between_ns;
        reorder_extent_packets, reorder_late_ns (enum nb_distribution says what each is).
        With histograms, HistogramData of each distribution under its name with _histogram: iat, transit_above, transit_below
        (relative to transit_base_ns), ipdv_above, ipdv_below, loss_…, reorder_….
        With windows, kept_windows: the newest windows of window_ns in which anything came, oldest first; each with the keys of
        struct nb_time_window.
        """

    def histogram(self, name: str) -> HistogramData | None:
        """One distribution over all streams, by its name.

        "iat"; "pdv" (RFC 5481: transit less the smallest of its stream); "transit" (receive - send, RTP left out; None when a
        packet came before it was sent, by the clocks); "delivery" (kernel stamp to the application's hands); "ipdv_above",
        "ipdv_below" (RFC 5481 section 4.1, differences at or above 0, and the size of those below it); "loss_length_packets",
        "loss_length_ns", "loss_between_packets", "loss_between_ns" (RFC 3357); "reorder_extent_packets", "reorder_late_ns" (RFC
        4737).
        """

    def series(self) -> list[dict[str, int]]:
        """Keys of struct nb_series_point, oldest first."""

    def log(self) -> bytes:
        """Entries of 16 bytes, native byte order: int64 received_ns, uint32 stream, uint32 sequence. A copy.

        With log_content, stream is the index in streams() in the upper 16 bits and the payload's length in the lower, and sequence
        is a hash of flow, length and the payload's first 1472 bytes.
        """

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
        envelope: str = "raw",  # "raw" | "mpegts" | "rtp" | "rtp-mpegts": what surrounds the probe
        rtp_first_sequence: int = 0,  # of each stream; its SSRC is session ^ stream
        schedule: bytes = b"",  # int64, native: when each turn is due, ns since the start, never falling; then rate_pps is 0
        schedule_streams: bytes = b"",  # uint32, native: index of each turn's stream; empty: they take turns
        payloads: bytes = b"",  # of a replay: what each turn sends instead of a probe, one after the other
        payload_ends: bytes = b"",  # uint64, native: where each ends in payloads; empty: probes
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
        envelope: str = "raw",
        rtp_first_sequence: int = 0,
        schedule: bytes = b"",
        schedule_streams: bytes = b"",
        payloads: bytes = b"",  # SocketSender only: refused
        payload_ends: bytes = b"",
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
        filter: Sequence[tuple[int, int, int, int]] | None = None,  # classic BPF instead of ports: code, jt, jf, k
        block_bytes: int = 0,
        blocks: int = 0,
        snapshot_bytes: int = 0,
        retire_ms: int = 0,
        incoming_only: bool = True,
        hardware_stamps: bool = False,
    ) -> None: ...
    def run(self, table: StreamTable | None, duration_ns: int = 0, *, writer: PcapWriter | None = None) -> None:
        """As SocketCapture.run(); every frame goes to the writer, too, or to it alone. Ends early when it wants no more."""

    def stop(self) -> None: ...
    def counts(self) -> dict[str, int]:
        """Keys of struct nb_ring_capture_counts."""

class StampCapture:
    """Which packets of an interface carry a hardware stamp. Bound and joined once constructed; sets nothing on the interface."""

    def __init__(
        self,
        *,
        interface_index: int,
        listens: Sequence[tuple[str, str, int]] | None = None,  # as SocketCapture, each with a socket and counts of its own
        frames: bool = True,  # a packet socket that sees all that arrives; needs CAP_NET_RAW
        receive_buffer_bytes: int = 0,
    ) -> None: ...
    def run(self, duration_ns: int = 0) -> None:
        """Counts for so long (0: until stop()), then what is queued; the GIL is dropped. Once."""

    def stop(self) -> None: ...
    def listens(self) -> list[dict[str, int | float | None]]:
        """For each of `listens` the keys of struct nb_stamp_counts; rate_ppm None: too short to tell."""

    def frames(self) -> dict[str, dict[str, int | float | None]] | None:
        """The same by kind: ptp_ethernet, ptp_udp, udp, other; all. None without the packet socket."""

    def counts(self) -> dict[str, int]:
        """Keys of struct nb_stamp_capture_counts."""

class PcapWriter:
    """Capture files with nanosecond stamps; the first one is there once constructed (OSError where it cannot be made)."""

    def __init__(
        self,
        *,
        path: str,  # with rotation NAME.SUFFIX becomes NAME-00001.SUFFIX and so on
        format: str = "pcapng",  # "pcap" | "pcapng"
        snapshot_bytes: int = 0,
        application: str = "",
        interface: str = "",
        filter: str = "",  # told in the file
        rotate_bytes: int = 0,
        rotate_ns: int = 0,
        files: int = 0,
        frames: int = 0,
        overwrite: bool = False,
    ) -> None: ...
    def close(self) -> None:
        """Completes the last file. What the system refuses, now or before, stands in counts() as error_number."""

    def counts(self) -> dict[str, int]:
        """Keys of struct nb_pcap_writer_counts; always frames == written + failed + left_out."""

    def files(self) -> list[dict[str, int | str]]:
        """The newest files, oldest first: path, and the keys of struct nb_pcap_file."""

class CaptureReader:
    """A capture file (pcap, pcapng), fed in pieces of any size by whoever reads or decompresses it."""

    def __init__(
        self,
        *,
        listens: Sequence[tuple[str, str, int]] | None = None,  # as SocketCapture; "0.0.0.0": any address, 0: any port; None: all
        keep_bytes: int = 0,  # keep the payloads, up to so many bytes, for kept(); 0: none
    ) -> None: ...
    def feed(self, data: bytes, table: StreamTable) -> bool:
        """The next bytes; the GIL is dropped. False once the file is broken: the rest of it is ignored."""

    def finish(self) -> None:
        """The file is at its end; one that stops in the middle is broken."""

    def kept(self) -> dict[str, int | bytes]:
        """With keep_bytes, the UDP payloads: payloads (bytes), payload_ends (uint64), stamps_ns (int64), native byte order.

        And keys of struct nb_payload_counts: kept, cut, unstamped, too_long, beyond.
        """

    def counts(self) -> dict[str, int | bool | str]:
        """Keys of struct nb_pcap_reader_counts, and broken_what: what is wrong, in words, or ""."""

def timestamp_capabilities(interface: str) -> dict[str, int | bool]:
    """Keys of struct nb_timestamp_caps."""

def timestamp_setting(interface: str) -> dict[str, int]:
    """Keys of struct nb_timestamp_config: what it is set to."""

def set_timestamp_setting(interface: str, tx_type: int, rx_filter: int) -> dict[str, int]:
    """Sets it, for good; returns what the driver says that it does instead."""

def probe_encode(session: int, stream: int, sequence: int, scheduled_ns: int, sent_ns: int) -> bytes: ...
def probe_decode(payload: bytes) -> dict[str, int] | None:
    """session, stream, sequence, scheduled_ns, sent_ns; None when it is no valid probe."""

def clock_cost_ns(readings: int = 100_000) -> float: ...
def clock_step_ns(readings: int = 100_000) -> int: ...
def wakeup_latency(wakeups: int, interval_ns: int) -> HistogramData:
    """Lateness of absolute sleeps; blocks wakeups * interval_ns with the GIL dropped."""

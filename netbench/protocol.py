"""The words between the runner and an agent: jobs in, events out. Standard library only.

A job is one line of JSON on the agent's standard input. The agent answers in NDJSON on standard output, one event a line:

    {"event": "ready"}                              receivers: bound, joined, ring armed; senders: everything created
    {"event": "arriving"}                           receivers that await `start`: the first packet of what they listen to came
    {"event": "counting"}                           the same, after `start`: everything from now on counts
    {"event": "progress", "data": {...}}            about once a second while it works
    {"event": "packet_log", "data": {"entries": n, "zlib_base64": "..."}}   before the result, when a log was asked for
    {"event": "result", "data": {...}}              the last line of an agent that did its job
    {"event": "error", "data": {"kind": k, "message": m, "remedy": r, "errno": e}}   the last line of one that could not

After the job, the runner writes commands, a word a line: `start` (a sender begins, a receiver that awaits it counts), `stop` (a
receiver takes what is queued and reports; a sender ends early and reports). When standard input closes, an agent ends at once: a
dead runner leaves no orphans.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Backend = Literal["socket", "ring", "pcap"]
Method = Literal["socket", "frame"]
Decode = Literal["auto", "probe", "rtp", "mpegts", "iperf2", "raw"]
Envelope = Literal["raw", "mpegts", "rtp", "rtp-mpegts"]
ErrorKind = Literal["usage", "cannot_run", "failed"]


@dataclass(frozen=True)
class StreamSpec:
    """One stream, as both ends know it.

    Attributes:
        stream: the number that its probes carry.
        destination: IPv4 group or host that the sender sends to.
        port: UDP destination port.
        source: SSM source for the receiver, or None.
    """

    stream: int
    destination: str
    port: int
    source: str | None = None


@dataclass(frozen=True)
class Faults:
    """Exact faults that the sender makes on purpose (see c_ext/probe_source.h). 0 turns one off."""

    skip_every: int = 0
    repeat_every: int = 0
    swap_every: int = 0


@dataclass(frozen=True)
class Schedule:
    """A written schedule instead of a rate; netbench.traffic.schedule packs and unpacks it.

    Attributes:
        turns: how many packets it has, over all streams together.
        gaps: int64, little endian, by zlib and base64: time of each from the one before (the first: from the start), ns.
        streams: uint32, little endian, by zlib and base64: index of each one's stream; empty: streams take turns.
    """

    turns: int
    gaps: str
    streams: str = ""


@dataclass(frozen=True)
class Replay:
    """The UDP payloads of a capture file instead of probes, with the file's own timing.

    Attributes:
        path: absolute, where the sender runs.
        speed: 2.0 is twice as fast.
        only: datagrams to one of these; empty: the file holds but one destination.
        most_bits_per_second: more payload in any second is refused; 0: no limit.
    """

    path: str
    speed: float = 1.0
    only: tuple[StreamSpec, ...] = ()
    most_bits_per_second: float = 0.0


@dataclass(frozen=True)
class SendJob:
    """Send probes. Rate and packets count turns over all streams together.

    Attributes:
        packets: 0: endless, or the whole of a written schedule.
        payload_bytes: of the UDP payload with its envelope.
        envelope: what surrounds the probe: nothing, MPEG-TS, RTP, or MPEG-TS in RTP.
        rtp_first_sequence: of each stream; its SSRC is session xor stream.
        schedule: then rate_pps is 0 and burst is 1.
        replay: then too; of one stream, in a raw envelope, by the socket.
    """

    streams: tuple[StreamSpec, ...]
    rate_pps: float
    packets: int
    session: int
    payload_bytes: int = 1316
    burst: int = 1
    method: Method = "socket"
    interface: str | None = None
    source: str | None = None
    source_port: int = 0
    ttl: int = 1
    dscp: int = 0
    next_hop: str | None = None
    envelope: Envelope = "raw"
    rtp_first_sequence: int = 0
    schedule: Schedule | None = None
    replay: Replay | None = None
    faults: Faults = field(default_factory=Faults)
    read_counters: bool = True
    kind: Literal["send"] = "send"


@dataclass(frozen=True)
class ReceiveJob:
    """Receive at a site, or tap the wire side.

    Attributes:
        listens: what to join or bind: the stream's destination is a group, or a local address ("0.0.0.0": any).
        join: False for a tap, which only watches (ring or pcap).
        duration_ns: 0: until `stop`.
        quiet_ns: after `stop` it goes on until nothing has arrived for so long (at most ten times that): what is still queued on
            the way is not lost.
        decode: what to look for in a datagram; what is not of that kind is raw traffic.
        rtp_clock_hz: media clock of RTP's dynamic payload types, which do not say; 0: 90 kHz.
        loss_distance: a loss at most so many sequences behind the one before is noticeable (RFC 3357 section 6.1).
        stream_windows: the newest windows of each stream are told.
        log_capacity: packets in the packet log; 0: no log.
        content_seed: the packet log takes every packet, by its content, hashed with this seed; None: by sequences.
        await_start: what arrives before `start` is not counted; the answer to it is the event `counting`.
    """

    listens: tuple[StreamSpec, ...]
    backend: Backend = "socket"
    interface: str | None = None
    join: bool = True
    session: int = 0
    probes_only: bool = False
    decode: Decode = "auto"
    rtp_clock_hz: int = 0
    duration_ns: int = 0
    quiet_ns: int = 0
    receive_buffer_bytes: int = 0
    ring_blocks: int = 0
    max_streams: int = 4096
    media_rate_bps: float = 0.0
    error_iat_ns: int = 45_000_000
    window_ns: int = 1_000_000_000
    loss_distance: int = 99
    series_ns: int = 0
    log_capacity: int = 0
    content_seed: int | None = None
    await_start: bool = False
    stream_histograms: bool = False
    stream_windows: bool = False
    read_counters: bool = True
    kind: Literal["receive"] = "receive"

    @property
    def port_range(self) -> tuple[int, int]:
        """Lowest and highest UDP port that is listened on; (0, 0): all."""
        ports = [spec.port for spec in self.listens]
        return (min(ports), max(ports)) if ports else (0, 0)


@dataclass(frozen=True)
class AnalyzeJob:
    """Read capture files.

    Attributes:
        paths: files and directories; whatever they hold is read in order of the first stamp in it.
        listens: keep only datagrams to one of these ("0.0.0.0": any address, port 0: any port); empty: all.
        decode: as of ReceiveJob; so is rtp_clock_hz.
        loss_distance: as of ReceiveJob; so is stream_windows.
        packet_log: keep a packet log with room for all of them.
    """

    paths: tuple[str, ...]
    listens: tuple[StreamSpec, ...] = ()
    decode: Decode = "auto"
    rtp_clock_hz: int = 0
    session: int = 0
    max_streams: int = 4096
    media_rate_bps: float = 0.0
    error_iat_ns: int = 45_000_000
    window_ns: int = 1_000_000_000
    loss_distance: int = 99
    series_ns: int = 0
    packet_log: bool = False
    stream_histograms: bool = False
    stream_windows: bool = False
    kind: Literal["analyze"] = "analyze"


@dataclass(frozen=True)
class CaptureJob:
    """Write the frames of an interface to capture files.

    Attributes:
        path: absolute; with rotation its name gets a number.
        listens: only these groups or hosts (port 0: any port); groups are joined where `join` says so. Empty: whatever `port` and
            `expression` let through.
        port: only this UDP destination port, where `listens` names none; 0: any.
        expression: a BPF expression beside these.
        snapshot_bytes: kept of a frame; 0: all.
        rotate_bytes: size of a file; rotate_ns: time that its packets cover; 0: no limit. Needed for `files`.
        files: keep the newest so many; 0: all.
        packets: end after so many; 0: no limit.
        duration_ns: 0: until `stop`.
        ring_blocks: MiB between kernel and file; 0: 64.
    """

    interface: str
    path: str
    format: Literal["pcap", "pcapng"] = "pcapng"
    listens: tuple[StreamSpec, ...] = ()
    port: int = 0
    expression: str = ""
    join: bool = True
    snapshot_bytes: int = 0
    rotate_bytes: int = 0
    rotate_ns: int = 0
    files: int = 0
    packets: int = 0
    duration_ns: int = 0
    ring_blocks: int = 0
    incoming_only: bool = False
    overwrite: bool = False
    kind: Literal["capture"] = "capture"


@dataclass(frozen=True)
class MembershipJob:
    """Join each group and leave it again, one after the other, while its stream flows; stamps of what happened.

    Attributes:
        groups: whose stream flows already.
        observe_ns: how long the interface is watched before the join: does the group get there unasked?
        hold_ns: how long a group is kept once its first packet came.
        join_timeout_ns: how long that packet is waited for.
        quiet_ns: a group has ended when nothing of it came for so long (or for some of its packet intervals, if these are longer).
        leave_timeout_ns: how long its end is waited for.
    """

    groups: tuple[StreamSpec, ...]
    interface: str
    observe_ns: int = 200_000_000
    hold_ns: int = 200_000_000
    join_timeout_ns: int = 3_000_000_000
    quiet_ns: int = 300_000_000
    leave_timeout_ns: int = 3_000_000_000
    kind: Literal["membership"] = "membership"


@dataclass(frozen=True)
class GroupCapacityJob:
    """Find the most groups that are all delivered at once, by doubling, then bisecting.

    Attributes:
        groups: as many as the limit; the first n of them are joined in an attempt.
        wait_ns: how long an attempt waits for the last group to deliver.
    """

    groups: tuple[StreamSpec, ...]
    interface: str
    wait_ns: int = 2_000_000_000
    receive_buffer_bytes: int = 16 << 20
    kind: Literal["group_capacity"] = "group_capacity"


@dataclass(frozen=True)
class FloorJob:
    """Measure what this place costs before any packet moves, then what a paced stream over loopback looks like."""

    wakeups: int = 500
    interval_ns: int = 1_000_000
    packets: int = 1000
    rate_pps: float = 1000.0
    kind: Literal["floor"] = "floor"


@dataclass(frozen=True)
class FactsJob:
    """Read the facts of a place; changes nothing.

    Attributes:
        interface: that the probe would use; None: the facts of none.
        streams: what it would receive: what the firewall and the routes there do to it is told; empty: any group.
    """

    interface: str | None = None
    streams: tuple[StreamSpec, ...] = ()
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class TimestampsJob:
    """Climb the ladder of hardware timestamps at an interface, as far as the packets that arrive show it.

    Attributes:
        configure: have the driver stamp meanwhile; its old setting is put back, whatever ends the job.
        listens: groups to join or ports to bind, each with counts of its own.
        frames: count everything that arrives, by a packet socket; where it is refused, only `listens` count.
        duration_ns: 0: until `stop`.
        quiet_ns: as of ReceiveJob.
    """

    interface: str
    configure: bool = False
    listens: tuple[StreamSpec, ...] = ()
    frames: bool = True
    duration_ns: int = 0
    quiet_ns: int = 0
    receive_buffer_bytes: int = 16 << 20
    kind: Literal["timestamps"] = "timestamps"


@dataclass(frozen=True)
class StampTrafficJob:
    """Send what a ladder counts, one after the other: UDP slowly, UDP fast, PTP over Ethernet, PTP over UDP.

    Attributes:
        slow: stream of the slow packets; None: leave them out. So is `fast`.
        ptp_packets: of each of the two kinds; 0: none.
        ttl: of the UDP packets; PTP has 1.
    """

    interface: str
    source: str
    session: int
    slow: StreamSpec | None = None
    fast: StreamSpec | None = None
    slow_packets: int = 200
    slow_pps: float = 500.0
    fast_packets: int = 1000
    fast_pps: float = 1000.0
    ptp_packets: int = 100
    ptp_pps: float = 500.0
    payload_bytes: int = 1316
    ttl: int = 1
    kind: Literal["stamp_traffic"] = "stamp_traffic"


Job = (
    SendJob
    | ReceiveJob
    | AnalyzeJob
    | CaptureJob
    | MembershipJob
    | GroupCapacityJob
    | FloorJob
    | FactsJob
    | TimestampsJob
    | StampTrafficJob
)


def encode_job(job: Job) -> str:
    """One line of JSON, without the line's end."""
    return json.dumps(asdict(job), separators=(",", ":"))


def decode_job(line: str) -> Job:
    """The job of one line.

    Raises:
        ValueError: the line is no job that this version knows.
    """
    raw: dict[str, Any] = json.loads(line)
    kind = raw.get("kind")
    try:
        if kind == "send":
            raw["streams"] = tuple(StreamSpec(**item) for item in raw["streams"])
            raw["faults"] = Faults(**raw["faults"])
            if raw.get("schedule") is not None:
                raw["schedule"] = Schedule(**raw["schedule"])
            if raw.get("replay") is not None:
                only = tuple(StreamSpec(**item) for item in raw["replay"].pop("only"))
                raw["replay"] = Replay(**raw["replay"], only=only)
            return SendJob(**raw)
        if kind == "receive":
            raw["listens"] = tuple(StreamSpec(**item) for item in raw["listens"])
            return ReceiveJob(**raw)
        if kind == "analyze":
            raw["paths"] = tuple(raw["paths"])
            raw["listens"] = tuple(StreamSpec(**item) for item in raw["listens"])
            return AnalyzeJob(**raw)
        if kind == "capture":
            raw["listens"] = tuple(StreamSpec(**item) for item in raw["listens"])
            return CaptureJob(**raw)
        if kind in ("membership", "group_capacity"):
            raw["groups"] = tuple(StreamSpec(**item) for item in raw["groups"])
            return MembershipJob(**raw) if kind == "membership" else GroupCapacityJob(**raw)
        if kind == "timestamps":
            raw["listens"] = tuple(StreamSpec(**item) for item in raw["listens"])
            return TimestampsJob(**raw)
        if kind == "stamp_traffic":
            for role in ("slow", "fast"):
                raw[role] = None if raw[role] is None else StreamSpec(**raw[role])
            return StampTrafficJob(**raw)
        if kind == "floor":
            return FloorJob(**raw)
        if kind == "facts":
            raw["streams"] = tuple(StreamSpec(**item) for item in raw.get("streams", ()))
            return FactsJob(**raw)
    except (KeyError, TypeError) as error:
        raise ValueError(f"malformed job of kind {kind!r}: {error}") from error
    raise ValueError(f"unknown kind of job: {kind!r}")

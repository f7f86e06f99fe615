"""The process at a site that does one job: send, receive, analyze, floor, facts. Read netbench.protocol first.

Starts in a guest, in a bare image, over ssh: standard library and C core only (libpcap where that backend is asked for).
"""

from __future__ import annotations

import base64
import errno
import gc
import json
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netbench.protocol import (
    AnalyzeJob,
    CaptureJob,
    FactsJob,
    FloorJob,
    GroupCapacityJob,
    Job,
    MembershipJob,
    ReceiveJob,
    SendJob,
    decode_job,
)

if TYPE_CHECKING:
    from netbench.capture.backend import CaptureBackend
    from netbench.core import StreamTable

PROGRESS_INTERVAL_S = 1.0
_LOG_CHUNK_ENTRIES = 200_000
_LOG_ENTRY_BYTES = 16
_MOST_QUIET_PERIODS = 10
_QUIET_POLL_S = 0.02

_EXIT_STATUS_DONE = 0
_EXIT_STATUS_FAILED = 1
_EXIT_STATUS_ORPHANED = 3


class Commands:
    """The words that follow the job on standard input, and its end."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self._stopped = False
        self._on_stop: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def listen(self) -> None:
        """Read commands in a thread. When standard input closes, the process ends at once, whatever it is doing."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop` when told to stop; at once when that was said already."""
        with self._lock:
            self._on_stop = stop
            if self._stopped:
                stop()

    @property
    def stopped(self) -> bool:
        """`stop` was said."""
        return self._stopped

    def _read(self) -> None:
        for line in sys.stdin:
            word = line.strip()
            if word == "start":
                self.started.set()
            elif word == "stop":
                with self._lock:
                    self._stopped = True
                    if self._on_stop is not None:
                        self._on_stop()
                self.started.set()
        os._exit(_EXIT_STATUS_ORPHANED)


def emit(event: str, data: dict[str, Any] | None = None) -> None:
    """One event on standard output."""
    line = {"event": event} if data is None else {"event": event, "data": data}
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Do the job of the first line of standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle; it says `stop`, or closes our input
    line = sys.stdin.readline()
    if not line:
        return _EXIT_STATUS_ORPHANED
    try:
        job = decode_job(line)
    except ValueError as error:
        emit("error", {"kind": "usage", "message": str(error), "remedy": None, "errno": None})
        return _EXIT_STATUS_FAILED
    commands = Commands()
    commands.listen()
    gc.disable()  # a collection in the middle of a measurement is a delay of our own making
    try:
        _do(job, commands)
    except OSError as error:
        emit("error", _refusal(job, error))
        return _EXIT_STATUS_FAILED
    except ValueError as error:
        emit("error", {"kind": "usage", "message": str(error), "remedy": None, "errno": None})
        return _EXIT_STATUS_FAILED
    return _EXIT_STATUS_DONE


def _do(job: Job, commands: Commands) -> None:
    if isinstance(job, SendJob):
        _send(job, commands)
    elif isinstance(job, ReceiveJob):
        _receive(job, commands)
    elif isinstance(job, AnalyzeJob):
        _analyze(job, commands)
    elif isinstance(job, CaptureJob):
        _capture(job, commands)
    elif isinstance(job, MembershipJob | GroupCapacityJob):
        _multicast(job, commands)
    elif isinstance(job, FloorJob):
        _floor(job)
    elif isinstance(job, FactsJob):
        _facts(job)


def _send(job: SendJob, commands: Commands) -> None:
    from netbench.traffic.send import create_sender

    replayed, notes = None, []
    if job.replay is not None:
        from netbench.capture.payloads import read_payloads

        payloads = read_payloads(job.replay)
        replayed, notes = (payloads.offsets_ns, payloads.payloads, payloads.ends), list(payloads.notes)
    sender = create_sender(job, replayed)
    counters = _Counters(job.read_counters)
    commands.on_stop(sender.stop)
    emit("ready")
    commands.started.wait()
    if not commands.stopped:
        _work(sender.run, lambda: {"counts": sender.counts(), "lateness": _summary(sender.lateness())})
    emit(
        "result",
        {
            "counts": sender.counts(),
            "streams": sender.streams(),
            "lateness": sender.lateness(),
            "replay_notes": notes,
            "counters": counters.read_again(),
        },
    )


def _receive(job: ReceiveJob, commands: Commands) -> None:
    from netbench.capture.backend import open_backend
    from netbench.core import StreamTable

    table = StreamTable(
        max_streams=job.max_streams,
        session=job.session,
        probes_only=job.probes_only,
        decode=job.decode,
        rtp_clock_hz=job.rtp_clock_hz,
        media_rate_bps=job.media_rate_bps,
        error_iat_ns=job.error_iat_ns,
        window_ns=job.window_ns,
        loss_distance=job.loss_distance,
        series_ns=job.series_ns,
        log_capacity=job.log_capacity,
    )
    counters = _Counters(job.read_counters)
    backend = open_backend(job)
    commands.on_stop(lambda: _stop_when_quiet(backend, table, job.quiet_ns / 1e9))
    emit("ready")
    _work(lambda: backend.run(table, job.duration_ns), lambda: {"totals": table.totals(), "streams": table.streams()})
    table.finish()
    _emit_log(table.log())
    emit(
        "result",
        {
            "backend": job.backend,
            "stamp_class": "kernel",
            "resolution_ns": backend.resolution_ns,
            **_measured(table, job),
            "capture": backend.counts(),
            "counters": counters.read_again(),
        },
    )
    backend.close()


def _measured(table: StreamTable, job: ReceiveJob | AnalyzeJob) -> dict[str, Any]:
    """What a table knows, once it is finished."""
    from netbench.core import DISTRIBUTIONS

    return {
        "totals": table.totals(),
        "streams": table.streams(histograms=job.stream_histograms, windows=job.stream_windows),
        "iat": table.histogram("iat"),
        "pdv": table.histogram("pdv"),
        "transit": table.histogram("transit"),
        "delivery": table.histogram("delivery"),
        "distributions": {name: table.histogram(name) for name in DISTRIBUTIONS},
        "loss_distance": job.loss_distance,
        "series": table.series(),
    }


def _analyze(job: AnalyzeJob, commands: Commands) -> None:
    from netbench.capture.files import CaptureFiles, table_of

    files = CaptureFiles(job.paths, job.listens)
    commands.on_stop(files.stop)
    emit("ready")
    table = table_of(job, files.log_capacity() if job.packet_log else 0)
    _work(lambda: files.run(table), lambda: {"totals": table.totals(), "streams": table.streams()})
    table.finish()
    _emit_log(table.log())
    emit(
        "result",
        {
            "backend": "file",
            "stamp_class": "kernel",  # what the capturing program took; a file does not say of which class they were
            "resolution_ns": files.resolution_ns,
            **_measured(table, job),
            "capture": files.counts(),
            "files": files.books(),
        },
    )


def _stop_when_quiet(backend: CaptureBackend, table: StreamTable, quiet_s: float) -> None:
    """End the capture when nothing has arrived for a while; a thread does the waiting, so that commands are still heard."""

    def wait() -> None:
        deadline = time.monotonic() + _MOST_QUIET_PERIODS * quiet_s
        seen, since = -1, time.monotonic()
        while time.monotonic() < min(deadline, since + quiet_s):
            packets = table.totals()["packets"]
            if packets != seen:
                seen, since = packets, time.monotonic()
            time.sleep(_QUIET_POLL_S)
        backend.stop()

    if quiet_s:
        threading.Thread(target=wait, name="quiet", daemon=True).start()
    else:
        backend.stop()


def _capture(job: CaptureJob, commands: Commands) -> None:
    from netbench.capture.recording import Recording

    recording = Recording(job)
    commands.on_stop(recording.stop)
    emit("ready")
    _work(lambda: recording.run(job.duration_ns), recording.books)
    emit("result", recording.result())


def _multicast(job: MembershipJob | GroupCapacityJob, commands: Commands) -> None:
    from netbench.capture.group_capacity import GroupCapacity
    from netbench.capture.membership_times import MembershipTimes

    measurement = MembershipTimes(job) if isinstance(job, MembershipJob) else GroupCapacity(job)
    commands.on_stop(measurement.stop)
    emit("ready")
    _work(measurement.run, measurement.progress)
    emit("result", measurement.result())
    measurement.close()


def _floor(job: FloorJob) -> None:
    from netbench import core
    from netbench.capture.socket import SocketBackend
    from netbench.protocol import StreamSpec
    from netbench.traffic.send import create_sender

    emit("ready")
    result: dict[str, Any] = {
        "clock_cost_ns": core.clock_cost_ns(),
        "clock_step_ns": core.clock_step_ns(),
        "wakeup": core.wakeup_latency(job.wakeups, job.interval_ns),
    }
    port = 5000
    backend = SocketBackend(ReceiveJob(listens=(StreamSpec(1, "127.0.0.1", port),), interface="lo"))
    table = core.StreamTable(session=1, log_capacity=job.packets)
    sender = create_sender(
        SendJob(streams=(StreamSpec(1, "127.0.0.1", port),), rate_pps=job.rate_pps, packets=job.packets, session=1, interface="lo")
    )
    receiving = threading.Thread(target=backend.run, args=(table, 0))
    receiving.start()
    sender.run()
    time.sleep(0.05)
    backend.stop()
    receiving.join()
    table.finish()
    errors = core.Histogram()
    interval_ns = round(1e9 / job.rate_pps)
    previous_ns: int | None = None
    for received_ns, _, _ in _log_entries(table.log()):
        if previous_ns is not None:
            errors.record(abs(received_ns - previous_ns - interval_ns))
        previous_ns = received_ns
    result["sender_lateness"] = sender.lateness()
    result["idle_iat_error"] = errors.data()
    emit("result", result)


def _facts(job: FactsJob) -> None:
    from netbench.facts.place import read

    emit("ready")
    emit("result", read(job.interface))


class _Counters:
    """Every counter of this place, before and after."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._before = self._read()

    def read_again(self) -> dict[str, Any]:
        after = self._read()
        absent = {**self._before.get("absent", {}), **after.get("absent", {})}
        return {"before": self._before.get("values", {}), "after": after.get("values", {}), "absent": absent}

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._wanted:
            return {}
        from netbench.facts import counters

        reading = counters.read()
        return {"values": reading.values, "absent": reading.absent}


def _work(run: Callable[[], None], progress: Callable[[], dict[str, Any]]) -> None:
    """Run in a thread, tell the progress from this one; errors of the thread are raised here."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=guarded, name="work", daemon=True)
    worker.start()
    while True:
        worker.join(PROGRESS_INTERVAL_S)
        if not worker.is_alive():
            break
        emit("progress", progress())
    if failures:
        raise failures[0]


def _emit_log(log: bytes) -> None:
    step = _LOG_CHUNK_ENTRIES * _LOG_ENTRY_BYTES
    for start in range(0, len(log), step):
        chunk = log[start : start + step]
        packed = base64.b64encode(zlib.compress(chunk, 1)).decode("ascii")
        emit("packet_log", {"entries": len(chunk) // _LOG_ENTRY_BYTES, "zlib_base64": packed})


def _log_entries(log: bytes) -> Any:
    import struct

    return struct.iter_unpack("=qII", log)


def _summary(histogram: Any) -> dict[str, Any]:
    return {key: value for key, value in histogram.items() if key != "buckets"}


def _refusal(job: Job, error: OSError) -> dict[str, Any]:
    """An OSError in words: what failed, why here, what to type next."""
    number = error.errno or 0
    what = str(error.strerror or error)
    reason = os.strerror(number) if number else ""
    message = what if reason and what.endswith(reason) else f"{what}: {reason}" if reason else what
    remedies, usage = _REMEDIES, _USAGE_ERRNOS
    if isinstance(job, CaptureJob):
        remedies, usage = _REMEDIES | _FILE_REMEDIES, _USAGE_ERRNOS | _FILE_USAGE_ERRNOS
    remedy = remedies.get(number)
    kind = "usage" if number in usage else "cannot_run"
    return {"kind": kind, "message": f"cannot {message}", "remedy": remedy, "errno": number or None}


_USAGE_ERRNOS = {errno.ENODEV, errno.ENAMETOOLONG, errno.EADDRNOTAVAIL, errno.EMSGSIZE}
_REMEDIES = {
    errno.EPERM: "run as root, or give the program the capability: sudo setcap cap_net_raw,cap_net_admin+ep PROGRAM "
    "(in a container: --cap-add NET_RAW); or take the backend that needs none: -B socket",
    errno.EACCES: "run as root, or take a port above 1023",
    errno.ENODEV: "list the interfaces here: ip -brief link",
    errno.ENAMETOOLONG: "list the interfaces here: ip -brief link",
    errno.EADDRINUSE: "find who holds it: ss -ulnp; or take another port: -p PORT",
    errno.EADDRNOTAVAIL: "list the addresses here: ip -brief address",
    errno.ENOBUFS: "raise the limit: sysctl -w net.ipv4.igmp_max_memberships=1000",
    errno.ENETUNREACH: "name the interface: -i NAME; or add a route: ip route add 224.0.0.0/4 dev NAME",
    errno.ENOPKG: "pip install zstandard; or decompress it first: zstd -d FILE",
    errno.ENOMEM: "ask for a smaller ring, or raise the memory limit of this place",
}
_FILE_USAGE_ERRNOS = {errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_FILE_REMEDIES = {
    errno.EPERM: "run as root, or give the program the capability: sudo setcap cap_net_raw,cap_net_admin+ep PROGRAM "
    "(in a container: --cap-add NET_RAW)",
    errno.EEXIST: "write to another file (-w), or replace it: --force",
    errno.ENOENT: "make its folder first: mkdir -p FOLDER; or write elsewhere: -w FILE",
    errno.ENOTDIR: "write elsewhere: -w FILE",
    errno.EISDIR: "name a file in it: -w FOLDER/capture.pcapng",
    errno.EACCES: "write to a folder of your own: -w FILE",
    errno.ENOSPC: "free some space, or write elsewhere: -w FILE",
    errno.EROFS: "write elsewhere: -w FILE",
    errno.ENOPKG: "pip install pcapy-ng; or capture without a filter",
}


if __name__ == "__main__":
    sys.exit(main())

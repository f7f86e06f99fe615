"""Each job that an agent can do: prepare, say `ready`, work, tell the result. Imports what a job needs, when it is done."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from netbench.agent_session import Commands, Counters, emit, emit_log, stop_when_quiet, work
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
    StampTrafficJob,
    TimestampsJob,
)

if TYPE_CHECKING:
    from netbench.core import StreamTable

_ARRIVAL_POLL_S = 0.05


def do(job: Job, commands: Commands) -> None:
    """Do a job, to its result.

    Raises:
        OSError: the system refused, with what failed.
        ValueError: the job asks for what cannot be.
    """
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
    elif isinstance(job, TimestampsJob):
        from netbench.agent_timestamps import climb

        climb(job, commands)
    elif isinstance(job, StampTrafficJob):
        _stamp_traffic(job, commands)
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
    counters = Counters(job.read_counters)
    commands.on_stop(sender.stop)
    emit("ready")
    commands.started.wait()
    if not commands.stopped:
        work(sender.run, lambda: {"counts": sender.counts(), "lateness": _summary(sender.lateness())})
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
        log_content=job.content_seed is not None,
        content_seed=job.content_seed or 0,
    )
    counters = Counters(job.read_counters)
    backend = open_backend(job)
    commands.on_stop(lambda: stop_when_quiet(lambda: table.totals()["packets"], backend.stop, job.quiet_ns / 1e9))

    def count_from_now() -> None:
        nonlocal counters
        _await_start(job, table, commands)
        counters = Counters(job.read_counters)
        table.restart()
        emit("counting")

    emit("ready")
    work(
        lambda: backend.run(table, job.duration_ns),
        lambda: {"totals": table.totals(), "streams": table.streams()},
        first=count_from_now if job.await_start else None,
    )
    table.finish()
    emit_log(table.log())
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


def _await_start(job: ReceiveJob, table: StreamTable, commands: Commands) -> None:
    """Until `start`; meanwhile, tell when the first packet of what is listened to has come."""
    wanted = {(spec.destination, spec.port) for spec in job.listens}
    while not commands.started.wait(_ARRIVAL_POLL_S):
        if wanted and any((stream["destination"], stream["destination_port"]) in wanted for stream in table.streams()):
            emit("arriving")
            wanted = set()


def _analyze(job: AnalyzeJob, commands: Commands) -> None:
    from netbench.capture.files import CaptureFiles, table_of

    files = CaptureFiles(job.paths, job.listens)
    commands.on_stop(files.stop)
    emit("ready")
    table = table_of(job, files.log_capacity() if job.packet_log else 0)
    work(lambda: files.run(table), lambda: {"totals": table.totals(), "streams": table.streams()})
    table.finish()
    emit_log(table.log())
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


def _capture(job: CaptureJob, commands: Commands) -> None:
    from netbench.capture.recording import Recording

    recording = Recording(job)
    commands.on_stop(recording.stop)
    emit("ready")
    work(lambda: recording.run(job.duration_ns), recording.books)
    emit("result", recording.result())


def _multicast(job: MembershipJob | GroupCapacityJob, commands: Commands) -> None:
    from netbench.capture.group_capacity import GroupCapacity
    from netbench.capture.membership_times import MembershipTimes

    measurement = MembershipTimes(job) if isinstance(job, MembershipJob) else GroupCapacity(job)
    commands.on_stop(measurement.stop)
    emit("ready")
    work(measurement.run, measurement.progress)
    emit("result", measurement.result())
    measurement.close()


def _stamp_traffic(job: StampTrafficJob, commands: Commands) -> None:
    from netbench.traffic.stamp_traffic import StampTraffic

    traffic = StampTraffic(job)
    commands.on_stop(traffic.stop)
    emit("ready")
    commands.started.wait()
    if not commands.stopped:
        work(traffic.run, traffic.sent)
    emit("result", traffic.sent())


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
    emit("result", read(job.interface, job.streams))


def _log_entries(log: bytes) -> Iterator[tuple[int, int, int]]:
    return struct.iter_unpack("=qII", log)


def _summary(histogram: Any) -> dict[str, Any]:
    return {key: value for key, value in histogram.items() if key != "buckets"}

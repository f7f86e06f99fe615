"""`netbench send`: the sending end by hand."""

from __future__ import annotations

import json as json_text
import secrets
from pathlib import Path
from typing import Annotated

import typer

from netbench.errors import ExitCode, UsageError

_ENVELOPES = ("raw", "mpegts", "rtp", "rtp-mpegts")


def send(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[G[:port] | HOST[:port]]…", help="Groups or hosts to send to.", show_default=False),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("-g", "--group", metavar="G[:port]", help="A group to send to; repeatable.")
    ] = None,
    interface: Annotated[str | None, typer.Option("-i", "--interface", metavar="IF", help="Where it goes out.")] = None,
    port: Annotated[int, typer.Option("-p", "--port", metavar="PORT", help="UDP port.", min=1, max=65535)] = 5004,
    streams: Annotated[
        int, typer.Option("--streams", metavar="N", help="N groups (or ports) counted up from the one named.", min=1)
    ] = 1,
    bitrate: Annotated[
        str | None, typer.Option("-b", "--bitrate", metavar="RATE", help="Of the payload, of each stream: 10M (default).")
    ] = None,
    pps: Annotated[
        float | None, typer.Option("--pps", metavar="N", help="Packets per second of each stream, instead of -b.", min=0.001)
    ] = None,
    length: Annotated[
        int | None,
        typer.Option("-l", "--length", metavar="BYTES", help="UDP payload: 1316 (default), 1328 with RTP.", min=48, max=65507),
    ] = None,
    envelope: Annotated[
        str,
        typer.Option("--envelope", metavar="KIND", help="Around the probe: raw, mpegts, rtp or rtp-mpegts."),
    ] = "raw",
    rtp_sequence: Annotated[
        int | None,
        typer.Option("--rtp-sequence", metavar="N", help="First RTP sequence; random by default.", min=0, max=65535),
    ] = None,
    schedule: Annotated[
        Path | None,
        typer.Option("--schedule", metavar="FILE", help="When each packet goes out, CSV or .npy, instead of a rate and -t."),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="The UDP payloads of a capture file, with its timing, instead of probes."),
    ] = None,
    speed: Annotated[float, typer.Option("--speed", metavar="X", help="Replay X times as fast.")] = 1.0,
    replay_only: Annotated[
        str | None, typer.Option("--replay-only", metavar="G:port", help="Replay the datagrams to this group or host.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option("-t", "--duration", metavar="TIME", help="10 (default), 30s, 1m30s; 0: until Ctrl-C.")
    ] = None,
    packets: Annotated[int, typer.Option("-n", "--packets", metavar="N", help="So many in all, instead of -t.", min=0)] = 0,
    burst: Annotated[
        int, typer.Option("--burst", metavar="N", help="N packets at a time, the mean rate unchanged.", min=1, max=64)
    ] = 1,
    ttl: Annotated[int, typer.Option("-T", "--ttl", metavar="N", help="Time to live.", min=0, max=255)] = 1,
    dscp: Annotated[int, typer.Option("--dscp", metavar="N", help="Differentiated services code point.", min=0, max=63)] = 0,
    method: Annotated[
        str, typer.Option("--method", metavar="socket|frame", help="frame: whole frames, for the highest rates.")
    ] = "socket",
    source: Annotated[str | None, typer.Option("--source", metavar="ADDR", help="Source address.")] = None,
    next_hop: Annotated[str | None, typer.Option("--next-hop", metavar="MAC", help="For --method frame to a host.")] = None,
    skip_every: Annotated[
        int, typer.Option("--skip-every", metavar="N", help="Leave out every Nth sequence, to prove a receiver.", min=0)
    ] = 0,
    repeat_every: Annotated[int, typer.Option("--repeat-every", metavar="N", help="Send every Nth sequence twice.", min=0)] = 0,
    swap_every: Annotated[
        int, typer.Option("--swap-every", metavar="N", help="Exchange every Nth sequence with its successor.", min=0)
    ] = 0,
    uncapped: Annotated[bool, typer.Option("--uncapped", help="Allow more than 100 Mb/s in all.")] = False,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print a trial's records instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No live table; only the result.")] = False,
) -> int:
    """Send probes at a rate or by a written schedule, or replay a capture. TTL 1 and at most 100 Mb/s unless told otherwise."""
    from netbench.by_hand import run_by_hand
    from netbench.cli.options import stream_specs
    from netbench.cli.send_timing import at_a_rate, by_a_replay, by_a_schedule, refuse_beside
    from netbench.metrics.sending import measure_sent
    from netbench.protocol import Faults, SendJob
    from netbench.report.live import SendDisplay

    named = [*(targets or []), *(group or [])]
    if not named:
        raise UsageError("nobody to send to is named", "netbench send 239.1.1.1:5004; or netbench send 10.0.0.9:5004")
    if method not in ("socket", "frame"):
        raise UsageError(f"--method {method}: there is no such method", "take socket or frame")
    if method == "frame" and (interface is None or source is None):
        raise UsageError("--method frame needs the interface and the source address", "add -i NAME --source ADDRESS")
    payload_bytes = _payload_bytes(envelope, length)
    specs = stream_specs(named, port, streams)
    rate_given = {"-b": bitrate is not None, "--pps": pps is not None, "-t": duration is not None, "--burst": burst != 1}
    if schedule is not None:
        refuse_beside("--schedule", {"--replay": replay is not None, **rate_given})
        timing = by_a_schedule(schedule, packets, streams=len(specs), payload_bytes=payload_bytes, uncapped=uncapped)
    elif replay is not None:
        probe_given = {"--envelope": envelope != "raw", "-l": length is not None, "--method frame": method == "frame"}
        refuse_beside("--replay", {**rate_given, **probe_given})
        timing = by_a_replay(replay, speed, replay_only, packets, streams=specs, uncapped=uncapped)
    else:
        timing = at_a_rate(bitrate, pps, duration, packets, streams=len(specs), payload_bytes=payload_bytes, uncapped=uncapped)
    job = SendJob(
        streams=specs,
        rate_pps=timing.rate_pps,
        packets=timing.packets,
        session=secrets.randbelow(2**32 - 1) + 1,
        payload_bytes=payload_bytes,
        burst=burst,
        method=method,  # type: ignore[arg-type]  # checked above
        interface=interface,
        source=source,
        ttl=ttl,
        dscp=dscp,
        next_hop=next_hop,
        envelope=envelope,  # type: ignore[arg-type]  # checked above
        rtp_first_sequence=secrets.randbelow(2**16) if rtp_sequence is None else rtp_sequence,
        schedule=timing.schedule,
        replay=timing.replay,
        faults=Faults(skip_every, repeat_every, swap_every),
    )
    with SendDisplay(quiet=quiet) as display:
        raw, interrupted = run_by_hand("the sender", job, display.ready, display.progress)
    sent = measure_sent(raw)
    if json:
        record = {"sent": sent.model_dump(mode="json"), "streams": raw["streams"]}
        if replay is not None:
            record["replay_notes"] = raw["replay_notes"]
        typer.echo(json_text.dumps(record, indent=1))
    else:
        display.print_result(sent)
        for note in raw["replay_notes"]:
            typer.echo(f"Note: {note}")
    return ExitCode.INTERRUPTED if interrupted and not timing.endless else ExitCode.PASS


def _payload_bytes(envelope: str, length: int | None) -> int:
    """UDP payload in an envelope: as given, or the usual one.

    Raises:
        UsageError: there is no such envelope, or the payload does not fit it.
    """
    from netbench.result.plan import default_payload_bytes, payload_mistake

    if envelope not in _ENVELOPES:
        raise UsageError(f"--envelope {envelope}: there is no such envelope", f"take one of {', '.join(_ENVELOPES)}")
    payload_bytes = default_payload_bytes(envelope) if length is None else length  # type: ignore[arg-type]  # checked above
    mistake = payload_mistake(envelope, payload_bytes)  # type: ignore[arg-type]  # checked above
    if mistake is not None:
        raise UsageError(mistake, "give another length with -l, or none")
    return payload_bytes

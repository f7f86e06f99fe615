"""What is to be measured: environments x profiles x samples, and the thresholds that decide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from netbench.result.base import Record

OptionValue = bool | int | float | str
Envelope = Literal["raw", "mpegts", "rtp", "rtp-mpegts"]

RTP_BYTES = 12
TS_BYTES = 188
_TS_LEAST = 4  # probe, clock and two tables


def default_payload_bytes(envelope: Envelope) -> int:
    """UDP payload that is usual in an envelope: seven TS packets' worth, and RTP's header."""
    return 7 * TS_BYTES + (RTP_BYTES if envelope.startswith("rtp") else 0)


def payload_mistake(envelope: Envelope, payload_bytes: int) -> str | None:
    """Why a UDP payload of this length does not fit the envelope, and which would; None when it does."""
    rtp = RTP_BYTES if envelope.startswith("rtp") else 0
    usual = default_payload_bytes(envelope)
    if envelope.endswith("mpegts"):
        packets, rest = divmod(payload_bytes - rtp, TS_BYTES)
        if rest or packets < _TS_LEAST:
            parts = f"{rtp} bytes of RTP and {TS_BYTES}" if rtp else str(TS_BYTES)
            return f"a payload of {payload_bytes} bytes does not fit {envelope}: it takes {parts} for each of {_TS_LEAST} or \
more TS packets, such as {usual}"
    elif payload_bytes < rtp + 48:
        return f"a payload of {payload_bytes} bytes does not fit {envelope}: it takes {rtp + 48} or more, such as {usual}"
    return None


class EnvironmentPlan(Record):
    """One environment of a plan. The label names it in every table; it is the name with its options."""

    name: str
    options: dict[str, OptionValue] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """`macvlan` or `macvlan:receivers=3,bcqueuelen=100000`."""
        if not self.options:
            return self.name
        return self.name + ":" + ",".join(f"{key}={value}" for key, value in self.options.items())


class Profile(Record):
    """A traffic shape. `bits_per_second` is of the UDP payload, of one stream."""

    name: str
    description: str = ""
    delivery: Literal["multicast", "unicast"] = "multicast"
    streams: Annotated[int, Field(ge=1, le=10_000)] = 1
    bits_per_second: Annotated[float, Field(gt=0)] = 10_000_000.0
    payload_bytes: Annotated[int, Field(ge=48, le=65_507)] = 1316
    envelope: Envelope = Field("raw", description="what surrounds the probe; its bytes are part of payload_bytes")
    burst_packets: Annotated[int, Field(ge=1, le=64)] = 1
    first_group: str = "239.255.77.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 5004

    @model_validator(mode="before")
    @classmethod
    def _usual_payload(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "payload_bytes" not in raw and raw.get("envelope") in ("rtp", "rtp-mpegts"):
            return {**raw, "payload_bytes": default_payload_bytes(raw["envelope"])}
        return raw

    @model_validator(mode="after")
    def _payload_fits(self) -> Profile:
        mistake = payload_mistake(self.envelope, self.payload_bytes)
        if mistake is not None:
            raise ValueError(mistake)
        return self

    @property
    def stream_packets_per_second(self) -> float:
        """Rate of one stream."""
        return self.bits_per_second / (8 * self.payload_bytes)

    @property
    def packets_per_second(self) -> float:
        """Rate of all streams together."""
        return self.streams * self.stream_packets_per_second


_FEED = re.compile(r"(?:(?:udp|rtp)://)?(?:(?P<source>[^@,/:]*)[@,])?(?P<group>[^@,/:]+):(?P<port>\d{1,5})/?")


class LiveFeed(Record):
    """A live feed: a multicast group that is there already, of all sources or of one (SSM)."""

    group: str
    port: Annotated[int, Field(ge=1, le=65_535)]
    source: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_typed(cls, raw: Any) -> Any:
        """Also `udp://[S@]G:port`, `rtp://[S@]G:port` or `[S@]G:port`, as people and players write it."""
        if not isinstance(raw, str):
            return raw
        match = _FEED.fullmatch(raw.strip())
        if match is None:
            raise ValueError(
                f"{raw!r} is no feed; type 239.1.1.1:5000, udp://239.1.1.1:5000 or, of one source, 10.0.0.1@232.1.1.1:5000"
            )
        return {"group": match["group"], "port": int(match["port"]), "source": match["source"] or None}

    @model_validator(mode="after")
    def _addresses(self) -> LiveFeed:
        for role, text in (("group", self.group), ("source", self.source)):
            if text is None:
                continue
            try:
                address = IPv4Address(text)
            except AddressValueError:
                raise ValueError(f"{text!r} is no IPv4 address") from None
            if address.is_multicast != (role == "group"):
                raise ValueError(f"{text} is {'no' if role == 'group' else 'a'} multicast group, so it is no {role} of a feed")
        return self

    @property
    def label(self) -> str:
        """`239.1.1.1:5000` or `10.0.0.1@232.1.1.1:5000`."""
        return (f"{self.source}@" if self.source else "") + f"{self.group}:{self.port}"

    def carries(self, source: str, destination: str, port: int) -> bool:
        """Whether a packet of this flow is of this feed."""
        return (destination, port) == (self.group, self.port) and self.source in (None, source)


LIVE = "live"
"""What stands in a trial in the place of a profile's name where live feeds were measured."""


@dataclass(frozen=True)
class LiveTraffic:
    """What stands in the place of a profile where live feeds are measured: nobody here says how fast they are.

    Attributes:
        streams: feeds that were named.
    """

    streams: int
    name: str = LIVE
    delivery: Literal["multicast"] = "multicast"
    packets_per_second: None = None
    stream_packets_per_second: None = None
    burst_packets: int = 1


Traffic = Profile | LiveTraffic


class Thresholds(Record):
    """What decides. A difference counts only when it is significant, and above both the threshold and the floor."""

    loss_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="largest loss that still passes H1")
    distortion_p99_us: Annotated[float, Field(gt=0)] = Field(
        250.0, description="largest p99 of the arrival-time distortion between tap and probe that still passes H3"
    )
    iat_error_ms: Annotated[float, Field(gt=0)] = Field(45.0, description="a 1 s window with an IAT above this is an error-second")
    sender_shortfall_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.01, description="a trial whose sender fell short by more than this is sender-limited"
    )


class Plan(Record):
    """Environments x profiles x samples; or live feeds in the place of profiles, measured in all environments at the same time."""

    name: str
    environments: Annotated[list[EnvironmentPlan], Field(min_length=1)]
    profiles: list[Profile] = Field(default_factory=list, description="empty where live feeds are measured")
    live: list[LiveFeed] = Field(default_factory=list, description="feeds that are there already; nobody sends")
    interface: str | None = Field(
        None, description="the user's own interface that environments are built on; null: the embedded lab"
    )
    samples: Annotated[int, Field(ge=1, le=1000)] = 3
    duration_s: Annotated[float, Field(gt=0, le=86_400)] = 2.0
    omit_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        0.0, description="a warm-up of this length goes before the measured traffic of each trial and is not counted"
    )
    settle_s: Annotated[float, Field(ge=0, le=60)] = Field(
        0.3, description="Tmax (RFC 7680): what has not arrived when nothing more came for so long after the sender ended is lost"
    )
    seed: int = 1
    reference: str = "host"
    backend: Literal["socket", "ring", "pcap"] = "socket"
    method: Literal["socket", "frame"] = "socket"
    thresholds: Thresholds = Field(default_factory=Thresholds)

    @property
    def traffic(self) -> list[Traffic]:
        """What was sent, a profile each; or the live feeds, all together."""
        return [LiveTraffic(len(self.live))] if self.live else list(self.profiles)

    @model_validator(mode="after")
    def _one_kind_of_traffic(self) -> Plan:
        if self.live and self.profiles:
            raise ValueError("profiles are sent and live feeds are there already: name one kind, not both")
        if not self.live and not self.profiles:
            raise ValueError("name a profile, or a live feed with its interface")
        if self.live and self.interface is None:
            raise ValueError("a live feed comes in by an interface: name it")
        return self

    @model_validator(mode="after")
    def _unique_labels(self) -> Plan:
        for what, names in (
            ("environment", [environment.label for environment in self.environments]),
            ("profile", [profile.name for profile in self.profiles]),
            ("live feed", [feed.label for feed in self.live]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} named twice: {', '.join(twice)}")
        return self

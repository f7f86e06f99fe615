"""Each rung of the ladder of hardware timestamps, judged by what an agent asked and counted (docs/timestamps.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netbench.metrics.stamp_words import ALL_PACKETS, NO_PACKETS, count, counted, listing, ratio, short
from netbench.result.timestamps import StampedPackets

RATE_LIMIT_PPM = 200.0
MOST_LATE_S = 1e-3  # a kernel stamp waits for its interrupt: coalescing and a processor that slept, together hardly more
MOST_EQUAL_RATIO = 0.01  # by chance hardly any; a driver that passes the kernel's stamp off as its own: all
_EPERM, _ENOENT, _EACCES, _EOPNOTSUPP = 1, 2, 13, 95

# Passed (None: not proven either way), the evidence, what to type.
Judgement = tuple[bool | None, str, str | None]


class LadderFacts:
    """What all rungs are judged by."""

    def __init__(self, raw: Mapping[str, Any], traffic: Sequence[StampedPackets], parent: str | None) -> None:
        self.raw = raw
        self.setting: Mapping[str, Any] = raw["setting"]
        self.traffic = traffic
        self.parent: str | None = parent or (raw["link"].get("parent") or {}).get("name")
        self.interface: str = raw["interface"]
        self.capabilities: Mapping[str, Any] | None = raw["capabilities"]
        self.advertised = bool(self.capabilities and self.capabilities["hardware_receive"])
        self.filters = [name for name in (self.capabilities or {}).get("rx_filters", []) if name != NO_PACKETS]
        during = self.setting["read_back"] or self.setting["answered"] or self.setting["before"]
        self.filter_on: str | None = None if during is None else during["rx_filter"]
        self.received = sum(item.received_packets for item in traffic)
        self.hardware = sum(item.hardware_packets for item in traffic)

    @property
    def is_macvlan(self) -> bool:
        """Its requests go to the parent, and only the initial network namespace may change the parent."""
        return self.raw["link"].get("kind") in ("macvlan", "macvtap")


def _advertised(facts: LadderFacts) -> Judgement:
    if facts.capabilities is None:
        return None, f"{facts.interface} does not tell what it can stamp: {facts.raw['capabilities_refused']}", None
    if facts.advertised:
        return True, f"hardware receive stamps are advertised (ETHTOOL_GET_TS_INFO), filters: {listing(facts.filters)}", None
    what = facts.raw["link"].get("driver") or facts.raw["link"].get("kind") or "its driver"
    where = f" (a macvlan tells what its parent {facts.parent or ''} can)".replace(" )", ")") if facts.is_macvlan else ""
    return False, f"{facts.interface} ({what}) advertises no hardware stamps for received packets{where}", None


def _covers_all(facts: LadderFacts) -> Judgement:
    if facts.capabilities is None:
        return None, "what it covers is not told either", None
    if ALL_PACKETS in facts.filters:
        return True, "the filter ALL is among what is advertised", None
    if not facts.filters:
        return False, "no receive filter but NONE is advertised", None
    return False, f"only some packets can be stamped: {listing(facts.filters)}", None


def _accepted(facts: LadderFacts) -> Judgement:
    setting, wanted = facts.setting, facts.setting["wanted"]
    if setting["skipped"] == "nothing_to_ask_for" or (wanted is None and setting["skipped"]):
        return None, "there is nothing to ask the driver for", None
    if setting["skipped"] == "cannot_be_put_back":
        return (
            None,
            f"the driver does not tell what is set now ({setting['unreadable']}), so it could not be put back, and was not changed",
            f"set it yourself: hwtstamp_ctl -i {facts.interface} -r 1; then: netbench timestamps -i {facts.interface}",
        )
    if setting["skipped"]:
        if facts.filter_on == wanted:
            return True, f"{short(wanted)} is set already (SIOCGHWTSTAMP)", None
        now = "is not told" if facts.filter_on is None else f"is {short(facts.filter_on)}"
        return (
            None,
            f"not tried, for that changes the interface: its filter {now} now",
            f"netbench timestamps -i {facts.interface} --configure",
        )
    if setting["answered"] is None:
        return _refused(facts)
    answered = setting["read_back"] or setting["answered"]
    if answered["rx_filter"] in (wanted, ALL_PACKETS):
        how = "accepted (SIOCSHWTSTAMP) and read back (SIOCGHWTSTAMP)" if setting["read_back"] else "accepted, not read back"
        return True, f"{short(wanted)} was {how}" + _restored_words(setting), None
    instead = short(answered["rx_filter"])
    return False, f"{short(wanted)} was asked for, and {instead} is what was set" + _restored_words(setting), None


def _restored_words(setting: Mapping[str, Any]) -> str:
    if setting["restored"]:
        return "; put back afterwards"
    return "" if setting["restored"] is None else f"; it could NOT be put back: {setting['not_restored']}"


def _refused(facts: LadderFacts) -> Judgement:
    refused = facts.setting["refused"]
    evidence = f"{short(facts.setting['wanted'])} was refused (SIOCSHWTSTAMP): {refused['reason']}"
    if refused["errno"] == _EPERM:
        command = f"sudo netbench timestamps -i {facts.interface} --configure (in a container: --cap-add NET_ADMIN)"
        return None, f"{evidence}: setting an interface needs CAP_NET_ADMIN", command
    if facts.is_macvlan and refused["errno"] == _EOPNOTSUPP:
        parent = facts.parent or "PARENT"
        return (
            False,
            f"{evidence}: a macvlan passes the request on to its parent, and the kernel allows that in the initial network "
            "namespace only; stamps come when the host sets the parent",
            f"on the host: netbench timestamps -i {parent} --configure -t 1h (or for good: hwtstamp_ctl -i {parent} -r 1); "
            f"then here: netbench timestamps -i {facts.interface}",
        )
    return False, evidence, None


def _delivered(facts: LadderFacts) -> Judgement:
    arrived = [item for item in facts.traffic if item.received_packets]
    if not facts.traffic:
        return (
            None,
            f"a packet socket was refused ({facts.raw['frames_refused']}), and no group or port was named whose packets show it",
            f"sudo netbench timestamps -i {facts.interface}; or: netbench timestamps -i {facts.interface} -g GROUP:PORT",
        )
    if not arrived:
        return (
            None,
            f"no packet came in {facts.raw['observed_ns'] / 1e9:.0f} s, so none shows a stamp",
            f"name a group that flows: netbench timestamps -i {facts.interface} -g GROUP:PORT",
        )
    words = counted(arrived)
    if all(item.hardware_packets == item.received_packets for item in arrived):
        return True, f"all {count(facts.received)} carried one: {words}", None
    share = f"{facts.hardware:,} of {count(facts.received)} carried one ({ratio(facts.hardware, facts.received)}): {words}"
    if not facts.hardware and facts.advertised and facts.filter_on in (None, NO_PACKETS):
        now = "what is set is not told" if facts.filter_on is None else "nothing is set to be stamped"
        return None, f"{share}; {now}", facts.setting["skipped"] and f"netbench timestamps -i {facts.interface} --configure"
    return False, share, None


def _sane(facts: LadderFacts) -> Judgement:
    if not facts.hardware:
        return None, "no stamp to judge", None
    stamped = [item for item in facts.traffic if item.hardware_packets]
    backward = sum(item.backward_stamps for item in stamped)
    repeated = sum(item.repeated_stamps for item in stamped)
    equal = sum(item.kernel_equal_stamps for item in stamped)
    worst, doubt = _worst_rate(facts, stamped)
    faults = [f"{count(backward, 'stamp')} went back"] if backward else []
    faults += [f"{count(repeated, 'stamp')} came twice"] if repeated else []
    if equal > MOST_EQUAL_RATIO * facts.hardware:
        faults.append(f"{equal:,} of {facts.hardware:,} are the kernel's own stamp")
    if worst is not None and abs(worst) > RATE_LIMIT_PPM + doubt:
        faults.append(f"they run {worst:+.0f} ppm off the kernel's clock, {RATE_LIMIT_PPM:.0f} are allowed")
    if faults:
        return False, "; ".join(faults), None
    good = f"{count(facts.hardware, 'stamp')}: none back, none twice, not the kernel's"
    if worst is None:
        return None, f"{good}; too short to tell their rate", f"netbench timestamps -i {facts.interface} -t 5s"
    if abs(worst) > RATE_LIMIT_PPM:
        late = f"of which interrupts that are {MOST_LATE_S * 1e3:.0f} ms late could make {doubt:.0f}"
        return None, f"{good}; {worst:+.0f} ppm off the kernel's clock, {late}", f"netbench timestamps -i {facts.interface} -t 30s"
    return True, f"{good}; {worst:+.1f} ppm off the kernel's clock at most", None


def _worst_rate(facts: LadderFacts, stamped: Sequence[StampedPackets]) -> tuple[float | None, float]:
    """The rate farthest from the kernel's clock, and how much of it late kernel stamps can make up, both in ppm."""
    rates = [(item.rate_ppm, item.rate_span_s) for item in stamped]
    if facts.raw["frames"]:
        everything = facts.raw["frames"]["all"]
        rates.append((everything["rate_ppm"], everything["rate_span_ns"] / 1e9))
    told = [(rate, MOST_LATE_S / span_s * 1e6) for rate, span_s in rates if rate is not None and span_s]
    return max(told, key=lambda item: abs(item[0]) - item[1], default=(None, 0.0))


def _clock(facts: LadderFacts) -> Judgement:
    clock = facts.raw["clock"]
    if clock is None:
        if facts.capabilities is None:
            return None, "which clock it has is not told", None
        return False, "the interface names no clock (PHC)", None
    device = clock["device"]
    if "refused" not in clock:
        if clock["advanced_ns"] > 0:
            return True, f"{device} was read twice, and goes on", None
        return False, f"{device} was read twice, and stands still", None
    evidence = f"{device} could not be read: {clock['refused']}"
    if clock["errno"] in (_EPERM, _EACCES):
        return None, evidence, f"sudo netbench timestamps -i {facts.interface}"
    if clock["errno"] == _ENOENT:
        return False, evidence, f"in a container: --device {device}; on a host: modprobe ptp"
    return False, evidence, None


# In the order of netbench.result.timestamps.RUNGS.
JUDGES: tuple[Callable[[LadderFacts], Judgement], ...] = (_advertised, _covers_all, _accepted, _delivered, _sane, _clock)

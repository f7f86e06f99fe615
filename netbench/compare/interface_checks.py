"""What a probe needs of its interface: packets one by one, in time, and not lost on the way up."""

from __future__ import annotations

from netbench.compare.checks import Check, Judgement, Place
from netbench.compare.host_checks import BURST_PPS

DEFAULT_BC_QUEUE_PACKETS = 1000  # MACVLAN_DEFAULT_BC_QUEUE_LEN
WANTED_BC_QUEUE_PACKETS = 100_000
# Coalescing longer than this hands neighbouring packets over together even at the rate that buffers are judged by.
COALESCING_LIMIT_US = 1_000_000 // BURST_PPS


def _large_receive(place: Place) -> Judgement:
    if not place.get("interface", "offloads", "large_receive"):
        return Judgement("ok", "LRO is off")
    return Judgement(
        "warn",
        "LRO is on: the NIC joins packets, and a capture sees their sum with one time of arrival",
        f"ethtool -K {place.interface} lro off",
    )


def _generic_receive(place: Place) -> Judgement:
    if not place.get("interface", "offloads", "generic_receive"):
        return Judgement("ok", "GRO is off")
    return Judgement(
        "info",
        "GRO is on: packets of one poll are handed up together, and TCP segments are joined before a capture sees them; "
        "UDP is joined only where UDP GRO was asked for",
        f"ethtool -K {place.interface} gro off",
    )


def _coalescing(place: Place) -> Judgement:
    usecs = place.number("interface", "coalescing", "rx_usecs")
    frames = place.number("interface", "coalescing", "rx_frames")
    adaptive = bool(place.get("interface", "coalescing", "adaptive_rx"))
    evidence = f"rx-usecs {usecs:.0f}, rx-frames {frames:.0f}, adaptive-rx {'on' if adaptive else 'off'}"
    remedy = f"ethtool -C {place.interface} adaptive-rx off rx-usecs 0 rx-frames 1"
    if adaptive:
        return Judgement("warn", f"{evidence}: the NIC changes by itself how long packets wait, and kernel stamps with it", remedy)
    if usecs > COALESCING_LIMIT_US:
        return Judgement("warn", f"{evidence}: packets wait up to {usecs:.0f} us and are stamped together", remedy)
    if usecs > 0:
        return Judgement("info", f"{evidence}: IAT below {usecs:.0f} us is that of the interrupt, not of the wire", remedy)
    return Judgement("ok", evidence)


def _queues(place: Place) -> Judgement | None:
    cores = place.number("machine", "usable_cores")
    receiving = place.number("interface", "queues", "rx")
    if cores < 2 or place.kind == "loopback":
        return None
    masks = place.get("interface", "queues", "rps_masks")
    spread = isinstance(masks, list) and any(str(mask).strip("0,") for mask in masks)
    if receiving > 1 or spread:
        return Judgement("ok", f"{receiving:.0f} receive queues, RPS {'on' if spread else 'off'}, {cores:.0f} cores")
    path = f"/sys/class/net/{place.interface}/queues/rx-0/rps_cpus"
    return Judgement(
        "info",
        f"one receive queue and no RPS: of {cores:.0f} cores one takes in every packet",
        f"echo {_mask(int(cores))} > {path}",
    )


def _mask(cores: int) -> str:
    """Mask of all cores as the kernel takes it: hexadecimal, a comma before every 8 digits from the right."""
    digits = f"{(1 << cores) - 1:x}"
    head = len(digits) % 8
    groups = [digits[:head]] if head else []
    return ",".join(groups + [digits[start : start + 8] for start in range(head, len(digits), 8)])


def _broadcast_queue(place: Place) -> Judgement:
    packets = place.number("interface", "macvlan", "bc_queue_len_used")
    evidence = (
        f"multicast into this macvlan goes through one queue of {packets:.0f} packets per parent: "
        f"{packets / BURST_PPS * 1000:.0f} ms of {BURST_PPS} packets/s; what does not fit is lost, and only the parent's "
        "rx_dropped tells"
    )
    if packets > DEFAULT_BC_QUEUE_PACKETS:
        return Judgement("ok", evidence)
    return Judgement(
        "warn", evidence, f"ip link set {place.interface} type {_macvlan_type(place)} bcqueuelen {WANTED_BC_QUEUE_PACKETS}"
    )


def _macvlan_type(place: Place) -> str:
    return "macvtap" if place.kind == "macvtap" else "macvlan"


def _macvlan_mode(place: Place) -> Judgement:
    mode = str(place.get("interface", "macvlan", "mode"))
    if mode == "bridge":
        return Judgement("ok", "the mode is bridge")
    consequences = {
        "private": "macvlans of one parent do not see each other",
        "vepa": "macvlans of one parent see each other only through a switch that sends frames back where they came from",
        "passthru": "the parent serves this macvlan alone and takes in every frame on the wire (promiscuous)",
        "source": "only frames of listed sources arrive",
    }
    evidence = f"the mode is {mode}: {consequences.get(mode, 'not known to this version')}"
    if mode == "passthru":
        return Judgement("info", evidence)  # the kernel lets nobody change it afterwards
    return Judgement("warn", evidence, f"ip link set {place.interface} type {_macvlan_type(place)} mode bridge")


def _snooping(place: Place) -> Judgement:
    bridge = str(place.get("interface", "bridge", "name"))
    if not place.get("interface", "bridge", "snooping"):
        return Judgement("ok", f"{bridge} does not snoop: groups go to every port")
    if place.get("interface", "bridge", "querier"):
        return Judgement("ok", f"{bridge} snoops and asks for members itself")
    return Judgement(
        "warn",
        f"{bridge} snoops and does not query: without another querier here, memberships end after 260 s, and the streams with them",
        f"ip link set {bridge} type bridge mcast_querier 1",
    )


def _hardware_stamps(place: Place) -> Judgement:
    filters = place.get("timestamps", "rx_filters")
    named = ", ".join(str(name) for name in filters) if isinstance(filters, list) and filters else "none"
    if place.get("timestamps", "hardware_receive"):
        return Judgement("ok", f"advertised, receive filters: {named} (whether they are delivered is measured, not asked)")
    return Judgement(
        "info",
        f"{place.interface} ({place.kind or 'kind not known'}) advertises no hardware receive stamps (filters: {named}): "
        "stamps are the kernel's",
        f"netbench timestamps -i {place.interface}",
    )


_OFFLOADS = ("interface", "offloads")

INTERFACE_CHECKS: tuple[Check, ...] = (
    Check("lro", "Large receive offload", "LRO off", ((*_OFFLOADS, "large_receive"),), _large_receive),
    Check(
        "gro", "Generic receive offload", "GRO off where packets are timed", ((*_OFFLOADS, "generic_receive"),), _generic_receive
    ),
    Check(
        "coalescing",
        "Interrupt coalescing",
        f"not adaptive, rx-usecs at most {COALESCING_LIMIT_US}",
        (("interface", "coalescing"),),
        _coalescing,
        hardware_only=True,
    ),
    Check(
        "receive_queues",
        "Spread of receiving over cores",
        "more than one receive queue, or RPS",
        (("interface", "queues"), ("machine", "usable_cores")),
        _queues,
    ),
    Check(
        "macvlan_bcqueuelen",
        "Broadcast queue of macvlan",
        f"more than the default of {DEFAULT_BC_QUEUE_PACKETS} packets",
        (("interface", "macvlan", "bc_queue_len_used"),),
        _broadcast_queue,
    ),
    Check("macvlan_mode", "Mode of macvlan", "bridge", (("interface", "macvlan", "mode"),), _macvlan_mode),
    Check(
        "bridge_snooping",
        "Multicast snooping of the bridge",
        "no snooping, or a querier",
        (("interface", "bridge", "snooping"), ("interface", "bridge", "querier")),
        _snooping,
    ),
    Check(
        "hardware_stamps",
        "Hardware receive stamps (H4)",
        "advertised by the interface",
        (("timestamps",),),
        _hardware_stamps,
    ),
)

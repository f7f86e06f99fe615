"""What a probe needs of the machine: buffers, sysctls, clock, CPU time, privileges."""

from __future__ import annotations

from netbench.compare.checks import Check, Judgement, Place

# The load that buffers are judged by: a few hundred transport streams in one probe.
BURST_PPS = 50_000
# What the kernel charges to a socket for one datagram of 1316 bytes: 2048 of data and 256 of struct sk_buff.
TRUESIZE_BYTES = 2304
WANTED_RMEM_MAX_BYTES = 8 << 20
WANTED_BACKLOG_PACKETS = 10_000
DEFAULT_MEMBERSHIPS = 20
STEAL_LIMIT_RATIO = 0.01
GOOD_CLOCK_SOURCES = frozenset(
    {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "timebase", "tod", "riscv_clocksource"}
)


def _rmem_max(place: Place) -> Judgement:
    rmem_max_bytes = place.number("sysctls", "net.core.rmem_max")
    # The kernel doubles what SO_RCVBUF asks for, and charges each datagram with its bookkeeping.
    held_ms = 2 * rmem_max_bytes / (BURST_PPS * TRUESIZE_BYTES) * 1000
    evidence = (
        f"net.core.rmem_max is {rmem_max_bytes:.0f} bytes: the largest socket buffer holds {held_ms:.0f} ms of {BURST_PPS} "
        f"packets/s of 1316 bytes (about {TRUESIZE_BYTES} bytes each in the kernel, which doubles what is asked for)"
    )
    if rmem_max_bytes >= WANTED_RMEM_MAX_BYTES:
        return Judgement("ok", evidence)
    return Judgement("warn", evidence, f"sysctl -w net.core.rmem_max={WANTED_RMEM_MAX_BYTES}   # on the host")


def _backlog(place: Place) -> Judgement:
    packets = place.number("sysctls", "net.core.netdev_max_backlog")
    evidence = (
        f"net.core.netdev_max_backlog is {packets:.0f}: a CPU that is kept away for more than {packets / BURST_PPS * 1000:.0f} ms "
        f"drops at {BURST_PPS} packets/s"
    )
    if packets >= WANTED_BACKLOG_PACKETS:
        return Judgement("ok", evidence)
    remedy = f"sysctl -w net.core.netdev_max_backlog={WANTED_BACKLOG_PACKETS}   # on the host"
    if place.kind in ("veth", "macvlan"):
        return Judgement("warn", f"{evidence}; every packet of a {place.kind} goes through this backlog", remedy)
    return Judgement("info", f"{evidence}; only packets of virtual interfaces and of RPS go through this backlog", remedy)


def _memberships(place: Place) -> Judgement:
    groups = place.number("sysctls", "net.ipv4.igmp_max_memberships")
    evidence = f"net.ipv4.igmp_max_memberships is {groups:.0f}: one socket joins no more groups, then ENOBUFS"
    if groups > DEFAULT_MEMBERSHIPS:
        return Judgement("ok", evidence)
    remedy = "sysctl -w net.ipv4.igmp_max_memberships=1024"
    return Judgement("info", f"{evidence}; a probe with more groups needs more sockets", remedy)


def _igmp_version(place: Place) -> Judgement:
    everywhere = place.number("sysctls", "net.ipv4.conf.all.force_igmp_version")
    here = place.number("sysctls", "interface", "force_igmp_version")
    # The kernel lets `all` decide where it is set (net/ipv4/igmp.c).
    name, version = ("all", everywhere) if everywhere else (place.interface, here)
    evidence = f"net.ipv4.conf.{name}.force_igmp_version is {version:.0f}: "
    if version in (0, 3):
        return Judgement("ok", f"{evidence}IGMPv3 unless a querier asks for less")
    consequence = "source-specific joins leave this host as joins from any source"
    return Judgement("warn", evidence + consequence, f"sysctl -w {_conf(name, 'force_igmp_version')}=0")


def _rp_filter(place: Place) -> Judgement:
    everywhere = place.number("sysctls", "net.ipv4.conf.all.rp_filter")
    here = place.number("sysctls", "interface", "rp_filter")
    effective = max(everywhere, here)  # the higher one counts (ip-sysctl.rst)
    evidence = f"rp_filter is {everywhere:.0f} for all interfaces and {here:.0f} for {place.interface}: "
    remedy = f"sysctl -w {_conf(place.interface, 'rp_filter')}=2"
    if effective != 1:
        return Judgement("ok", f"{evidence}{'off' if effective == 0 else 'loose'}")
    away, known = _routes_back(place)
    if away:
        consequence = f"strict, and {', '.join(away)}: dropped on the way in (IPReversePathFilter)"
        return Judgement("fail", evidence + consequence, remedy)
    if known:
        return Judgement("ok", f"{evidence}strict, and the route back to each source leaves by {place.interface}")
    consequence = (
        "strict: a stream is dropped (IPReversePathFilter) unless the route back to its source leaves by the same interface"
    )
    return Judgement("warn", evidence + consequence, remedy)


def _routes_back(place: Place) -> tuple[list[str], bool]:
    """Sources that are reached by another interface than their stream comes in by, and whether each stream's source is known."""
    routes = place.get("multicast", "routes") or []
    away = []
    for route in routes:
        back = (route.get("back") or {}).get("interface")
        if route.get("source") and back != place.interface:
            way = f"leaves by {back}" if back else "does not exist"
            away.append(f"the route back to {route['source']} {way}")
    return away, bool(routes) and all(route.get("source") for route in routes)


def _conf(interface: str, setting: str) -> str:
    """Name of a sysctl as sysctl(8) takes it: dots of the interface's name become slashes."""
    return f"net.ipv4.conf.{interface.replace('.', '/')}.{setting}"


def _clock_source(place: Place) -> Judgement:
    source = str(place.get("clock", "source"))
    if source in GOOD_CLOCK_SOURCES:
        return Judgement("ok", f"the clock source is {source}, read without a system call")
    available = place.get("clock", "available_sources")
    better = next((name for name in available if name in GOOD_CLOCK_SOURCES), None) if isinstance(available, list) else None
    path = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
    remedy = f"echo {better} > {path}   # on the host" if better else None
    return Judgement("warn", f"the clock source is {source}: slow to read, so each stamp costs time and may be coarse", remedy)


def _clock_sync(place: Place) -> Judgement:
    if place.get("clock", "synchronisation", "synchronised"):
        error_us = place.get("clock", "synchronisation", "max_error_us")
        return Judgement("ok", f"the kernel's clock follows another one{_clock_daemons(place)}, maximum error {error_us} us")
    return Judgement(
        "info",
        f"the kernel's clock follows no other (STA_UNSYNC){_clock_daemons(place)}: one-way delay across machines is not possible; "
        "loss, IAT and jitter are",
        "apt-get install chrony   # on the host",
    )


def _clock_daemons(place: Place) -> str:
    """Who disciplines the clock, and the PTP clocks that it could be disciplined by."""
    running, clocks = place.get("clock_daemons"), place.get("clock", "ptp_clocks")
    told = []
    if isinstance(running, list):
        told.append(f"running: {', '.join(map(str, running)) or 'no clock daemon'}")
    if isinstance(clocks, list) and clocks:
        told.append(f"PTP clocks: {', '.join(str(clock.get('clock')) for clock in clocks)}")
    return f" ({'; '.join(told)})" if told else ""


def _steal(place: Place) -> Judgement:
    ratio = place.number("cpu", "steal_ratio")
    evidence = f"the hypervisor gave {ratio:.2%} of all CPU time since the start to others"
    if ratio <= STEAL_LIMIT_RATIO:
        return Judgement("ok", evidence)
    remedy = "pin the VM's virtual CPUs to cores of their own (virsh vcpupin), or take a host that is not overcommitted"
    return Judgement("warn", f"{evidence}: packets wait meanwhile, and gaps are seen that the wire does not have", remedy)


def _cpu_limit(place: Place) -> Judgement:
    quota_us, period_us = place.get("cpu", "limit", "quota_us"), place.get("cpu", "limit", "period_us")
    if quota_us is None:
        return Judgement("ok", "no control group that is visible from here has a CPU quota")
    quota_us, period_us = place.number("cpu", "limit", "quota_us"), place.number("cpu", "limit", "period_us")
    group = place.get("cpu", "limit", "group")
    periods, held = place.get("limits", "throttled", "nr_periods"), place.get("limits", "throttled", "nr_throttled")
    so_far = f" (so far in {held} of {periods} periods)" if isinstance(held, int) and isinstance(periods, int) else ""
    return Judgement(
        "warn",
        f"the control group {group} may use {quota_us / 1000:g} ms of CPU in each {period_us / 1000:g} ms: once they are used up, "
        f"the process stands still until the period ends, and no packet is read{so_far}",
        "docker run --cpuset-cpus 2,3 …   # cores of its own, in place of --cpus and --cpu-quota"
        if place.in_container
        else "systemctl set-property UNIT CPUQuota=",
    )


def _packet_sockets(place: Place) -> Judgement:
    if place.get("capabilities", "NET_RAW"):
        if place.get("permitted", "packet_socket", "allowed") is False:
            reason = place.get("permitted", "packet_socket", "reason")
            evidence = f"CAP_NET_RAW is effective, and yet a packet socket was refused ({reason}): seccomp or a security module"
            return Judgement("fail", evidence, "docker run --security-opt seccomp=unconfined …" if place.in_container else None)
        return Judgement("ok", "CAP_NET_RAW is effective")
    evidence = "CAP_NET_RAW is not effective: no packet socket can be opened, so nothing can be captured"
    return Judgement("fail", evidence, _privilege_remedy(place))


def _admin(place: Place) -> Judgement:
    if place.get("capabilities", "NET_ADMIN"):
        if place.get("permitted", "receive_buffer_force", "allowed") is False:
            reason = place.get("permitted", "receive_buffer_force", "reason")
            evidence = (
                f"CAP_NET_ADMIN is effective here alone: SO_RCVBUFFORCE was refused ({reason}), buffers end at net.core.rmem_max"
            )
            return Judgement("info", evidence, "sysctl -w net.core.rmem_max=8388608   # on the host")
        return Judgement("ok", "CAP_NET_ADMIN is effective")
    evidence = "CAP_NET_ADMIN is not effective: socket buffers end at net.core.rmem_max, and hardware stamps cannot be turned on"
    return Judgement("info", evidence, _privilege_remedy(place))


def _privilege_remedy(place: Place) -> str:
    if place.in_container:
        return "docker run --cap-add NET_RAW --cap-add NET_ADMIN …"
    return "setcap cap_net_raw,cap_net_admin+ep PROBE   # or run it as root"


HOST_CHECKS: tuple[Check, ...] = (
    Check(
        "rmem_max",
        "Largest socket receive buffer",
        f"net.core.rmem_max >= {WANTED_RMEM_MAX_BYTES} bytes",
        (("sysctls", "net.core.rmem_max"),),
        _rmem_max,
    ),
    Check(
        "netdev_max_backlog",
        "Backlog of each CPU",
        f"net.core.netdev_max_backlog >= {WANTED_BACKLOG_PACKETS} packets",
        (("sysctls", "net.core.netdev_max_backlog"),),
        _backlog,
    ),
    Check(
        "igmp_max_memberships",
        "Groups that one socket may join",
        f"net.ipv4.igmp_max_memberships > {DEFAULT_MEMBERSHIPS}",
        (("sysctls", "net.ipv4.igmp_max_memberships"),),
        _memberships,
    ),
    Check(
        "force_igmp_version",
        "IGMP version",
        "force_igmp_version 0 or 3",
        (("sysctls", "net.ipv4.conf.all.force_igmp_version"), ("sysctls", "interface", "force_igmp_version")),
        _igmp_version,
    ),
    Check(
        "rp_filter",
        "Reverse path filter",
        "rp_filter off (0) or loose (2)",
        (("sysctls", "net.ipv4.conf.all.rp_filter"), ("sysctls", "interface", "rp_filter")),
        _rp_filter,
    ),
    Check(
        "clock_source",
        "Clock source",
        f"one that is read without a system call: {', '.join(sorted(GOOD_CLOCK_SOURCES))}",
        (("clock", "source"),),
        _clock_source,
    ),
    Check(
        "clock_sync",
        "Clock synchronisation",
        "a clock that follows NTP or PTP",
        (("clock", "synchronisation"),),
        _clock_sync,
    ),
    Check("steal", "CPU time taken by the hypervisor", f"at most {STEAL_LIMIT_RATIO:.0%}", (("cpu", "steal_ratio"),), _steal),
    Check("cpu_limit", "CPU limit of the control group", "no CPU quota", (("cpu", "limit"),), _cpu_limit),
    Check(
        "cap_net_raw",
        "Privilege to open packet sockets",
        "CAP_NET_RAW is effective",
        (("capabilities", "NET_RAW"),),
        _packet_sockets,
    ),
    Check(
        "cap_net_admin",
        "Privilege to set interfaces",
        "CAP_NET_ADMIN is effective",
        (("capabilities", "NET_ADMIN"),),
        _admin,
    ),
)

"""What a probe needs of the cores and the memory that it runs on: enough of them, and the NIC's interrupts spread over them."""

from __future__ import annotations

from netbench.compare.checks import Check, Judgement, Place

WANTED_CORES = 2  # one takes packets in, one reads them
WANTED_MEMORY_BYTES = 512 << 20
NEARLY_FULL_RATIO = 0.9
LOPSIDED_RATIO = 0.9
ENOUGH_INTERRUPTS = 1000  # fewer tell nothing about balance


def _interrupt_balance(place: Place) -> Judgement | None:
    cores = place.number("machine", "logical_cores")
    lines = place.get("interrupts", "lines")
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise ValueError("interrupts.lines is no list")
    queues = [line for line in lines if line.get("taken")]
    running = place.get("irqbalance_running")
    balancer = {True: "irqbalance runs", False: "irqbalance does not run"}.get(running, "irqbalance cannot be seen from here")
    if cores < 2 or not queues:
        return None
    total = sum(line["taken"] for line in queues)
    share = place.get("interrupts", "share_of_busiest_cpu")
    cpus = _list(place.get("interrupts", "cpus"))
    evidence = f"{len(queues)} interrupts of {place.interface} were taken {total} times, by CPU {cpus}; {balancer}"
    if len(queues) == 1:
        return Judgement("info", f"{evidence}; one interrupt is one CPU at a time")
    if total < ENOUGH_INTERRUPTS or not isinstance(share, float) or share < LOPSIDED_RATIO:
        return Judgement("ok", evidence)
    remedy = "apt-get install irqbalance && systemctl enable --now irqbalance   # on the host"
    if running:
        remedy = f"echo 1 > /proc/irq/{queues[-1].get('number')}/smp_affinity_list   # on the host; another CPU for each interrupt"
    return Judgement("warn", f"{evidence}; one CPU took {share:.0%} of them: it is the limit of this NIC", remedy)


def _list(cpus: object) -> str:
    return ", ".join(map(str, cpus)) if isinstance(cpus, list) else "?"


def _cores(place: Place) -> Judgement:
    cpus = place.get("limits", "cpus")
    usable = min(len(cpus) if isinstance(cpus, list) else 0, int(place.number("machine", "usable_cores")))
    evidence = f"{usable} of {place.number('machine', 'logical_cores'):.0f} cores may be used here (CPU {_list(cpus)})"
    if usable >= WANTED_CORES:
        return Judgement("ok", evidence)
    remedy = "docker run --cpuset-cpus 2,3 …" if place.in_container else "systemctl set-property UNIT AllowedCPUs=2,3"
    if place.number("machine", "logical_cores") < WANTED_CORES:
        remedy = "give this machine a second core"
    return Judgement("warn", f"{evidence}: taking packets in and reading them wait for each other", remedy)


def _memory(place: Place) -> Judgement:
    limit, used = place.get("limits", "memory", "limit_bytes"), place.get("limits", "memory", "used_bytes")
    if limit is None:
        return Judgement("ok", "no control group that is visible from here limits memory")
    limit_bytes = place.number("limits", "memory", "limit_bytes")
    evidence = f"the control group may use {limit_bytes / (1 << 20):.0f} MiB"
    remedy = "docker run --memory 1g …" if place.in_container else "systemctl set-property UNIT MemoryMax=1G"
    if limit_bytes < WANTED_MEMORY_BYTES:
        return Judgement(
            "warn", f"{evidence}: socket buffers and capture rings count, and a probe that passes it is killed", remedy
        )
    if isinstance(used, int) and used > NEARLY_FULL_RATIO * limit_bytes:
        return Judgement("warn", f"{evidence}, and {used / limit_bytes:.0%} of that are used", remedy)
    return Judgement("ok", evidence)


def _ring_size(place: Place) -> Judgement | None:
    size, most = place.number("interface", "rings", "rx"), place.number("interface", "rings", "rx_max")
    if most <= 0:
        return None
    evidence = f"the receive ring has {size:.0f} of at most {most:.0f} descriptors"
    if size >= most:
        return Judgement("ok", evidence)
    consequence = "what arrives while it is full is lost in the NIC (rx_missed, rx_no_buffer)"
    return Judgement("info", f"{evidence}: {consequence}", f"ethtool -G {place.interface} rx {most:.0f}")


CPU_CHECKS: tuple[Check, ...] = (
    Check(
        "interrupt_balance",
        "Balance of the NIC's interrupts",
        f"no CPU takes {LOPSIDED_RATIO:.0%} of them or more",
        (("interrupts",), ("machine", "logical_cores")),
        _interrupt_balance,
        hardware_only=True,
    ),
    Check(
        "cpuset",
        "Cores that may be used",
        f"at least {WANTED_CORES}",
        (("limits", "cpus"), ("machine", "usable_cores"), ("machine", "logical_cores")),
        _cores,
        optional=True,
    ),
    Check(
        "memory_limit",
        "Memory limit of the control group",
        f"none, or at least {WANTED_MEMORY_BYTES >> 20} MiB with room left",
        (("limits", "memory"),),
        _memory,
        optional=True,
    ),
    Check(
        "ring_size",
        "Receive ring of the NIC",
        "as large as it can be",
        (("interface", "rings"),),
        _ring_size,
        hardware_only=True,
    ),
)

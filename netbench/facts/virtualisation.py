"""What stands between this process and the metal: hypervisor, container, user namespace, and what privileges are left."""

from __future__ import annotations

import os

from netbench.facts.reading import Answer, Unreadable, collect, read_text

_DMI = "/sys/class/dmi/id"
# Found in the DMI strings of a guest -> the hypervisor; the order decides, since EC2 and Google say both.
_DMI_NAMES = {
    "amazon ec2": "kvm",
    "google compute engine": "kvm",  # not Google alone, who makes computers, too
    "kvm": "kvm",
    "openstack": "kvm",
    "qemu": "qemu",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "xen": "xen",
    "bochs": "bochs",
    "parallels": "parallels",
    "microsoft corporation virtual machine": "hyperv",
    "bhyve": "bhyve",
}
# Found in the path of the control group -> the engine; the order decides, since Kubernetes runs containerd.
_CONTAINER_GROUPS = {"kubepods": "kubernetes", "docker": "docker", "libpod": "podman", "lxc": "lxc", "containerd": "containerd"}
# Mounted into every container of Docker, Podman and Kubernetes, whose image has no say in them.
_LENT_FILES = frozenset({"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"})
# linux/capability.h; those that packet probes ask for
_CAPABILITIES = {
    "DAC_OVERRIDE": 1,
    "NET_BIND_SERVICE": 10,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "IPC_LOCK": 14,
    "SYS_ADMIN": 21,
    "SYS_NICE": 23,
    "SYS_TIME": 25,
    "PERFMON": 38,
    "BPF": 39,
}
_WHOLE_RANGE = 4_294_967_295


def read() -> Answer:
    """Subjects `hypervisor`, `container`, `user_namespace`, `capabilities`."""
    return collect(
        {
            "hypervisor": _hypervisor,
            "container": _container,
            "user_namespace": lambda: parse_uid_map(read_text("/proc/self/uid_map")),
            "capabilities": lambda: parse_capabilities(read_text("/proc/self/status")),
        }
    )


def judge_hypervisor(dmi: str, cpuinfo: str, hypervisor_type: str) -> dict[str, str]:
    """Name of the hypervisor (`none`: no sign of one) and what gave it away.

    Args:
        dmi: vendor and product of the machine, joined; empty when not readable.
        cpuinfo: text of /proc/cpuinfo.
        hypervisor_type: text of /sys/hypervisor/type; empty when there is none.
    """
    if hypervisor_type.strip():
        return {"name": hypervisor_type.strip(), "evidence": "/sys/hypervisor/type"}
    lowered = " ".join(dmi.lower().split())
    for sign, name in _DMI_NAMES.items():
        if sign in lowered:
            return {"name": name, "evidence": f"the machine's DMI strings say {sign!r}"}
    flags = next((line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    if "hypervisor" in flags:
        return {"name": "unknown", "evidence": "the processor's flags say that there is a hypervisor; no DMI string names it"}
    return {"name": "none", "evidence": "no sign in /sys/hypervisor, DMI and the processor's flags"}


def judge_container(
    membership: str,
    docker_mark: bool,
    podman_mark: bool,
    init_environment: str,
    root_of_machine: bool,
    *,
    all_processes: bool = False,
    mountinfo: str = "",
) -> dict[str, str]:
    """Container engine (`none`: no sign of one) and what gave it away.

    Args:
        membership: text of /proc/1/cgroup or /proc/self/cgroup.
        docker_mark: /.dockerenv exists.
        podman_mark: /run/.containerenv exists.
        init_environment: the variable `container` of the container's first process; empty when unset or unreadable.
        root_of_machine: the root directory is that of the machine's first process.
        all_processes: the machine's processes are seen: its first PID namespace, or a container with --pid host.
        mountinfo: text of /proc/self/mountinfo; an engine lends each container files such as /etc/hosts.
    """
    leftover = "; the image that it was made from left a container's mark" if docker_mark or podman_mark else ""
    if root_of_machine:
        return {"engine": "none", "evidence": f"the root directory is that of the machine's first process{leftover}"}
    lent = any(len(fields) > 4 and fields[4] in _LENT_FILES for fields in map(str.split, mountinfo.splitlines()))
    if all_processes and not lent and not any(sign in membership for sign in _CONTAINER_GROUPS):
        return {
            "engine": "none",
            "evidence": f"the machine's processes are seen, and no engine lent a file such as /etc/hosts{leftover}",
        }
    if docker_mark:
        return {"engine": "docker", "evidence": "/.dockerenv"}
    if podman_mark:
        return {"engine": "podman", "evidence": "/run/.containerenv"}
    if init_environment:
        return {"engine": init_environment, "evidence": "the environment variable container"}
    for sign, engine in _CONTAINER_GROUPS.items():
        if sign in membership:
            return {"engine": engine, "evidence": f"the control group's path says {sign!r}"}
    return {"engine": "none", "evidence": "no mark of a container engine"}


def parse_uid_map(text: str) -> dict[str, bool | str]:
    """Whether this is a user namespace of its own, from /proc/self/uid_map (user_namespaces(7)).

    Raises:
        Unreadable: it is empty: nobody is mapped.
    """
    lines = [line.split() for line in text.splitlines()]
    if not lines:
        raise Unreadable("/proc/self/uid_map is empty: no user is mapped here")
    initial = lines == [["0", "0", str(_WHOLE_RANGE)]]
    return {"own": not initial, "uid_map": "; ".join(" ".join(line) for line in lines)}


def parse_capabilities(status: str) -> dict[str, bool]:
    """Effective capabilities that packet probes ask for, from /proc/self/status.

    Raises:
        Unreadable: there is no line CapEff.
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            try:
                effective = int(value, 16)
            except ValueError as error:
                raise Unreadable(f"CapEff holds {value.strip()[:20]!r}") from error
            return {capability: bool(effective >> bit & 1) for capability, bit in _CAPABILITIES.items()}
    raise Unreadable("/proc/self/status has no line CapEff")


def _hypervisor() -> dict[str, str]:
    dmi = " ".join(_text_or_nothing(f"{_DMI}/{name}") for name in ("sys_vendor", "product_name", "board_vendor", "bios_vendor"))
    return judge_hypervisor(dmi, read_text("/proc/cpuinfo"), _text_or_nothing("/sys/hypervisor/type"))


def _container() -> dict[str, str]:
    environment = _text_or_nothing("/proc/1/environ").split("\0")
    variable = next((entry.partition("=")[2] for entry in environment if entry.startswith("container=")), "")
    return judge_container(
        membership=_text_or_nothing("/proc/self/cgroup"),
        docker_mark=os.path.exists("/.dockerenv"),
        podman_mark=os.path.exists("/run/.containerenv"),
        init_environment=variable,
        root_of_machine=_root_of_machine(),
        all_processes=_sees_all(),
        mountinfo=_text_or_nothing("/proc/self/mountinfo"),
    )


def _sees_all() -> bool:
    try:
        return sees_machine_processes()
    except Unreadable:
        return False


def _root_of_machine() -> bool:
    try:
        return sees_machine_processes() and os.path.samefile("/", "/proc/1/root/")
    except (OSError, Unreadable):
        return False  # an ordinary user may not look; the marks decide


def sees_machine_processes() -> bool:
    """Whether this is the machine's first PID namespace, so that /proc shows all of its processes.

    Raises:
        Unreadable: /proc is not there.
    """
    try:
        return os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"  # PROC_PID_INIT_INO
    except OSError as error:
        raise Unreadable(f"/proc/self/ns/pid: {error.strerror}") from error


def _text_or_nothing(path: str) -> str:
    try:
        return read_text(path)
    except Unreadable:
        return ""

"""What a probe needs of the kind of machine: its kernel, its C library, and no hidden layer before the network."""

from __future__ import annotations

import re

from netbench.compare.checks import Check, Judgement, Place, Severity

KERNEL_OF_MACVLAN = (3, 9)  # macvlan in bridge mode, with a bounded queue for broadcast and multicast
KERNEL_OF_CONTAINERS = (4, 0)
OLDEST_GLIBC = (2, 17)
OLDEST_DOCKER = (1, 12)  # the first with the network driver macvlan
_NEW_KERNEL = "apt-get install linux-image-amd64 && reboot   # on the host"


def _version(text: object) -> tuple[int, int]:
    """First two numbers of a version.

    Raises:
        ValueError: it has none.
    """
    found = re.match(r"v?(\d+)\.(\d+)", str(text))
    if found is None:
        raise ValueError(f"{text!r} is no version")
    return int(found[1]), int(found[2])


def _kernel(place: Place) -> Judgement:
    release = place.get("kernel", "release")
    version = _version(release)
    if version >= KERNEL_OF_CONTAINERS:
        return Judgement("ok", f"the kernel is {release}")
    if version >= KERNEL_OF_MACVLAN:
        return Judgement("warn", f"the kernel is {release}: macvlan works, macvlan networks of containers want 4.0", _NEW_KERNEL)
    return Judgement("fail", f"the kernel is {release}: its macvlan is not usable", _NEW_KERNEL)


def _c_library(place: Place) -> Judgement:
    name, version = str(place.get("c_library", "name")), str(place.get("c_library", "version"))
    if name != "glibc":
        evidence = (
            f"the C library is {name} {version}".rstrip() + ": programs built for glibc, as most probes are, do not start on it"
        )
        return Judgement("warn", evidence, "docker run … debian:stable-slim   # an image with glibc")
    if _version(version) < OLDEST_GLIBC:
        return Judgement("warn", f"the C library is glibc {version}", "take a newer release of the distribution")
    return Judgement("ok", f"the C library is glibc {version}")


def _cloud(place: Place) -> Judgement:
    provider = str(place.get("cloud", "provider"))
    if provider == "none":
        return Judgement("ok", str(place.get("cloud", "evidence")))
    evidence = (
        f"this is a machine of {provider} ({place.get('cloud', 'evidence')}): its switch takes frames only from the MAC addresses "
        "that it gave out, so macvlan, which has addresses of its own, hears and reaches nobody beyond this machine; "
        "groups need a service of the provider, where there is one"
    )
    severity: Severity = "warn" if place.kind in ("macvlan", "macvtap") else "info"
    return Judgement(severity, evidence, "docker run --network host …   # in place of a macvlan network")


def _virtual_desktop(place: Place) -> Judgement:
    signs = place.get("isolation", "evidence")
    of_daemon = str(place.get("engines", "docker", "operating_system") or "")
    remedy = "apt-get install docker.io   # Docker Engine, on a Linux machine that is on the measured network"
    if place.get("isolation", "docker_desktop") or of_daemon == "Docker Desktop":
        told = signs.get("docker_desktop") if isinstance(signs, dict) else None
        sign = told or f"the daemon says that its system is {of_daemon}"
        consequence = "host and macvlan networks are those of that virtual machine, not those of the computer around it"
        return Judgement("fail", f"{sign}; {consequence}", remedy)
    if place.get("isolation", "wsl"):
        consequence = "the network is translated by Windows unless it is mirrored, and stamps are those of the virtual machine"
        return Judgement("warn", f"{signs['wsl']}; {consequence}", "networkingMode=mirrored   # in .wslconfig, below [wsl2]")
    return Judgement("ok", "the kernel is neither that of Docker Desktop nor that of WSL")


def _rootless(place: Place) -> Judgement | None:
    remedy = "sudo docker run …   # by the daemon that runs as root: DOCKER_HOST=unix:///var/run/docker.sock"
    consequence = "its network passes through a program (slirp4netns, pasta): no groups from outside, no macvlan, ports only"
    if place.in_container and place.get("isolation", "rootless"):
        return Judgement("fail", f"{place.get('isolation', 'evidence', 'rootless')}; {consequence}", remedy)
    if place.get("engines", "docker", "rootless"):
        socket = place.get("engines", "docker", "socket")
        return Judgement("warn", f"the Docker daemon of {socket} is rootless; containers of it: {consequence}", remedy)
    return Judgement("ok", "no sign of a rootless container engine")


def _user_namespace(place: Place) -> Judgement:
    if not place.get("user_namespace", "own"):
        return Judgement("ok", "this is the machine's own user namespace")
    return Judgement(
        "info",
        f"this is a user namespace of its own ({place.get('user_namespace', 'uid_map')}): socket buffers end at net.core.rmem_max, "
        "and no interface of the machine can be told to stamp",
        "docker run --userns host …" if place.in_container else "sudo netbench …",
    )


def _enhanced_isolation(place: Place) -> Judgement:
    signs = place.get("isolation", "evidence")
    told = signs if isinstance(signs, dict) else {}
    remedy = "docker run --runtime runc …"
    if place.get("isolation", "enhanced_isolation"):
        consequence = "root here is nobody outside, system calls are filtered, and settings below /proc/sys are imitated"
        return Judgement("warn", f"{told.get('enhanced_isolation')}: enhanced container isolation (sysbox); {consequence}", remedy)
    if place.get("isolation", "gvisor"):
        consequence = "the network stack is its own, in user space, so nothing here tells about the host's"
        return Judgement("warn", f"{told.get('gvisor')}; {consequence}", remedy)
    return Judgement("ok", "no sign of sysbox or gVisor")


def _docker(place: Place) -> Judgement:
    version, api = place.get("engines", "docker", "version"), place.get("engines", "docker", "api_version")
    evidence = f"Docker Engine {version}, API {api}"
    if _version(version) >= OLDEST_DOCKER:
        return Judgement("ok", evidence)
    return Judgement("fail", f"{evidence}: it has no macvlan networks", "apt-get install docker.io   # on the host")


MACHINE_CHECKS: tuple[Check, ...] = (
    Check("kernel", "Kernel", "3.9 or later for macvlan, 4.0 or later with containers", (("kernel", "release"),), _kernel),
    Check("c_library", "C library", "glibc 2.17 or later", (("c_library",),), _c_library),
    Check("cloud", "Cloud provider", "none: a provider's switch blocks macvlan", (("cloud",),), _cloud, optional=True),
    Check("desktop_vm", "Virtual machine of a desktop", "neither Docker Desktop nor WSL", (("isolation",),), _virtual_desktop),
    Check("rootless_engine", "Rootless container engine", "an engine that runs as root", (("isolation",),), _rootless),
    Check("user_namespace", "User namespace", "the machine's own", (("user_namespace", "own"),), _user_namespace),
    Check("enhanced_isolation", "Sandbox of the container", "neither sysbox nor gVisor", (("isolation",),), _enhanced_isolation),
    Check("docker_version", "Docker Engine", "1.12 or later", (("engines", "docker"),), _docker, optional=True),
)

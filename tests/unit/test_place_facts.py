"""Facts of the kind of machine, its engines, interrupts, limits and groups, from recorded and written texts."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from netbench.facts import cgroups, cloud, engines, interrupts, isolation, limits, multicast
from netbench.facts.reading import Unreadable


@pytest.mark.parametrize(
    ("dmi", "provider"),
    [
        ({"sys_vendor": "Amazon EC2", "product_name": "c5.large"}, "EC2"),
        ({"sys_vendor": "Xen", "product_name": "HVM domU", "bios_version": "4.11.amazon"}, "EC2"),
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, "GCE"),
        (
            {
                "sys_vendor": "Microsoft Corporation",
                "product_name": "Virtual Machine",
                "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77",
            },
            "Azure",
        ),
        ({"sys_vendor": "Microsoft Corporation", "product_name": "Virtual Machine"}, "none"),  # somebody's own Hyper-V
        ({"sys_vendor": "DigitalOcean", "product_name": "Droplet"}, "DigitalOcean"),
        ({"sys_vendor": "Hetzner", "product_name": "vServer"}, "Hetzner"),
        ({"sys_vendor": "OpenStack Foundation", "product_name": "OpenStack Nova"}, "OpenStack"),
        ({"sys_vendor": "QEMU", "product_name": "Standard PC (Q35 + ICH9, 2009)"}, "none"),
        ({"sys_vendor": "Dell Inc.", "product_name": "PowerEdge R640"}, "none"),
        ({}, "none"),
    ],
)
def test_cloud_providers(dmi: dict[str, str], provider: str) -> None:
    assert cloud.judge_cloud(dmi)["provider"] == provider


ALL_OF_IT = "         0          0 4294967295\n"


def isolations(kernel: str = "6.1.0-18-amd64", uid_map: str = ALL_OF_IT, mounts: str = "", version: str = "") -> set[str]:
    told = isolation.judge_isolation(kernel, uid_map, mounts, version)
    found = {name for name, value in told.items() if value is True}
    assert set(told["evidence"]) == found
    return found


def test_isolations() -> None:
    sysbox = "700 600 0:80 /proc/sys /proc/sys rw,nosuid shared:1 - fuse sysboxfs rw,user_id=0\n"
    assert isolations() == set()
    assert isolations(kernel="6.10.14-linuxkit") == {"docker_desktop"}
    assert isolations(kernel="5.15.153.1-microsoft-standard-WSL2") == {"wsl"}
    assert isolations(kernel="4.4.0", version="Linux version 4.4.0 #1 SMP gvisor") == {"gvisor"}
    assert isolations(uid_map="0 1000 1\n1 100000 65536\n") == {"rootless"}
    assert isolations(uid_map="0 165536 65536\n", mounts=sysbox) == {"enhanced_isolation"}
    assert isolations(uid_map="0 100000 65536\n") == set()  # dockerd --userns-remap runs as root
    assert isolations(kernel="6.10.14-linuxkit", uid_map="0 100000 65536\n", mounts=sysbox) == {
        "docker_desktop",
        "enhanced_isolation",
    }


# ---- engines

VERSION = {"Version": "26.1.5", "ApiVersion": "1.45", "KernelVersion": "6.1.0-18-amd64"}
INFO = {
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"],
    "Runtimes": {"runc": {}, "io.containerd.runc.v2": {}},
    "DefaultRuntime": "runc",
    "LiveRestoreEnabled": False,
    "CgroupVersion": "2",
}


def test_a_docker_daemon() -> None:
    told = engines.judge_docker(VERSION, INFO)

    assert told["version"] == "26.1.5"
    assert told["rootless"] is True
    assert told["user_namespace"] is False
    assert told["runtimes"] == ["io.containerd.runc.v2", "runc"]
    assert engines.judge_docker({}, {})["version"] is None


def test_where_the_socket_of_docker_is(tmp_path: Path) -> None:
    assert engines.socket_path({}) == "/var/run/docker.sock"
    assert engines.socket_path({"DOCKER_HOST": "unix:///x/y.sock"}) == "/x/y.sock"
    (tmp_path / "docker.sock").touch()
    assert engines.socket_path({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"{tmp_path}/docker.sock"
    with pytest.raises(Unreadable, match="no socket of this machine"):
        engines.socket_path({"DOCKER_HOST": "tcp://10.0.0.1:2375"})


class _Daemon(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)  # HTTPServer asks for the name of a host


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """A socket that answers each path with what the test wrote into the dictionary: (status, body)."""
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "local"

    path = str(tmp_path / "daemon.sock")
    server = _Daemon(path, Handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield path, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_comes_over_a_socket(answering: tuple[str, dict[str, Any]]) -> None:
    path, answers = answering
    answers.update({"/version": (200, json.dumps(VERSION).encode()), "/info": (200, json.dumps(INFO).encode())})

    assert engines.ask_docker(path) == {"socket": path, **engines.judge_docker(VERSION, INFO)}
    for status, body in ((500, b"{}"), (200, b"[]"), (200, b"no JSON")):
        answers["/info"] = (status, body)
        with pytest.raises(Unreadable):
            engines.ask_docker(path)


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        engines.ask_docker(str(tmp_path / "nothing.sock"))


def test_versions_of_programs() -> None:
    assert engines.parse_version("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1")["version"] == "1.6.20"
    assert engines.parse_version("podman version 4.3.1\n")["version"] == "4.3.1"
    with pytest.raises(Unreadable):
        engines.parse_version("unknown")


# ---- interrupts

INTERRUPTS = """\
           CPU0       CPU1
  0:         10          0  IO-APIC   2-edge      timer
 37:          0          0  PCI-MSIX-0000:00:03.0   0-edge      virtio2-config
 38:          5     116892  PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0
 39:      92916          0  PCI-MSIX-0000:00:03.0   2-edge      virtio2-output.0
NMI:          0          0   Non-maskable interrupts
ERR:          0
"""


def test_interrupts_of_a_nic() -> None:
    everything = interrupts.parse_interrupts(INTERRUPTS)
    told = interrupts.summary([37, 38, 39, 99], everything, {38: [0, 1], 39: [0]})

    assert sorted(everything) == [0, 37, 38, 39]
    assert [(line["number"], line["name"], line["busiest_cpu"], line["taken"]) for line in told["lines"]] == [
        (37, "virtio2-config", None, 0),
        (38, "virtio2-input.0", 1, 116_897),
        (39, "virtio2-output.0", 0, 92_916),
    ]
    assert [line["allowed_cpus"] for line in told["lines"]] == [None, [0, 1], [0]]
    assert (told["busy"], told["cpus"]) == (2, [0, 1])
    assert told["share_of_busiest_cpu"] == 116_892 / (116_897 + 92_916)
    assert interrupts.summary([37], everything, {})["share_of_busiest_cpu"] is None
    with pytest.raises(Unreadable):
        interrupts.parse_interrupts("")


def test_lists_of_cpus() -> None:
    assert interrupts.parse_cpu_list("0-2,8\n") == [0, 1, 2, 8]
    assert interrupts.parse_cpu_list("\n") == []
    with pytest.raises(Unreadable):
        interrupts.parse_cpu_list("all")


# ---- limits

MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""


def test_each_controller_has_a_mount_of_its_own() -> None:
    membership = "4:memory:/docker/ab\n1:cpu,cpuacct:/docker/ab\n0::/system.slice\n"

    assert [mount.point for mount in cgroups.parse_mounts(MOUNTS, "memory")] == ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"]
    assert [mount.point for mount in cgroups.parse_mounts(MOUNTS)] == ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"]
    assert cgroups.parse_group(membership, 1, "memory") == "/docker/ab"
    assert cgroups.parse_group(membership, 2, "memory") == "/system.slice"
    with pytest.raises(Unreadable, match="cpuset"):
        cgroups.parse_group(membership, 1, "cpuset")


def test_memory_limits() -> None:
    assert limits.parse_memory_limit("max\n") is None
    assert limits.parse_memory_limit("9223372036854771712\n") is None  # version 1 without a limit
    assert limits.parse_memory_limit("1073741824\n") == 1 << 30
    with pytest.raises(Unreadable):
        limits.parse_memory_limit("-1")


# ---- groups

IGMP = """\
Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
4\teth0      :     3      V2
\t\t\t\t010101EF     1 0:00000000\t\t1
\t\t\t\t020101EF     1 0:00000000\t\t1
\t\t\t\t010000E0     1 0:00000000\t\t0
5\tmv0       :     2      V3
\t\t\t\t010101EF     1 0:00000000\t\t1
\t\t\t\t010000E0     1 0:00000000\t\t0
"""


def test_groups_that_are_joined() -> None:
    assert multicast.count_memberships(IGMP, "eth0") == {"here": 2, "elsewhere": 1, "igmp_version": "V2"}
    assert multicast.count_memberships(IGMP, None) == {"here": 0, "elsewhere": 3, "igmp_version": None}


def test_routes() -> None:
    assert multicast.parse_route('[{"type":"multicast","dst":"239.1.1.1","dev":"eth0","prefsrc":"192.0.2.2"}]') == "eth0"
    assert multicast.parse_route('[{"type":"unreachable","dst":"239.1.1.1"}]') is None
    for nonsense in ("", "[]", "{}", "[3]"):
        with pytest.raises(Unreadable):
            multicast.parse_route(nonsense)


def test_sockets_that_joined_nothing_are_tried_here() -> None:
    told = multicast.read(None).values["multicast"]

    # The kernel's default; a socket with the option off is never given what it did not join.
    assert told["unjoined"] == {"by_default": True, "off": False}

"""Facts of a place, from texts and structures of real systems, and read here."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netbench.facts import clocks, host, interface, ioctls, place, timestamps, virtualisation
from netbench.facts.links import parse_ip_links
from netbench.facts.reading import Unreadable

RECORDED = Path(__file__).parent.parent / "platform" / "recorded"


def link(name: str) -> dict[str, Any]:
    links = parse_ip_links((RECORDED / "ip-link.json").read_text(encoding="utf-8"))
    return next(link for link in links if link["ifname"] == name)


def test_kinds() -> None:
    assert interface.kind_of(link("p0"), "veth") == "veth"
    assert interface.kind_of(link("mv0"), "macvlan") == "macvlan"
    assert interface.kind_of(link("br0"), "bridge") == "bridge"
    assert interface.kind_of(link("lo"), "") == "loopback"
    assert interface.kind_of({}, "virtio_net") == "virtio"
    assert interface.kind_of({}, "igb") == "physical"
    assert interface.kind_of({}, "veth") == "veth"  # without ip
    with pytest.raises(Unreadable):
        interface.kind_of({}, "")


def test_parents() -> None:
    assert interface.parent_of(link("mv0")) == {"name": "p0", "index": None, "other_namespace": False}
    assert interface.parent_of(link("p0")) == {"name": None, "index": 2, "other_namespace": True}
    assert interface.parent_of(link("lo")) is None


def test_macvlan() -> None:
    assert interface.macvlan_of(link("mv0")) == {"mode": "bridge", "bc_queue_len": 5, "bc_queue_len_used": 5}
    assert interface.macvlan_of(link("p0")) is None


def test_bridge_of_itself_and_of_its_port() -> None:
    expected = {"name": "br0", "snooping": True, "querier": False, "igmp_version": 2}
    port = {"ifname": "p0", "master": "br0", "linkinfo": {"info_kind": "veth", "info_slave_kind": "bridge"}}

    assert interface.bridge_of(link("br0"), link) == expected
    assert interface.bridge_of(port, link) == expected
    assert interface.bridge_of(link("p0"), link) is None


def test_structures_of_ethtool() -> None:
    fields = list(range(23))
    assert ioctls.parse_coalescing(struct.pack("=23I", *fields)) == ioctls.Coalescing(1, 2, 5, 6, True, True)
    assert ioctls.parse_rings(struct.pack("=9I", *range(9))) == ioctls.Rings(rx=5, rx_max=1, tx=8, tx_max=4)
    drvinfo = struct.pack("=I32s32s32s32s32s12s5I", 3, b"igb", b"6.1", b"3.25", b"0000:01:00.0", b"", b"", 0, 0, 0, 0, 0)
    assert len(drvinfo) == 196  # sizeof(struct ethtool_drvinfo)
    assert ioctls.parse_driver(drvinfo) == ioctls.Driver("igb", "6.1", "3.25", "0000:01:00.0")


def test_hostile_names_of_interfaces() -> None:
    for name in ("no-such-if", "../../etc", "a" * 200, "", "x\0y"):
        facts = place.read(name)
        assert "interface" not in facts
        assert "there is no interface" in facts["absent"]["interface"]


def test_timestamp_names_of_an_igb() -> None:
    decoded = timestamps.decode(
        {
            "so_timestamping": 0x5F,
            "tx_types": 0b11,
            "rx_filters": 0b11,
            "phc_index": 0,
            "configured_known": True,
            "configured_tx_type": 0,
            "configured_rx_filter": 1,
        }
    )

    assert decoded == {
        "so_timestamping": [
            f"SOF_TIMESTAMPING_{name}"
            for name in ("TX_HARDWARE", "TX_SOFTWARE", "RX_HARDWARE", "RX_SOFTWARE", "SOFTWARE", "RAW_HARDWARE")
        ],
        "tx_types": ["HWTSTAMP_TX_OFF", "HWTSTAMP_TX_ON"],
        "rx_filters": ["HWTSTAMP_FILTER_NONE", "HWTSTAMP_FILTER_ALL"],
        "phc_index": 0,
        "hardware_receive": True,
        "configured": {"tx_type": "HWTSTAMP_TX_OFF", "rx_filter": "HWTSTAMP_FILTER_ALL"},
    }


def test_timestamp_names_of_a_veth() -> None:
    decoded = timestamps.decode(
        {
            "so_timestamping": 0x1A,
            "tx_types": 0,
            "rx_filters": 1,  # a filter "none" is no filter
            "phc_index": -1,
            "configured_known": False,
            "configured_tx_type": 0,
            "configured_rx_filter": 0,
        }
    )

    assert decoded["hardware_receive"] is False
    assert decoded["phc_index"] is None
    assert "configured" not in decoded


def test_bits_of_a_newer_kernel_are_told_by_number() -> None:
    assert timestamps.names_of_bits(1 << 30, timestamps.SOF_TIMESTAMPING, "SOF_TIMESTAMPING_") == ["SOF_TIMESTAMPING_30"]
    assert timestamps.name_of_value(-1, timestamps.HWTSTAMP_TX, "HWTSTAMP_TX_") == "HWTSTAMP_TX_-1"


@pytest.mark.parametrize(
    ("dmi", "cpuinfo", "sysfs", "name"),
    [
        ("QEMU Standard PC (i440FX + PIIX, 1996)", "", "", "qemu"),
        ("Amazon EC2 c5.large", "flags : hypervisor", "", "kvm"),
        ("VMware, Inc. VMware7,1", "", "", "vmware"),
        ("Microsoft Corporation Virtual Machine", "", "", "hyperv"),
        ("Dell Inc. PowerEdge R640", "flags\t: fpu vme\n", "", "none"),
        ("", "flags\t: fpu hypervisor vme\n", "", "unknown"),
        ("", "", "xen\n", "xen"),
    ],
)
def test_hypervisors(dmi: str, cpuinfo: str, sysfs: str, name: str) -> None:
    assert virtualisation.judge_hypervisor(dmi, cpuinfo, sysfs)["name"] == name


def test_containers() -> None:
    def engine(membership: str = "0::/", docker: bool = False, podman: bool = False, variable: str = "", root: bool = False) -> str:
        return virtualisation.judge_container(membership, docker, podman, variable, root)["engine"]

    assert engine() == "none"
    assert engine(docker=True) == "docker"
    assert engine(podman=True) == "podman"
    assert engine(variable="lxc") == "lxc"
    assert engine("0::/kubepods/besteffort/cri-containerd-ab") == "kubernetes"
    assert engine(docker=True, root=True) == "none"  # a machine made from a container's image

    def seeing_all_processes(mounts: str = "", membership: str = "0::/") -> str:
        return virtualisation.judge_container(membership, True, False, "", False, all_processes=True, mountinfo=mounts)["engine"]

    hosts = "70 60 254:1 /var/lib/docker/containers/ab/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw\n"
    assert seeing_all_processes() == "none"  # a guest or a chroot on a file tree that was a container's image
    assert seeing_all_processes(hosts) == "docker"  # docker run --pid host
    assert seeing_all_processes(membership="0::/docker/ab") == "docker"


def test_user_namespace() -> None:
    assert virtualisation.parse_uid_map("         0          0 4294967295\n")["own"] is False
    assert virtualisation.parse_uid_map("         0       1000          1\n") == {"own": True, "uid_map": "0 1000 1"}
    with pytest.raises(Unreadable):
        virtualisation.parse_uid_map("")


def test_capabilities() -> None:
    of_docker = virtualisation.parse_capabilities("Name:\tx\nCapEff:\t00000000a80425fb\n")

    assert of_docker["NET_RAW"] is True
    assert of_docker["NET_ADMIN"] is False
    for broken in ("", "CapEff:\tzz\n"):
        with pytest.raises(Unreadable):
            virtualisation.parse_capabilities(broken)


def test_clock_status() -> None:
    assert clocks.judge_status(0x2001, 1500, 20)["synchronised"] is True
    assert clocks.judge_status(0x0040, 16_000_000, 16_000_000)["synchronised"] is False


def test_steal() -> None:
    assert clocks.steal_ratio({"cpu.total_ticks": 200, "cpu.steal_ticks": 3}) == 0.015
    with pytest.raises(Unreadable):
        clocks.steal_ratio({"cpu.total_ticks": 0, "cpu.steal_ticks": 0})


def test_texts_of_the_host() -> None:
    assert host.parse_cpu_model("processor\t: 0\nmodel name\t: AMD EPYC\n") == "AMD EPYC"
    assert host.parse_memory("MemTotal:  10 kB\nMemFree: 1 kB\nMemAvailable: 5 kB\n") == {"MemTotal": 10_240, "MemAvailable": 5_120}
    assert host.parse_os_release('ID=debian\nVERSION_ID="12"\ncut') == {"id": "debian", "version_id": "12"}
    with pytest.raises(Unreadable):
        host.parse_memory("MemTotal: 10")
    with pytest.raises(Unreadable):
        host.parse_cpu_model("processor\t: 0\n")


def test_here_every_subject_is_read_or_has_a_reason() -> None:
    facts = place.read("lo")

    subjects = (
        "kernel",
        "os_release",
        "machine",
        "hypervisor",
        "container",
        "user_namespace",
        "capabilities",
        "clock",
        "cpu",
        "sysctls",
    )
    told = {key.partition(".")[0] for key in facts["absent"]}
    assert [subject for subject in (*subjects, "interface", "timestamps") if subject not in facts and subject not in told] == []
    assert facts["interface"]["name"] == "lo"
    assert facts["interface"]["index"] == 1
    assert facts["machine"]["usable_cores"] == len(os.sched_getaffinity(0))
    assert all(facts["absent"].values())
    assert json.loads(json.dumps(facts)) == facts  # plain values


def test_facts_load_nothing_heavy() -> None:
    script = (
        "import sys; from netbench.facts import counters, place; counters.read()\n"
        "heavy = ('pydantic', 'typer', 'numpy', 'psutil', 'netbench.result', 'netbench._core')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.stdout == "[]\n"

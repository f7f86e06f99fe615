"""`netbench capture`: what was sent is in the file, as tshark, capinfos and tcpdump read it; each packet is in exactly one book."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
READY = "Capturing"


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; make setup-test installs it")


def output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def packets_in(path: str | Path) -> int:
    """As capinfos counts them; it refuses a file that is cut or damaged."""
    return int(output_of("capinfos", "-c", "-M", "-T", "-r", str(path)).split()[-1])


def field(path: str | Path, name: str) -> list[str]:
    return output_of("tshark", "-r", str(path), "-T", "fields", "-e", name).split()


def recorded(answer: dict[str, Any], exit_code: int = 0) -> dict[str, Any]:
    """The record, after the sums that hold in every one."""
    assert answer["exit_code"] == exit_code, answer["errors"]
    told = json.loads(answer["output"])
    parts = ("written_packets", "dropped_packets", "failed_packets", "left_out_packets")
    assert told["seen_packets"] == sum(told[part] for part in parts)
    for file in told["files"]:
        assert file["seen_packets"] == file["written_packets"] + file["dropped_packets"]
        assert file["deleted"] or os.path.getsize(file["path"]) == file["bytes"]
        assert os.path.exists(file["path"]) != file["deleted"]
    assert sum(file["written_packets"] for file in told["files"]) == told["written_packets"]
    assert sum(file["dropped_packets"] for file in told["files"]) == told["dropped_packets"]
    return told


def capture_at(lab: Any, path: Path, *arguments: str) -> list[str]:
    return [*lab.receiver, *NETBENCH, "capture", "-i", lab.interface, "-w", str(path), "--json", *arguments]


def send_at(lab: Any, *arguments: str) -> list[str]:
    return [*lab.sender, *NETBENCH, "send", "-i", lab.sender_interface, "--json", *arguments]


@pytest.mark.parametrize("suffix", ["pcap", "pcapng"])
def test_every_packet_sent_is_in_the_file(sites: Callable[[str], Any], step: Any, tmp_path: Path, suffix: str) -> None:
    needs("tshark", "capinfos", "tcpdump")
    lab, path = sites("host"), tmp_path / f"a.{suffix}"
    taken, _ = lab.run(
        step(capture_at(lab, path, "-g", "239.9.9.1:5004", "-t", "4s")),
        step(send_at(lab, "239.9.9.1:5004", "--pps", "2000", "-n", "2000"), READY),
    )

    told = recorded(taken)
    assert told["seen_packets"] == told["written_packets"] == 2000
    assert told["cut_packets"] == 0
    assert told["filter"] == "udp and ((dst host 239.9.9.1 and udp dst port 5004))"
    assert packets_in(path) == 2000
    assert len(output_of("tcpdump", "-n", "-Z", "root", "-r", str(path)).splitlines()) == 2000
    assert set(field(path, "udp.length")) == {"1324"}
    assert "nanoseconds (9)" in output_of("capinfos", "-M", str(path))
    stamps = field(path, "frame.time_epoch")
    assert stamps == sorted(stamps)


def test_only_what_was_asked_for(sites: Callable[[str], Any], step: Any, tmp_path: Path) -> None:
    """Two groups are sent to two ports each; one group and port are captured, cut to 64 bytes of a frame, 300 of 500."""
    needs("tshark", "capinfos")
    lab, path = sites("host"), tmp_path / "a.pcapng"
    taken, *_ = lab.run(
        step(capture_at(lab, path, "-p", "5004", "-s", "64", "-c", "300", "dst host 239.9.9.1")),
        step(send_at(lab, "239.9.9.2:5004", "--pps", "1000", "-n", "200"), READY),
        step(send_at(lab, "239.9.9.1:5005", "--pps", "1000", "-n", "200")),
        step(send_at(lab, "239.9.9.1:5004", "--pps", "1000", "-n", "500")),
    )

    told = recorded(taken)
    assert told["written_packets"] == told["cut_packets"] == packets_in(path) == 300
    assert set(field(path, "ip.dst")) == {"239.9.9.1"}
    assert set(field(path, "udp.dstport")) == {"5004"}
    assert set(field(path, "frame.cap_len")) == {"64"}
    assert set(field(path, "frame.len")) == {"1358"}


def test_a_ring_of_files(sites: Callable[[str], Any], step: Any, tmp_path: Path) -> None:
    """Records of 1392 bytes (32 + 1358, padded to 4): 71 fit in 100 kB beside header and statistics, so 1000 need 15 files."""
    needs("tshark", "capinfos")
    lab, path = sites("host"), tmp_path / "a.pcapng"
    arguments = ("-p", "5004", "-t", "4s", "--rotate-size", "100k", "--files", "3")
    taken, _ = lab.run(
        step(capture_at(lab, path, *arguments)), step(send_at(lab, "239.9.9.1:5004", "--pps", "2000", "-n", "1000"), READY)
    )

    told = recorded(taken)
    kept = [file for file in told["files"] if not file["deleted"]]
    assert told["written_packets"] == 1000
    assert [file["written_packets"] for file in told["files"]] == [71] * 14 + [6]
    assert (told["deleted_files"], told["deleted_packets"]) == (12, 12 * 71)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-00013.pcapng", "a-00014.pcapng", "a-00015.pcapng"]
    assert [packets_in(file["path"]) for file in kept] == [71, 71, 6]
    (refused,) = lab.run(step(capture_at(lab, path, *arguments)))
    assert refused["exit_code"] == 2
    assert "a-00013.pcapng" in refused["errors"]
    assert "--force" in refused["errors"]


def test_files_of_so_much_time(sites: Callable[[str], Any], step: Any, tmp_path: Path) -> None:
    needs("tshark", "capinfos")
    lab, path = sites("host"), tmp_path / "a.pcap"
    taken, _ = lab.run(
        step(capture_at(lab, path, "-p", "5004", "-t", "4s", "--rotate-time", "500ms")),
        step(send_at(lab, "239.9.9.1:5004", "--pps", "500", "-n", "900"), READY),
    )

    told = recorded(taken)
    assert told["written_packets"] == 900
    assert len(told["files"]) >= 4  # 1.8 s in halves
    for file in told["files"]:
        assert 0 <= file["last_ns"] - file["first_ns"] < 500_000_000
        assert packets_in(file["path"]) == file["written_packets"]
    begins = [file["first_ns"] for file in told["files"]]
    assert all(after - before >= 500_000_000 for before, after in pairwise(begins))


def test_stamps_are_those_that_the_table_saw(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    """One ring, whose frames go to the table and to the file: to the nanosecond the same, in the same order."""
    needs("tshark")
    path = tmp_path / "a.pcapng"

    def measure() -> dict[str, Any]:
        import socket
        import struct

        from netbench.core import PcapWriter, RingCapture, StreamTable, probe_encode

        index = socket.if_nametoindex("lo")
        capture = RingCapture(interface_index=index, port_low=5004, port_high=5004, snapshot_bytes=2048)
        writer, table = PcapWriter(path=str(path), interface="lo"), StreamTable(log_capacity=5000)
        running = threading.Thread(target=capture.run, args=(table,), kwargs={"writer": writer})
        running.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for sequence in range(3000):
                sender.sendto(probe_encode(1, 1, sequence, 0, 0), ("127.0.0.1", 5004))
        time.sleep(0.1)
        capture.stop()
        running.join()
        writer.close()
        log = [(stamp, sequence) for stamp, _, sequence in struct.iter_unpack("=qII", table.log())]
        return {"log": log, "writer": writer.counts(), "ring": capture.counts(), "totals": table.totals()}

    seen = in_private_network(measure)
    assert seen["ring"]["frames"] == seen["writer"]["frames"] == seen["writer"]["written"] == seen["totals"]["packets"] == 3000
    assert [sequence for _, sequence in seen["log"]] == list(range(3000))
    assert field(path, "frame.time_epoch") == [f"{stamp // 10**9}.{stamp % 10**9:09d}" for stamp, _ in seen["log"]]


def test_what_the_ring_could_not_hold_is_told(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    """A ring of 16 KiB, read only when 2000 frames have come: most are drops, in the counts and in the file's statistics."""
    needs("tshark", "capinfos")
    path = tmp_path / "a.pcapng"

    def measure() -> dict[str, Any]:
        import socket

        from netbench.core import PcapWriter, RingCapture

        index = socket.if_nametoindex("lo")
        capture = RingCapture(interface_index=index, filter=[(6, 0, 0, 2048)], block_bytes=4096, blocks=4)
        writer = PcapWriter(path=str(path))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(2000):
                sender.sendto(bytes(1000), ("127.0.0.1", 9))
        capture.stop()
        capture.run(None, writer=writer)
        writer.close()
        return {"writer": writer.counts(), "ring": capture.counts()}

    seen = in_private_network(measure)
    ring, writer = seen["ring"], seen["writer"]
    assert ring["kernel_packets"] == ring["frames"] + ring["kernel_drops"]
    assert ring["frames"] == writer["written"] == packets_in(path) > 0
    assert ring["kernel_drops"] == writer["dropped"] > 0
    # Interface Statistics: 20 bytes, start and end of 12 each, then received and dropped behind 4 bytes of option each.
    block = path.read_bytes()[-76:]
    assert int.from_bytes(block[48:56], sys.byteorder) == ring["kernel_packets"]
    assert int.from_bytes(block[60:68], sys.byteorder) == ring["kernel_drops"]


def private(script: str) -> list[str]:
    """A shell in a network of its own with loopback, and with mounts of its own."""
    return ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c", f"ip link set lo up; {script}"]


@pytest.mark.parametrize(
    ("suffix", "rotation"), [("pcap", ""), ("pcapng", ""), ("pcapng", "--rotate-size 200k")], ids=["pcap", "pcapng", "a row"]
)
def test_a_full_disk_is_survived(tmp_path: Path, lab_permitted: None, suffix: str, rotation: str) -> None:
    """A file system of 1 MiB: what fits is a valid file, the rest is counted, the message says what to do."""
    needs("capinfos")
    full, kept = tmp_path / "full", tmp_path / "kept"
    full.mkdir()
    kept.mkdir()
    netbench = " ".join(NETBENCH)
    script = (
        f"mount -t tmpfs -o size=1m none {full}; "
        f"{netbench} capture -i lo -w {full}/a.{suffix} {rotation} -p 5004 --json >{kept}/told 2>{kept}/errors & taker=$!; "
        f"until grep -q Capturing {kept}/errors; do sleep 0.1; done; "
        f"{netbench} send 239.9.9.1:5004 -i lo --pps 2000 -n 2000 -q >/dev/null; "
        f"wait $taker; echo $? >{kept}/code; cp {full}/a* {kept}"
    )
    subprocess.run(private(script), capture_output=True, text=True, timeout=60, check=True)

    told, errors = json.loads((kept / "told").read_text()), (kept / "errors").read_text()
    assert (kept / "code").read_text().strip() == "3", errors
    assert "No space left on device" in errors
    assert "complete file" in errors
    assert "free some space" in errors
    assert told["failed_packets"] > 0
    assert told["seen_packets"] == told["written_packets"] + told["dropped_packets"] + told["failed_packets"]
    files = sorted(kept.glob("a*"))
    assert [packets_in(path) for path in files] == [file["written_packets"] for file in told["files"]]
    assert [path.stat().st_size for path in files] == [file["bytes"] for file in told["files"]]
    assert 500 < told["written_packets"] <= 1048576 // 1374


def test_a_disk_that_is_full_already(tmp_path: Path, lab_permitted: None) -> None:
    script = (
        f"mount -t tmpfs -o size=64k none {tmp_path} && head -c 65536 /dev/zero >{tmp_path}/fill; "
        f"{' '.join(NETBENCH)} capture -i lo -w {tmp_path}/a.pcapng; code=$?; ls {tmp_path}; exit $code"
    )
    done = subprocess.run(private(script), capture_output=True, text=True, timeout=60)

    assert done.returncode == 3, done.stderr
    assert "No space left on device" in done.stderr
    assert done.stdout.split() == ["fill"]


@pytest.mark.parametrize(("bound", "exit_code"), [([], 0), (["-t", "60s"], 130), (["-c", "1000000"], 130)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_completes_the_file(tmp_path: Path, lab_permitted: None, number: int, bound: list[str], exit_code: int) -> None:
    needs("capinfos")
    process, path = started(tmp_path, *bound)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)

    told = recorded({"exit_code": process.returncode, "output": output, "errors": errors}, exit_code)
    assert told["written_packets"] == packets_in(path) == 100


def test_kill_9_leaves_a_file_that_can_be_read(tmp_path: Path, lab_permitted: None) -> None:
    """Nobody is left to close it; it ends between two packets, and lacks a second of them at most."""
    needs("capinfos")
    process, path = started(tmp_path)
    deadline = time.monotonic() + 10
    while packets_in(path) < 100:  # in the file after a second
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.kill()
    process.communicate(timeout=10)

    assert packets_in(path) == 100


def started(folder: Path, *bound: str) -> tuple[subprocess.Popen[str], Path]:
    """A capture on the loopback of a network of its own, to which 100 packets were sent."""
    path = folder / "a.pcapng"
    words = [*NETBENCH, "capture", "-i", "lo", "-w", str(path), "-p", "5004", "--json", *bound]
    send = (
        "import socket\n"
        "sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "for _ in range(100): sender.sendto(bytes(100), ('127.0.0.1', 5004))\n"
    )
    process = subprocess.Popen(
        ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert READY in process.stderr.readline()
    enter = ["nsenter", f"--target={process.pid}", "--user", "--preserve-credentials", "--net"]
    subprocess.run([*enter, sys.executable, "-c", send], check=True, timeout=20, capture_output=True)
    time.sleep(0.3)
    return process, path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-i", "lo"], ["-w"]),
        (["-w", "a.pcap"], ["-i"]),
        (["-i", "lo", "-w", "-"], ["standard output"]),
        (["-i", "lo", "-w", "a.txt"], [".txt", "--format"]),
        (["-i", "lo", "-w", "a", "--format", "erf"], ["erf", "pcapng"]),
        (["-i", "lo", "-w", "a.pcap", "--files", "3"], ["--files", "--rotate-size"]),
        (["-i", "lo", "-w", "a.pcap", "--rotate-size", "much"], ["--rotate-size", "much", "100M"]),
        (["-i", "lo", "-w", "a.pcap", "--rotate-time", "soon"], ["--rotate-time", "soon", "30s"]),
        (["-i", "lo", "-w", "a.pcap", "-Q", "out"], ["-Q", "inout"]),
        (["-i", "lo", "-w", "a.pcap", "-g", "239.1.1"], ["239.1.1"]),
        (["-i", "lo", "-w", "a.pcap", "-g", "239.1.1.1:0"], ["port 0"]),
        (["-i", "lo", "-w", "a.pcap", "udp port"], ["udp port", "man pcap-filter"]),
        (["-i", "lo", "-w", "a.pcap", "vlan 5"], ["vlan", "tshark"]),
        (["-i", "nosuch0", "-w", "a.pcap"], ["nosuch0", "ip -brief link"]),
        (["-i", "lo", "-w", "no/such/folder/a.pcap"], ["no/such/folder", "mkdir"]),
        (["-i", "lo", "-w", "there.pcap"], ["there.pcap", "--force"]),
    ],
)
def test_a_mistake_is_told_and_leaves_no_file(tmp_path: Path, lab_permitted: None, arguments: list[str], words: list[str]) -> None:
    (tmp_path / "there.pcap").write_text("keep me")
    script = f'cd {tmp_path}; ip link set lo up; exec "$@"'
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", script, "sh", *NETBENCH, "capture", *arguments, "-t", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert done.returncode == 2, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there.pcap"]
    assert (tmp_path / "there.pcap").read_text() == "keep me"


def test_nothing_seen_is_no_success(tmp_path: Path, lab_permitted: None) -> None:
    needs("capinfos")
    path = tmp_path / "a.pcapng"
    command = " ".join([*NETBENCH, "capture", "-i", "lo", "-w", str(path), "-p", "5004", "-t", "500ms"])
    done = subprocess.run(private(command), capture_output=True, text=True, timeout=30)

    assert done.returncode == 4, done.stderr
    assert "0 packets seen = 0 written + 0 dropped" in done.stdout.replace("\u202f", " ")
    assert packets_in(path) == 0


def test_an_interface_that_goes_down_ends_it_with_its_file(tmp_path: Path, lab_permitted: None) -> None:
    needs("capinfos")
    process, path = started(tmp_path)
    enter = ["nsenter", f"--target={process.pid}", "--user", "--preserve-credentials", "--net"]
    subprocess.run([*enter, "ip", "link", "set", "lo", "down"], check=True, timeout=20)
    output, errors = process.communicate(timeout=30)

    told = recorded({"exit_code": process.returncode, "output": output, "errors": errors}, 3)
    assert "Network is down" in told["failure"]
    assert told["written_packets"] == packets_in(path) == 100


def test_no_permission(tmp_path: Path) -> None:
    powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"] if os.geteuid() == 0 else []
    command = [*powerless, *NETBENCH, "capture", "-i", "lo", "-w", str(tmp_path / "a.pcap"), "-t", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert done.returncode == 3
    assert "Operation not permitted" in done.stderr
    assert "NET_RAW" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_five_hundred_groups_fit_into_the_kernels_filter() -> None:
    from netbench.capture.recording import MOST_INSTRUCTIONS, compile_filter, filter_expression
    from netbench.protocol import StreamSpec

    def program(count: int) -> list[tuple[int, int, int, int]]:
        groups = tuple(StreamSpec(1, f"239.{1 + index // 250}.1.{1 + index % 250}", 5004) for index in range(count))
        return compile_filter(filter_expression(groups, 0, ""), 96)

    assert len(program(500)) <= MOST_INSTRUCTIONS
    assert {line[3] for line in program(1) if line[0] == 6} == {0, 96}
    with pytest.raises(ValueError, match="name a port"):
        program(1001)

"""Guests of QEMU, booted for real: exact loss, facts from the inside, commands and their ends, failing boots, kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netbench.environments import registry

pytestmark = pytest.mark.timeout(400)  # an emulated guest boots in seconds, and on a busy machine in many

LAB_SCENARIOS = Path(__file__).parents[1] / "contract" / "lab_scenarios.py"
SCENARIOS = Path(__file__).with_name("guest_scenarios.py")
PROFILE = "iptv:pps=1000"


@pytest.fixture(autouse=True)
def guests_permitted(lab_permitted: None) -> None:
    unavailable = registry.environment("vm-virtio").available()
    if unavailable is not None:
        pytest.skip(f"{unavailable.reason} {unavailable.remedy}")


def scenario(name: str) -> Any:
    done = subprocess.run([sys.executable, str(SCENARIOS), name], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def directories(owner: int) -> list[str]:
    """Names of the directories of a process's guests."""
    return sorted(path.name for path in Path("/tmp").glob(f"nb-vm-{owner}-*"))


def command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def test_host_and_two_kinds_of_guests_in_one_run(measure: Callable[..., Any]) -> None:
    result = measure(
        *("-e", "host", "-e", "vm-virtio", "-e", "vm-e1000e", "--profile", PROFILE, "--samples", "1", "-t", "1s"), timeout_s=300
    )

    # THEN every place was measured, and the books balance
    records = {record.name: record for record in result.run.environments}
    assert {trial.environment: trial.reason or trial.status for trial in result.run.trials} == dict.fromkeys(records, "ok")
    for trial in result.run.trials:
        assert trial.sent.packets == 1000
        assert trial.sent.packets == trial.received.packets - trial.received.duplicate_packets + trial.loss.lost_packets
        assert trial.tap.unique_packets == 1000
    # AND a guest is told to be one, from the inside, with the card that it has
    assert result.run.host.values["kernel"]["release"] == records["host"].facts.values["kernel"]["release"]
    for name, driver in (("vm-virtio", "virtio_net"), ("vm-e1000e", "e1000e")):
        values = records[name].facts.values
        assert values["hypervisor"]["name"] == "qemu"
        assert values["interface"]["driver"]["name"] == driver
        assert values["kernel"]["release"] != result.run.host.values["kernel"]["release"]
    assert records["vm-virtio"].facts.values["timestamps"]["hardware_receive"] is False
    assert records["vm-e1000e"].facts.values["timestamps"]["hardware_receive"] is True
    # AND a guest's clock is its own
    for trial in result.run.trials:
        assert trial.clock_sync == ("same_clock" if trial.environment == "host" else "unsynced")


def test_loss_behind_the_tap_is_counted_in_the_guest_to_the_packet(measure: Callable[..., Any]) -> None:
    result = measure("-e", "vm-virtio:inject_drop_every=50", "--profile", PROFILE, "--samples", "1", "-t", "2s", timeout_s=200)

    (trial,) = result.run.trials
    assert trial.status == "ok"
    assert trial.sent.packets == 2000
    assert trial.loss.lost_packets == 40
    assert trial.tap.unique_packets == 2000
    assert trial.tap.lost_after_packets == 40
    assert [(drop.layer, drop.side, drop.packets) for drop in trial.drops] == [("netfilter", "after_tap", 40)]
    assert trial.unattributed_packets == 0


def test_commands_in_a_guest_have_their_streams_and_their_ends() -> None:
    told = scenario("commands")

    assert told["echo"], "what goes in comes out"
    assert told["digest"] == told["expected_digest"]
    assert told["both"] == [7, "here\n", "there\n"]
    assert told["signal"] == [128 + signal.SIGTERM, "", ""]
    assert told["missing"] == [127, "", "nb-no-such-program: not found\n"]
    assert told["python"] == [0, "guest\n", ""]
    assert told["ignores_input"] == [0, "done\n", ""]
    assert told["at_once"] == [str(number) for number in range(len(told["at_once"]))]
    assert told["in_quick_succession"] == [str([0, "heard\n", ""])]
    assert told["after_killed_doors"] == {"answers": ["clean\n"], "running": 0}
    assert told["read_only"][0] == 1
    assert "Read-only" in told["read_only"][2]


def test_a_guest_that_goes_off_ends_the_commands_in_it() -> None:
    told = scenario("guest_dies")

    assert told["exit_code"] == 255
    assert "the guest has ended" in told["said"]
    assert told["later"][0] == 255
    assert "no guest here" in told["later"][2]


@pytest.mark.parametrize(
    ("wrong", "words", "remedy"),
    [
        ("no such interpreter", "its program ended with status 127", "rm -r"),
        ("empty initramfs", "Kernel panic - not syncing: VFS: Unable to mount root fs", "rm -r"),
        ("no kernel", "could not load kernel", None),
        ("no such card", "'nb-no-such-card' is not a valid device model name", "--version"),
        ("no such tap", "could not configure /dev/net/tun", None),
        ("no time", "did not come up within 0.5 s", "boot_s="),
    ],
)
def test_a_guest_that_does_not_come_up_says_why(wrong: str, words: str, remedy: str | None, broken: Any) -> None:
    told = broken[wrong]

    assert told["kind"] == "CannotRunError"
    assert told["exit_code"] == 3
    assert words in told["message"]
    assert (remedy in told["remedy"]) if remedy else told["remedy"] is None
    assert told["left"] == []
    assert told["seconds"] < 100, "it does not wait for a guest that has ended"


@pytest.fixture(scope="module")
def broken() -> Any:
    return scenario("broken")


def test_a_run_whose_guest_is_too_slow_cannot_run(netbench: Callable[..., Any], tmp_path: Path) -> None:
    done = netbench("run", "-e", "vm-virtio:boot_s=1", "--samples", "1", "-q", "-o", str(tmp_path))

    assert done.returncode == 3
    assert "did not come up within 1 s" in done.stderr
    assert "boot_s" in done.stderr


def test_a_guest_on_an_interface_of_the_users_own() -> None:
    told = scenario("on_parent")

    assert "nic0 will not be made a port" in told["refused"]["vm-virtio"]
    assert "nic0's own traffic" in told["refused"]["vm-macvtap"]
    assert told["received"] == 100
    assert told["reached"] == 0, "the guest answers at its address"
    assert told["built"]["tap"] == ["nic0", []]
    assert told["built"]["sender"] is None
    assert told["built"]["address"] == told["built"]["destination"] == "192.0.2.77"
    assert told["after"] == told["before"]


def test_a_macvtap_that_nobody_tells_of_groups_lets_none_in(measure: Callable[..., Any]) -> None:
    result = measure("-e", "vm-macvtap:allmulticast=no", "--profile", PROFILE, "--samples", "1", "-t", "1s", timeout_s=200)

    (trial,) = result.run.trials
    assert trial.status == "unsupported"
    assert "allmulticast on" in trial.reason
    assert trial.tap.unique_packets == trial.sent.packets > 0
    assert trial.loss is None, "unsupported is not lossy"


def test_a_killed_runner_takes_its_guest_along(netbench: Callable[..., Any], sweeping: None) -> None:
    # GIVEN a guest that stands, with a command in it
    with subprocess.Popen([sys.executable, str(LAB_SCENARIOS), "hold", "vm-virtio"], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        standing = json.loads(runner.stdout.readline())
        (directory,) = directories(runner.pid)
        qemu = [int(path.name) for path in Path("/proc").glob("[0-9]*") if directory.encode() in command_line(int(path.name))]
        assert len(qemu) >= 2, "QEMU and a door"

        # WHEN its runner is killed
        runner.kill()
        runner.wait()

    # THEN the guest is gone, and the sweep finds what is left: a directory
    deadline = time.monotonic() + 20
    while [process for process in (*qemu, standing["agent"]) if directory.encode() in command_line(process)]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert directories(runner.pid) == [directory]
    assert directory in netbench("environments", "--clean").stdout
    assert directories(runner.pid) == []

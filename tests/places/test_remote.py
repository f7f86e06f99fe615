"""`netbench run --site ssh:…`: another machine, played by network and mount namespaces with a real sshd inside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from sshd import Machine, Sshd, cable, drop_at_input, dropped_packets, lossy_cable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a second machine with an sshd takes root")

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
HERE, THERE = "10.77.9.1", "10.77.9.2"
QUICK = ["-t", "0.5s", "--samples", "1", "-q"]
GROUP = ["--profile", "iptv:bitrate=1M"]  # 95 packets a second of 1316 bytes
UNICAST = ["--profile", "unicast:streams=2,bitrate=1M"]
GROUP_PACKETS, UNICAST_PACKETS = 48, 95  # in half a second
WORDS_THERE = ("netbench.agent", "sys.stdin.buffer", "sshd: root")  # an agent, a keeper, a session
EVERY_TENTH = "udp dport 5004 numgen inc mod 10 == 7"


@pytest.fixture
def here() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture
def there(here: Machine) -> Iterator[Machine]:
    with Machine() as machine, cable(here, f"{HERE}/24", machine, f"{THERE}/24"):
        yield machine


@pytest.fixture
def sshd(there: Machine, tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(there, THERE, tmp_path) as server:
        yield server


def measured(here: Machine, site: str, directory: Path, *arguments: str) -> Any:
    done = here.run(*NETBENCH, "run", "--site", site, *QUICK, "-o", directory, *arguments)
    assert done.returncode in (0, 1, 4), done.stderr  # 4: the sender fell short on a busy machine; counts hold all the same
    return json.loads((directory / "run.json").read_text(encoding="utf-8"))


def refused(here: Machine, site: str, directory: Path, *arguments: str, exit_code: int = 3) -> str:
    done = here.run(*NETBENCH, "run", "--site", site, *QUICK, "-o", directory / "out", *arguments)
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert own_directories() == []
    return " ".join(done.stderr.split())


def own_directories() -> list[str]:
    """Directories of control sockets here whose process is dead."""
    found = []
    for path in Path(tempfile.gettempdir()).glob("nb-ssh-*"):
        if not Path(f"/proc/{path.name.split('-')[2]}").exists():
            found.append(path.name)
    return found


def assert_nothing_left(sshd: Sshd, timeout_s: float = 15.0) -> None:
    """Soon: no session, no agent, no keeper and no directory at the far end; no control socket here."""
    deadline = time.monotonic() + timeout_s
    left: list[object] = ["not looked yet"]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        running = [line for word in WORDS_THERE for line in sshd.machine.command_lines(word)]
        left = [*sshd.home.iterdir(), *running, *own_directories()]
    assert left == []


def test_groups_and_unicast_arrive_and_every_packet_is_accounted_for(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    known = sshd.known_hosts.read_bytes()

    run = measured(here, sshd.target, tmp_path / "out", *GROUP, *UNICAST)

    assert len(run["trials"]) == 2
    for trial, packets in zip(run["trials"], (GROUP_PACKETS, UNICAST_PACKETS), strict=True):
        assert trial["sent"]["sequences_sent"] == packets
        assert trial["received"]["unique_packets"] == packets
        assert trial["tap"]["unique_packets"] == packets
        assert trial["tap"]["matched_packets"] == packets
        assert trial["loss"]["lost_packets"] == 0
        assert trial["unattributed_packets"] == 0
        assert trial["clock_sync"] == "unsynced"
        assert trial["one_way_delay_us"] is None
        assert trial["absent"]["one_way_delay_us"] == "sender and receiver share no clock"
        assert "another machine" in trial["absent"]["counters.kernel"]
    environment = run["environments"][0]
    assert environment["available"]
    assert environment["interface"] == "eth0"
    assert environment["facts"]["values"]["interface"]
    assert any("carried over" in remark for remark in environment["remarks"])
    assert sshd.known_hosts.read_bytes() == known
    assert_nothing_left(sshd)


def test_the_same_netbench_installed_there_is_used_as_it_is(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    run = measured(here, f"{sshd.target},python={sys.executable}", tmp_path / "out", *GROUP)

    assert run["trials"][0]["received"]["unique_packets"] == GROUP_PACKETS
    assert not any("carried over" in remark for remark in run["environments"][0]["remarks"])
    assert_nothing_left(sshd)


def test_loss_inside_the_machine_is_exact_and_named(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    drop_at_input(sshd.machine, EVERY_TENTH)

    run = measured(here, sshd.target, tmp_path / "out", *GROUP)

    trial, lost = run["trials"][0], dropped_packets(sshd.machine)
    assert lost == GROUP_PACKETS // 10 + 1  # the numbers 7, 17, 27, 37 and 47
    assert trial["loss"]["lost_packets"] == lost
    assert trial["tap"]["unique_packets"] == GROUP_PACKETS
    assert (trial["tap"]["lost_before_packets"], trial["tap"]["lost_after_packets"]) == (0, lost)
    assert [(drop["layer"], drop["side"], drop["packets"]) for drop in trial["drops"]] == [("netfilter", "after_tap", lost)]
    assert trial["unattributed_packets"] == 0


def test_loss_on_the_way_is_exact_before_that_machine_and_blamed_on_nobody(tmp_path: Path) -> None:
    with (
        Machine() as here,
        Machine() as there,
        lossy_cable(here, f"{HERE}/24", there, f"{THERE}/24", EVERY_TENTH) as middle,
        Sshd(there, THERE, tmp_path) as sshd,
    ):
        run = measured(here, sshd.target, tmp_path / "out", *GROUP)
        lost = dropped_packets(middle)
        assert_nothing_left(sshd)

    trial = run["trials"][0]
    assert lost == GROUP_PACKETS // 10 + 1
    assert trial["loss"]["lost_packets"] == lost
    assert trial["tap"]["unique_packets"] == GROUP_PACKETS - lost
    assert (trial["tap"]["lost_before_packets"], trial["tap"]["lost_after_packets"]) == (lost, 0)
    assert trial["drops"] == []
    assert trial["unattributed_packets"] == lost


def test_where_packet_sockets_are_not_permitted_there_is_no_tap_and_the_loss_is_still_counted(
    here: Machine, there: Machine, tmp_path: Path
) -> None:
    # An ordinary user there, as sshd sees it: root without the capability, by a program of the session.
    forced = 'ForceCommand exec setpriv --bounding-set=-net_raw,-net_admin --inh-caps=-all /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    drop_at_input(there, EVERY_TENTH)
    with Sshd(there, THERE, tmp_path, forced) as sshd:
        run = measured(here, sshd.target, tmp_path / "out", *GROUP)
        lost = dropped_packets(there)

    trial = run["trials"][0]
    assert trial["tap"] is None
    assert trial["loss"]["lost_packets"] == lost == GROUP_PACKETS // 10 + 1
    assert sum(drop["packets"] for drop in trial["drops"]) + trial["unattributed_packets"] == lost
    assert any("Packet sockets are not permitted" in remark for remark in run["environments"][0]["remarks"])


def test_a_key_that_is_not_accepted(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    sshd.authorize("other_key")

    said = refused(here, sshd.target, tmp_path)

    assert "accepts none of the keys here" in said
    assert "ssh-copy-id" in said
    assert f"ssh -F {sshd.config} -p {sshd.port} root@{THERE} true" in said
    assert_nothing_left(sshd)


def test_a_port_where_nothing_listens(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    said = refused(here, f"ssh:root@{THERE}:2223,ssh_config={sshd.config}", tmp_path)

    assert "nothing listens at that port" in said
    assert "Connection refused" in said


def test_a_host_key_that_nobody_has_checked_is_not_accepted(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    sshd.trust(None)

    said = refused(here, sshd.target, tmp_path)

    assert "its host key is not known here" in said
    assert "check the fingerprint" in said
    assert sshd.known_hosts.read_bytes() == b""


def test_a_host_key_that_has_changed(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    sshd.trust("other_key")
    before = sshd.known_hosts.read_bytes()

    said = refused(here, sshd.target, tmp_path)

    assert "its host key is not the one that known_hosts holds" in said
    assert "ssh-keygen -R" in said
    assert sshd.known_hosts.read_bytes() == before


def test_a_machine_without_python(here: Machine, there: Machine, tmp_path: Path) -> None:
    forced = f'ForceCommand exec /usr/bin/env PATH={tmp_path} /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    with Sshd(there, THERE, tmp_path, forced) as sshd:
        said = refused(here, sshd.target, tmp_path)
        assert_nothing_left(sshd)

    assert f"There is no Python 3.11 or newer on root@{THERE}: python3 said: " in said
    assert "not found" in said
    assert "install python3 there" in said


def test_an_account_that_runs_no_command(here: Machine, there: Machine, tmp_path: Path) -> None:
    with Sshd(there, THERE, tmp_path, 'ForceCommand echo "This account is not available." >&2; exit 1') as sshd:
        said = refused(here, sshd.target, tmp_path)

    assert "the command there could not be run" in said
    assert "This account is not available." in said


@pytest.mark.parametrize(
    ("option", "reason", "remedy"),
    [
        ("interface=eth7", "has no interface eth7 that is up", "name it"),
        ("python=/usr/bin/python9", "/usr/bin/python9 said: ", "python=/path/to/python3"),
        ("sender_interface=eth7", "This machine has no interface eth7", "sender_interface=NAME"),
        ("address=192.0.2.9", "No route of this machine leads to 192.0.2.9", "ip route get 192.0.2.9"),
    ],
)
def test_what_does_not_fit_there_is_told(here: Machine, sshd: Sshd, tmp_path: Path, option: str, reason: str, remedy: str) -> None:
    said = refused(here, f"{sshd.target},{option}", tmp_path)

    assert reason in said
    assert remedy in said
    assert_nothing_left(sshd)


def test_a_router_in_between_wants_a_ttl(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    here.run("ip", "route", "add", "192.0.2.0/24", "via", THERE, check=True)
    sshd.machine.run("ip", "address", "add", "192.0.2.9/24", "dev", "lo", check=True)

    said = refused(here, f"{sshd.target},address=192.0.2.9", tmp_path)
    run = measured(here, f"{sshd.target},address=192.0.2.9,interface=eth0,ttl=2", tmp_path / "out", *UNICAST)

    assert "a router lies between, and test packets are sent with TTL 1" in said
    assert "ttl=" in said
    assert run["trials"][0]["loss"]["lost_packets"] == 0
    assert run["trials"][0]["received"]["unique_packets"] == UNICAST_PACKETS


def test_this_very_machine_is_no_other_one(here: Machine, there: Machine, tmp_path: Path) -> None:
    with Sshd(here, HERE, tmp_path) as sshd:
        said = refused(here, sshd.target, tmp_path)
        assert_nothing_left(sshd)

    assert "is this very machine" in said
    assert "netbench run -e host" in said


def test_an_ordinary_user_measures_other_machines_but_not_beside_a_lab(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    ordinary = [
        "setpriv",
        "--bounding-set",
        "-all,+setfcap",
        "--inh-caps",
        "-all",
        *NETBENCH,
        "run",
        "--site",
        sshd.target,
        *QUICK,
        *GROUP,
    ]

    alone = here.run(*ordinary, "-o", tmp_path / "alone")
    beside = here.run(*ordinary, "-e", "host", "-o", tmp_path / "beside")

    assert alone.returncode in (0, 1, 4), alone.stderr
    trial = json.loads((tmp_path / "alone" / "run.json").read_text(encoding="utf-8"))["trials"][0]
    assert trial["received"]["unique_packets"] == GROUP_PACKETS
    assert beside.returncode in (0, 1, 4), beside.stderr
    host, remote = json.loads((tmp_path / "beside" / "run.json").read_text(encoding="utf-8"))["environments"]
    assert host["available"]
    assert not remote["available"]
    assert "ordinary user has no network to the outside" in remote["reason"]
    assert_nothing_left(sshd)


def test_a_real_network_is_not_flooded_by_accident(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    said = refused(here, sshd.target, tmp_path, "--profile", "lineup", exit_code=2)

    assert "profile lineup sends 500 Mb/s onto a real network" in said
    assert "--uncapped" in said
    assert "Accepted" not in sshd.log


@pytest.mark.parametrize(
    "text", ["root@10.0.0.1", "ssh:", "ssh:-oProxyCommand=x", "ssh:a@b:c", "ssh:host:70000", "ssh:host,colour=red"]
)
def test_what_names_no_machine_is_a_usage_error(here: Machine, tmp_path: Path, text: str) -> None:
    assert "ssh:" in refused(here, text, tmp_path, exit_code=2) or "colour" in text


def test_ctrl_c_keeps_what_was_measured_and_clears_away(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    run = start_long_run(here, sshd, tmp_path / "out")

    os.kill(netbench_process(here), signal.SIGINT)
    run.communicate(timeout=30)

    assert run.returncode == 130
    assert json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["status"] == "interrupted"
    assert_nothing_left(sshd)


def test_killing_the_runner_leaves_no_agent_and_no_directory(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    run = start_long_run(here, sshd, tmp_path / "out")
    assert list(sshd.home.iterdir()), "the pieces are there while it runs"

    os.kill(netbench_process(here), signal.SIGKILL)
    run.communicate(timeout=30)

    assert_nothing_left(sshd)


def test_what_a_killed_keeper_left_is_removed_by_the_next_one(here: Machine, sshd: Sshd, tmp_path: Path) -> None:
    run = start_long_run(here, sshd, tmp_path / "first")
    left = [path.name for path in sshd.home.iterdir()]
    keeper = int(left[0].split("-")[2])
    os.kill(keeper, signal.SIGKILL)
    os.kill(netbench_process(here), signal.SIGKILL)
    run.communicate(timeout=30)
    assert [path.name for path in sshd.home.iterdir()] == left

    measured(here, sshd.target, tmp_path / "second", *GROUP)

    assert_nothing_left(sshd)


def start_long_run(here: Machine, sshd: Sshd, directory: Path) -> subprocess.Popen[str]:
    """A run that is in the middle of a trial: a receiver, a tap and a keeper are at work there."""
    run = here.start(
        *NETBENCH, "run", "--site", sshd.target, *GROUP, "-t", "60s", "--samples", "1", "-q", "-o", directory,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 40
    while len(sshd.machine.processes("netbench.agent")) < 2:
        assert run.poll() is None and time.monotonic() < deadline, run.communicate(timeout=5)
        time.sleep(0.05)
    time.sleep(0.5)
    return run


def netbench_process(here: Machine) -> int:
    """The runner: nsenter, which was started, replaced itself by it."""
    runners = [process for process in here.processes("--site") if b"netbench" in Path(f"/proc/{process}/cmdline").read_bytes()]
    return min(runners)

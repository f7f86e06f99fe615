"""`netbench run -i IF --live G:PORT`: a site with an interface of its own, and a feed that ffmpeg makes on another machine.

Loss is put in by nft at known places: on the wire before the interface, at the host's input, in one probe's own network.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from docker_daemon import DockerDaemon, why_no_daemon
from sshd import Machine, Sshd, cable, drop_at_input, lossy_cable

from netbench.environments import registry

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a site with an interface of its own takes root")

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
SITE, FEED, OTHER = "10.77.8.2", "10.77.8.1", "10.77.8.9"
GROUP, PORT = "239.1.1.1", 5000
TS = f"udp://{GROUP}:{PORT}"
SSM = "232.1.1.1"
PICTURE = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "8"]


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a transport stream, made once: playing it costs little."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed; make setup-test installs it")
    path = tmp_path_factory.mktemp("feed") / "feed.ts"
    codecs = ["-c:v", "mpeg2video", "-b:v", "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "1M", "-c:a", "mp2"]
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", *PICTURE, *codecs, "-f", "mpegts", str(path)],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return path


@pytest.fixture
def feeder() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture
def site(feeder: Machine) -> Iterator[Machine]:
    with Machine() as machine, cable(feeder, f"{FEED}/24", machine, f"{SITE}/24"):
        yield machine


@contextmanager
def playing(machine: Machine, recording: Path, *outputs: str) -> Iterator[None]:
    """The recording, over and over, to each output (ffmpeg's own words for it)."""
    command = ["ffmpeg", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(recording)]
    for output in outputs:
        form = "rtp_mpegts" if output.startswith("rtp:") else "mpegts"
        size = 1328 if form == "rtp_mpegts" else 1316
        command += [
            "-map",
            "0",
            "-c",
            "copy",
            "-t",
            "100",
            "-f",
            form,
            f"{output}{'&' if '?' in output else '?'}pkt_size={size}&ttl=1",
        ]
    process = machine.start(*command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, "the feed ended too early"
    finally:
        process.kill()
        process.wait()


def measured(
    site: Machine,
    directory: Path,
    *arguments: str,
    exit_codes: tuple[int, ...] = (0,),
    environment: dict[str, str] | None = None,
) -> Any:
    command = [*NETBENCH, "run", "-i", "eth0", "-t", "2", "--samples", "1", "-q", "-o", directory, *arguments]
    done = site.run(*command, timeout_s=110, env={**os.environ, **(environment or {})})
    assert done.returncode in exit_codes, done.stdout + done.stderr
    return json.loads((directory / "run.json").read_text(encoding="utf-8"))


def trials(run: Any) -> dict[str, Any]:
    return {trial["environment"]: trial for trial in run["trials"]}


def verdicts(run: Any) -> dict[str, Any]:
    return {verdict["environment"]: verdict for verdict in run["verdicts"]}


def as_found(site: Machine, *others: str) -> list[Any]:
    """Everything of the site's interfaces that must not change, and the namespaces that are named there.

    Args:
        site: whose.
        others: interfaces that are somebody else's: only that they are there must not change.
    """
    told = [
        [
            found if found["ifname"] not in others else found["ifname"]
            for found in json.loads(site.run("ip", *words, check=True).stdout)
        ]
        for words in (("-d", "-j", "link", "show"), ("-j", "address", "show"), ("-j", "maddress", "show"))
    ]
    return [*told, site.run("ip", "netns").stdout]


def balanced(trial: Any) -> None:
    """tap == matched + lost, expected == received + lost, lost == drops + unattributed."""
    loss, tap, received = trial["loss"], trial["tap"], trial["received"]
    before = loss["feed_packets"]
    assert tap["unique_packets"] == received["unique_packets"] - tap["not_at_tap_packets"] + tap["lost_after_packets"]
    assert loss["expected_packets"] == received["unique_packets"] + loss["lost_packets"]
    assert loss["lost_packets"] == tap["lost_after_packets"] + tap["lost_before_packets"]
    assert loss["lost_packets"] == sum(drop["packets"] for drop in trial["drops"]) + trial["unattributed_packets"]
    assert before == sum(drop["packets"] for drop in trial["drops"] if drop["layer"] == "feed")
    assert sum(stream["lost_packets"] for stream in tap["streams"]) == tap["lost_after_packets"]
    assert sum(stream["tap_packets"] for stream in tap["streams"]) == tap["packets"]


def every(period: int, packets: int) -> set[int]:
    """How many of so many packets in a row a rule takes that takes every one of a period."""
    return {packets // period, packets // period + 1}


def test_a_feed_reaches_every_environment_at_once_and_the_interface_is_left_as_found(
    site: Machine, feeder: Machine, recording: Path, tmp_path: Path
) -> None:
    before = as_found(site)
    with playing(feeder, recording, TS):
        environments = ("-e", "host", "-e", "macvlan", "-e", f"macvlan:receivers=2,address={SITE[:-1]}70/24", "-e", "bridge")
        run = measured(site, tmp_path, "--live", TS, *environments, exit_codes=(4,))

    assert as_found(site) == before
    found = trials(run)
    assert [trial["status"] for trial in run["trials"]] == ["ok", "ok", "ok"]
    assert run["plan"]["live"] == [{"group": GROUP, "port": PORT, "source": None}]
    assert (run["plan"]["interface"], run["plan"]["profiles"]) == ("eth0", [])
    at_tap = {trial["tap"]["packets"] for trial in found.values()}
    assert len(at_tap) == 1 and at_tap.pop() > 100, "one tap, one feed, one time"
    for trial in found.values():
        balanced(trial)
        assert trial["sent"] is None and "nobody sent" in trial["absent"]["sent"]
        assert trial["loss"]["lost_packets"] == 0 == trial["received"]["duplicate_packets"]
        assert trial["mpegts"]["cc_errors"] == 0
        assert trial["tap"]["matched_packets"] > 0 and trial["tap"]["transit_us"] is not None
        [flow] = trial["tap"]["streams"]
        assert (flow["feed"], flow["kind"]) == (f"{GROUP}:{PORT}", "mpegts")
    assert len(found[f"macvlan:receivers=2,address={SITE[:-1]}70/24"]["other_receivers"]) == 1
    assert verdicts(run)["host"]["hypotheses"]["H1"]["verdict"] == "pass"
    [refused] = [record for record in run["environments"] if not record["available"]]
    assert refused["name"] == "bridge" and "eth0" in refused["reason"]
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "at the tap" in summary and "| sent |" not in summary
    assert f"Live feed {GROUP}:{PORT} on eth0" in summary


def test_loss_behind_the_tap_is_that_of_the_environment_that_lost(
    site: Machine, feeder: Machine, recording: Path, tmp_path: Path
) -> None:
    drop_at_input(site, f"iifname eth0 udp dport {PORT} numgen inc mod 20 == 7")
    with playing(feeder, recording, TS):
        environments = ("-e", "host", "-e", "macvlan", "-e", "macvlan:inject_drop_every=10")
        run = measured(site, tmp_path, "--live", TS, *environments, exit_codes=(1,))

    found = trials(run)
    for trial in found.values():
        balanced(trial)
        assert trial["tap"]["lost_before_packets"] == 0
    packets = found["host"]["tap"]["packets"]
    assert found["macvlan"]["loss"]["lost_packets"] == 0
    assert found["host"]["loss"]["lost_packets"] in every(20, packets)
    assert found["macvlan:inject_drop_every=10"]["loss"]["lost_packets"] in every(10, packets)
    assert found["host"]["loss"]["longest_loss_packets"] == 1
    assert {drop["layer"] for drop in found["host"]["drops"]} == {"netfilter"}
    assert found["host"]["unattributed_packets"] == 0
    words = {label: verdict["hypotheses"]["H1"]["verdict"] for label, verdict in verdicts(run).items()}
    assert words == {"host": "fail", "macvlan": "pass", "macvlan:inject_drop_every=10": "fail"}
    assert verdicts(run)["host"]["hypotheses"]["H3"]["verdict"] == "fail", "a probe there would blame the network"


@pytest.mark.parametrize("feed", [TS, f"rtp://{GROUP}:{PORT}"])
def test_holes_that_the_feed_has_before_it_comes_are_nobodys_fault_here(
    feeder: Machine, recording: Path, tmp_path: Path, feed: str
) -> None:
    with (
        Machine() as site,
        lossy_cable(feeder, f"{FEED}/24", site, f"{SITE}/24", f"udp dport {PORT} numgen inc mod 25 == 7"),
        playing(feeder, recording, feed),
    ):
        run = measured(site, tmp_path, "--live", feed, "-e", "host", "-e", "macvlan")

    found = trials(run)
    for trial in found.values():
        balanced(trial)
        assert trial["tap"]["lost_after_packets"] == 0
        assert trial["loss"]["lost_packets"] == trial["loss"]["feed_packets"] == trial["tap"]["lost_before_packets"]
        assert [drop["side"] for drop in trial["drops"]] == ["before_tap"]
    missing = {trial["loss"]["feed_packets"] for trial in found.values()}
    assert len(missing) == 1
    packets = found["host"]["tap"]["packets"]
    offered = packets + missing.copy().pop()
    if feed == TS:  # by continuity: holes of datagrams that hold no payload of a PID do not show, so at least so many
        assert 0 < missing.pop() <= offered // 25 + 1
        assert found["host"]["tap"]["streams"][0]["cc_errors"] > 0
    else:  # by sequence: those at the two ends do not show
        assert abs(missing.pop() - offered / 25) < 2
    assert {verdict["hypotheses"]["H1"]["verdict"] for verdict in run["verdicts"]} == {"pass"}
    assert "missing in the feed before it came here" in verdicts(run)["host"]["hypotheses"]["H1"]["sentence"]
    assert "The feed itself has holes" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_one_source_of_a_group_is_told_from_another_and_a_silent_feed_is_named(
    site: Machine, feeder: Machine, recording: Path, tmp_path: Path
) -> None:
    feeder.run("ip", "address", "add", f"{OTHER}/24", "dev", "eth0", check=True)
    feeds = [f"udp://{SSM}:{PORT}?localaddr={address}" for address in (FEED, OTHER)]
    silent = "239.9.9.9:5999"
    with playing(feeder, recording, *feeds):
        run = measured(site, tmp_path, "--live", f"udp://{OTHER}@{SSM}:{PORT}", "--live", silent, "-e", "host", "-e", "macvlan")

    for trial in run["trials"]:
        balanced(trial)
        assert trial["loss"]["lost_packets"] == 0
        heard, unheard = trial["tap"]["streams"]
        assert heard["source"].startswith(f"{OTHER}:") and heard["tap_packets"] == trial["tap"]["packets"] > 100
        assert (unheard["feed"], unheard["source"], unheard["tap_packets"]) == (silent, None, 0)
    assert f"Nothing of {silent} came" in (tmp_path / "summary.md").read_text(encoding="utf-8").replace("\\", "")


def test_silence_is_no_verdict(site: Machine, tmp_path: Path) -> None:
    run = measured(site, tmp_path, "--live", f"{GROUP}:{PORT}", "-t", "0.5", "-e", "host", "-e", "macvlan", exit_codes=(4,))

    assert [trial["status"] for trial in run["trials"]] == ["silent", "silent"]
    reason = run["trials"][0]["reason"]
    assert f"No packet of {GROUP}:{PORT} came in" in reason and "querier" in reason
    assert {verdict["verdict"] for verdict in run["verdicts"]} == {"inconclusive"}
    assert all(any("tcpdump" in (remedy["command"] or "") for remedy in verdict["remedies"]) for verdict in run["verdicts"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_cut_off_leaves_the_interface_as_found(
    site: Machine, feeder: Machine, recording: Path, tmp_path: Path, how: signal.Signals
) -> None:
    before = as_found(site)
    with playing(feeder, recording, TS):
        command = ("run", "-i", "eth0", "--live", TS, "-t", "60", "-o", tmp_path)
        process = site.start(*NETBENCH, *command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not listening(site) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert listening(site), "the run never came to listening"
        assert as_found(site) != before, "there is something to undo"
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130, errors
        assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["status"] == "interrupted"
    deadline = time.monotonic() + 30
    while as_found(site) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert as_found(site) == before
    assert site.processes("netbench.agent") == []


def listening(site: Machine) -> bool:
    return GROUP in site.run("ip", "maddress", "show", "dev", "eth0").stdout and len(site.processes("netbench.agent")) >= 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-i", "eth0"], ["nothing says what", "--live 239.1.1.1:5000", "--sender"]),
        (["--live", TS], ["a live feed comes in by an interface"]),
        (["-i", "eth0", "--live", "10.0.0.1:5000"], ["no multicast group"]),
        (["-i", "eth0", "--live", "239.1.1.1"], ["is no feed", "udp://239.1.1.1:5000"]),
        (["-i", "eth0", "--live", TS, "--live", f"{GROUP}:{PORT}"], ["live feed named twice"]),
        (["-i", "eth0", "--live", TS, "--profile", "iptv"], ["--profile is what a sender sends"]),
        (["-i", "eth0", "--live", TS, "--sender", "ssh:root@10.0.0.1"], ["both were given"]),
        (["--sender", "ssh:root@10.0.0.1"], ["needs the interface"]),
        (["-i", "eth9", "--live", TS], ["There is no interface 'eth9'", "eth0"]),
        (["-i", "eth0", "--live", TS, "-e", "host:inject_drop_every=5"], ["own traffic"]),
        (["-i", "eth0", "--live", TS, "-e", "macvlan:mode=passthru"], ["this host would lose it"]),
    ],
)
def test_mistakes_are_told_with_what_to_type(site: Machine, tmp_path: Path, arguments: list[str], told: list[str]) -> None:
    done = site.run(*NETBENCH, "run", *arguments, "-q", "-o", tmp_path)

    assert done.returncode == 2, done.stderr
    words = " ".join(done.stderr.split())
    assert "Traceback" not in words
    for part in told:
        assert part in words


def test_an_ordinary_user_is_told_the_command_for_root(site: Machine, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    command = ["run", "-i", "eth0", "--live", TS, "-o", str(tmp_path)]
    done = site.run("setpriv", "--reuid", nobody.pw_uid, "--regid", nobody.pw_gid, "--clear-groups", *NETBENCH, *command)

    assert done.returncode == 3, done.stderr
    assert f"sudo {sys.executable} -m netbench {' '.join(command)}" in " ".join(done.stderr.split())


def test_another_machine_listens_at_the_same_time(site: Machine, feeder: Machine, recording: Path, tmp_path: Path) -> None:
    """The site itself, reached by ssh: another clock, as far as netbench knows."""
    keys = tmp_path / "keys"
    keys.mkdir()
    with Sshd(site, SITE, keys) as server, playing(feeder, recording, TS):
        run = measured(site, tmp_path / "out", "--live", TS, "-e", "host", "--site", server.target)

    host, there = run["trials"]
    assert (host["environment"], there["status"]) == ("host", "ok"), there["reason"]
    for trial in run["trials"]:
        balanced(trial)
        assert trial["loss"]["lost_packets"] == 0
    assert there["tap"]["packets"] == host["tap"]["packets"] > 100
    assert there["tap"]["transit_us"] is None and there["tap"]["distortion_us"] is not None


def test_another_machine_sends_the_profiles(site: Machine, feeder: Machine, tmp_path: Path) -> None:
    before = as_found(site)
    keys = tmp_path / "keys"
    keys.mkdir()
    with Sshd(feeder, FEED, keys) as server:
        environments = ("-e", "host", "-e", f"macvlan:address={SITE[:-1]}70/24")
        profiles = ("--profile", "iptv:bitrate=1M", "--profile", "unicast:streams=2,bitrate=1M")
        run = measured(
            site, tmp_path / "out", "--sender", server.target, "-t", "0.5", *environments, *profiles, exit_codes=(0, 1, 4)
        )

    assert as_found(site) == before
    assert run["plan"]["live"] == []
    assert len(run["trials"]) == 4
    for trial in run["trials"]:
        assert trial["sent"]["packets"] == {"iptv": 48, "unicast": 95}[trial["profile"].partition(":")[0]]
        assert trial["loss"]["lost_packets"] == 0
        assert trial["tap"]["unique_packets"] == trial["sent"]["packets"]
        assert trial["one_way_delay_us"] is None, "two machines, two clocks"


@pytest.fixture
def daemon(site: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """A Docker daemon of the site's own: it sees the interface that its networks hang on."""
    reason = why_no_daemon()
    if reason is not None:
        pytest.skip(reason)
    enter = ["nsenter", f"--net=/proc/{site.process}/ns/net", "unshare", "--mount", "--propagation", "private"]
    running = DockerDaemon(tmp_path_factory.mktemp("docker"), enter)
    try:
        yield running
    finally:
        running.close()


def test_containers_hear_the_feed_where_their_network_lets_it_in(
    site: Machine, feeder: Machine, recording: Path, tmp_path: Path, daemon: DockerDaemon
) -> None:
    before = as_found(site, "docker0")
    with playing(feeder, recording, TS):
        environments = ("-e", "host", "-e", "docker-host", "-e", "docker-macvlan", "-e", "docker-bridge")
        run = measured(site, tmp_path, "--live", TS, *environments, environment={"DOCKER_HOST": daemon.host}, exit_codes=(0,))

    assert as_found(site, "docker0") == before
    assert daemon.holdings() == []
    found = trials(run)
    assert {label: trial["status"] for label, trial in found.items()} == {
        "host": "ok",
        "docker-host": "ok",
        "docker-macvlan": "ok",
        "docker-bridge": "unsupported",
    }
    for label in ("host", "docker-host", "docker-macvlan"):
        balanced(found[label])
        assert found[label]["loss"]["lost_packets"] == 0, label
    packets = found["host"]["tap"]["packets"]
    assert packets > 100 and found["docker-bridge"]["tap"]["packets"] == packets
    assert found["docker-bridge"]["reason"].startswith(f"0 of {packets:,} packets that the tap saw arrived at the probe")
    assert verdicts(run)["docker-bridge"]["verdict"] == "unsupported"


def test_a_guest_on_a_macvtap_hears_the_feed_by_a_clock_of_its_own(
    site: Machine, feeder: Machine, recording: Path, tmp_path: Path
) -> None:
    unavailable = registry.environment("vm-macvtap").available()
    if unavailable is not None:
        pytest.skip(unavailable.reason)
    before = as_found(site)
    with playing(feeder, recording, TS):
        run = measured(site, tmp_path, "--live", TS, "-e", "host", "-e", "vm-macvtap", exit_codes=(0, 1, 4))

    assert as_found(site) == before
    guest = trials(run)["vm-macvtap"]
    assert guest["status"] == "ok", guest["reason"]
    balanced(guest)
    packets = guest["tap"]["packets"]
    assert packets == trials(run)["host"]["tap"]["packets"] > 100
    assert guest["received"]["unique_packets"] > packets // 2, "an emulated guest may lose, but it hears the feed"
    assert guest["tap"]["transit_us"] is None and "clock" in guest["tap"]["absent"]["transit_us"]
    assert guest["tap"]["distortion_us"] is not None

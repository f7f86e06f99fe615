"""Docker's environments on a real daemon: three ways to an address, management apart, CPU limits, capabilities, images."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from docker_daemon import DockerDaemon

HERE = Path(__file__).parent
CONTRACT = HERE.parent / "contract" / "lab_scenarios.py"
ALL = list(range(100))
NET_ADMIN, NET_RAW = 1 << 12, 1 << 13

pytestmark = pytest.mark.usefixtures("docker_daemon")


def played(script: Path, name: str, environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", str(script), name, environment], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def reach(environment: str) -> tuple[dict[str, Any], list[IPv4Address], IPv4Network]:
    """All that it claims to reach is reached; the containers' addresses and the subnet of the wire."""
    result = played(CONTRACT, "reach", environment)
    for transfer in result["transfers"].values():
        assert transfer["numbers"] == dict.fromkeys(transfer["numbers"], ALL)
    addresses = [IPv4Address(address) for _, address, _ in result["sites"].values()]
    assert result["left"] == []
    return result, addresses, IPv4Network((addresses[0], 24), strict=False)


def scenario(name: str, environment: str) -> dict[str, Any]:
    return played(HERE / "docker_scenarios.py", name, environment)


def links_at(daemon: DockerDaemon) -> list[str]:
    """Interfaces of ours in the daemon's network; the kernel takes them down in its own time."""
    command = ["nsenter", f"--net=/proc/{daemon.process_id}/ns/net", "ip", "-br", "link"]
    deadline = time.monotonic() + 10
    while True:
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        ours = [line for line in told.splitlines() if line.startswith("nb")]
        if not ours or time.monotonic() > deadline:
            return ours
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def nothing_at_the_daemon(docker_daemon: DockerDaemon) -> Iterator[None]:
    before = docker_daemon.holdings()
    yield
    assert docker_daemon.holdings() == before
    assert links_at(docker_daemon) == []


# The three ways to an address of a macvlan network


def test_without_an_address_the_engine_gives_the_first_that_is_free() -> None:
    _, addresses, subnet = reach("docker-macvlan:receivers=2")

    assert addresses == [subnet[2], subnet[3]]  # the first one is the router's


def test_a_fixed_address_is_the_containers() -> None:
    result, addresses, _ = reach("docker-macvlan:address=198.19.201.50")

    assert addresses == [IPv4Address("198.19.201.50")]
    assert any("--ip 198.19.201.50" in command for command in result["built_by"])


def test_a_pool_gives_addresses_of_its_range_and_leaves_the_auxiliary_one() -> None:
    result, addresses, _ = reach("docker-macvlan:receivers=2,ip_range=198.19.202.64/29,aux_address=198.19.202.65")

    assert addresses == [IPv4Address("198.19.202.64"), IPv4Address("198.19.202.66")]
    created = next(command for command in result["built_by"] if "network create" in command)
    assert "--ip-range 198.19.202.64/29 --aux-address taken=198.19.202.65" in created


def test_a_pool_can_be_the_labs_own_choice() -> None:
    _, addresses, subnet = reach("docker-macvlan:pool=yes")

    upper = list(subnet.subnets())[1]
    assert addresses[0] in upper
    assert addresses[0] != upper[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("address=192.0.2.1", "An address of the lab is one of 198.18.0.0/15"),
        ("address=here", "address, ip_range or aux_address cannot be read"),
        ("address=198.19.203.5,pool=yes", "A fixed address and a pool exclude each other"),
        ("ip_range=198.19.203.0/29,aux_address=198.19.204.1", "198.19.204.1 is not in the subnet 198.19.203.0/24"),
        ("address=198.19.203.254", "198.19.203.254 is the address of"),
        ("mode=passthru,receivers=2", "passthru gives the parent to one macvlan alone"),
        ("python=image", "no image is named"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: str, told: str) -> None:
    result = played(CONTRACT, "refused_options", f"docker-macvlan:{options}")

    assert result["kind"] == "UsageError"
    assert told in result["message"]
    assert result["left"] == []


# Management traffic, and the host


@pytest.fixture(scope="module")
def apart() -> dict[str, Any]:
    return scenario("apart", "docker-macvlan:management=yes")


@pytest.mark.parametrize("way", ["measured group", "measured unicast"])
def test_measured_traffic_does_not_reach_the_management_network(apart: dict[str, Any], way: str) -> None:
    assert apart[way] == {"sent": 100, "got": ALL, "management": []}


def test_management_traffic_reaches_neither_the_probes_interface_nor_the_wire(apart: dict[str, Any]) -> None:
    assert apart["management"] == {"sent": 100, "got": ALL, "probe": [], "tap": []}
    assert apart["management to host"]["got"] == ALL
    assert apart["management to host"]["probe"] == []


def test_container_and_host_do_not_reach_each_other_over_macvlan(apart: dict[str, Any]) -> None:
    assert apart["host to container"]["got"] == []
    assert apart["container to host"]["got"] == []
    assert apart["container to wire"]["got"] == ALL, "it is the host alone that it does not reach"


def test_the_default_route_is_that_of_the_measured_network(apart: dict[str, Any]) -> None:
    assert apart["default route"] == [apart["probe"]]


# What a container may do, and what runs in it


@pytest.mark.parametrize("name", ["docker-host", "docker-macvlan", "docker-bridge"])
def test_a_container_has_the_capabilities_that_it_needs_and_the_report_names_them(name: str) -> None:
    told = scenario("inside", name)

    needs_admin = int(Path("/proc/sys/net/core/rmem_max").read_text()) < 64 << 20
    assert told["capabilities"] == NET_RAW | (NET_ADMIN if needs_admin else 0)
    assert told["forced"] == needs_admin
    assert told["no_new_privileges"] == "1"
    sentence = next(remark for remark in told["remarks"] if "No --privileged" in remark)
    assert "NET_RAW" in sentence
    assert ("NET_ADMIN" in sentence) == needs_admin


def test_a_cpu_limit_is_the_containers_own() -> None:
    told = scenario("inside", "docker-bridge:cpus=0.2")

    assert (told["quota_us"], told["period_us"]) == (20_000, 100_000)


def libraries_of(files: list[str]) -> set[str]:
    listed = subprocess.run(["ldd", *files], capture_output=True, text=True, timeout=60, check=False).stdout
    words = (word for line in listed.splitlines() for word in line.split())
    return {word for word in words if word.startswith("/") and not word.endswith(":")}


@pytest.fixture(scope="module")
def python_image(docker_daemon: DockerDaemon) -> Iterator[str]:
    """An image with this Python, its standard library and its libraries, and nothing else: no netbench."""
    program, library = os.path.realpath(sys.executable), sysconfig.get_path("stdlib")
    modules = [str(path) for path in Path(library, "lib-dynload").glob("*.so")]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        tar.add(program)
        for path in sorted(libraries_of([program, *modules])):
            tar.add(path)
        tar.add(library, filter=lambda info: None if info.name.endswith(("-packages", "/test", "__pycache__")) else info)
        link = tarfile.TarInfo("usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, program
        if program != "/usr/bin/python3":
            tar.addfile(link)
    yield docker_daemon.load("netbench-test-python:3", archive.getvalue())
    docker_daemon.docker("image", "rm", "--force", "netbench-test-python:3")


@pytest.fixture(scope="module")
def bare_image(docker_daemon: DockerDaemon) -> Iterator[str]:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a-file"))
    yield docker_daemon.load("netbench-test-bare:1", archive.getvalue(), 'ENTRYPOINT ["/a-file"]', "USER 1000")
    docker_daemon.docker("image", "rm", "--force", "netbench-test-bare:1")


def test_the_images_own_python_runs_the_agent(python_image: str) -> None:
    told = scenario("inside", f"docker-macvlan:image={python_image}")

    assert told["python"] == "/usr/bin/python3"
    assert any("the image's own Python 3." in remark for remark in told["remarks"])


def test_a_trial_in_the_users_image_counts_exactly(python_image: str, run_one_trial: Callable[..., Any]) -> None:
    trial = run_one_trial(f"docker-macvlan:image={python_image}", "iptv", skip_every=100)

    assert trial.status == "ok"
    assert trial.sent.sequences == trial.received.unique_packets + trial.loss.lost_packets
    assert trial.loss.lost_packets == trial.sent.skipped_packets == trial.sent.sequences // 100 > 0
    assert {drop.layer: drop.packets for drop in trial.drops} == {"sender_skip": trial.loss.lost_packets}


def test_an_image_without_python_gets_this_one(bare_image: str) -> None:
    told = scenario("inside", f"docker-bridge:image={bare_image}")

    assert told["python"] == sys.executable
    assert any("mounted read only" in remark and bare_image in remark for remark in told["remarks"])


# Refusals


def test_an_image_without_python_is_refused_where_its_own_is_asked_for(bare_image: str) -> None:
    told = scenario("inside", f"docker-host:image={bare_image},python=image")

    assert told["exit_code"] == 3
    assert f"The image {bare_image} has no Python that netbench can use: it has no program python3" in told["error"]
    assert "python=mounted" in told["remedy"]


def test_an_image_that_the_daemon_does_not_have_is_refused() -> None:
    told = scenario("inside", "docker-host:image=nobody-has-this:1")

    assert told["exit_code"] == 3
    assert "docker pull nobody-has-this:1" in told["remedy"]


def test_a_name_that_somebody_has_is_refused_and_stays_theirs(docker_daemon: DockerDaemon, bare_image: str) -> None:
    docker_daemon.docker("create", "--name", "somebodys", bare_image)
    try:
        told = scenario("inside", "docker-host:name=somebodys")
        assert told["exit_code"] == 3
        assert "already in use" in told["error"]
        assert "docker rm -f somebodys" in told["remedy"]
    finally:
        docker_daemon.docker("rm", "somebodys")  # fails where netbench has removed it


@pytest.mark.parametrize(
    ("address", "reason", "remedy"),
    [
        ("unix:///nowhere/docker.sock", "there is no socket /nowhere/docker.sock", "systemctl start docker"),
        ("tcp://198.18.0.1:2375", "the daemon is on another machine", "unset DOCKER_HOST"),
        ("unix:///etc/hostname", "is no socket", "systemctl start docker"),
    ],
)
def test_without_a_daemon_of_this_machine_it_says_so(
    netbench: Callable[..., Any], tmp_path: Path, address: str, reason: str, remedy: str
) -> None:
    done = netbench("run", "-e", "docker-host", "-q", "-o", str(tmp_path / "out"), env={**os.environ, "DOCKER_HOST": address})

    assert done.returncode == 3
    said = " ".join(done.stderr.split())
    assert reason in said
    assert remedy in said


def test_a_socket_that_nobody_listens_at_is_told(netbench: Callable[..., Any], tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "s"))
        done = netbench("environments", "-J", env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/s"})

    rows = {row["name"]: row for row in json.loads(done.stdout)["environments"]}
    assert "does not answer (Connection refused)" in rows["docker-bridge"]["reason"]


def test_an_ordinary_user_may_not_ask_the_daemon(docker_daemon: DockerDaemon) -> None:
    script = "from netbench.environments.containers import engine as e; u = e.unavailable(); print(u.reason); print(u.remedy)"
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    done = subprocess.run([*nobody, sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=False)

    if "namespaces" in done.stdout:
        pytest.skip(f"an ordinary user has no lab here: {done.stdout}")
    assert done.returncode == 0, done.stderr
    assert "denied" in done.stdout
    assert "sudo" in done.stdout


def test_without_the_sdk_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['docker'] = None\n"
        "from netbench.environments.docker_host import DockerHostEnvironment\n"
        "told = DockerHostEnvironment().available(); print(told.reason, told.remedy)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert "The Python package docker is not installed. pip install 'netbench[docker]'" in done.stdout


# A runner that is killed


def test_what_a_killed_runner_leaves_is_swept_and_what_stands_is_not(
    docker_daemon: DockerDaemon, netbench: Callable[..., Any], sweeping: None
) -> None:
    before = docker_daemon.holdings()
    command = [sys.executable, "-P", str(CONTRACT), "hold"]
    running = [
        subprocess.Popen([*command, text], stdout=subprocess.PIPE, text=True)
        for text in ("docker-macvlan:management=yes", "docker-host:inject_drop_every=10", "docker-bridge")
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["agent"]
        assert json.loads(netbench("environments", "--clean", "-J").stdout) == {"removed": []}
        standing = docker_daemon.holdings()
        assert len(standing) - len(before) == 3 + 3 + 3  # containers, networks, images
    finally:
        for process in running:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    swept = json.loads(netbench("environments", "--clean", "-J").stdout)["removed"]

    kinds = sorted(line.rpartition(" ")[0] for line in swept if "process" not in line)
    assert kinds == sorted(["container"] * 3 + ["container network"] * 3 + ["image"] * 3 + ["nft table"])
    assert docker_daemon.holdings() == before
    assert json.loads(netbench("environments", "--clean", "-J").stdout) == {"removed": []}


CLEAN_UP = """
import os, subprocess
from netbench.environments import lab, registry
lab.enter()
theirs = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
theirs.stdout.readline()
subprocess.run(["ip", "netns", "attach", "nb-000000-docker-host-daemon", str(theirs.pid)], check=True)
try:
    subprocess.run(["ip", "netns", "attach", "nb-000000-docker-host-own", str(os.getpid())], check=True)
    print([f"{item.kind} {item.name}" for item in registry.clean()], theirs.poll())
finally:
    theirs.kill()
"""


def test_a_sweep_takes_the_name_of_a_network_that_is_not_ours_and_ends_nothing_in_it(sweeping: None) -> None:
    done = subprocess.run([sys.executable, "-P", "-c", CLEAN_UP], capture_output=True, text=True, timeout=60, check=False)

    names = [f"namespace nb-000000-docker-host-{role}" for role in ("daemon", "own")]
    assert done.stdout.strip() == f"{names} None", done.stderr


# A CPU limit


def test_a_container_with_a_fifth_of_a_cpu_shows_its_gaps_and_throttling_as_their_cause(
    docker_daemon: DockerDaemon, measure: Callable[..., Any]
) -> None:
    """Something else in the container works, too, as a probe's own analysis does."""
    busy = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
    over = threading.Event()

    def work_in_the_container() -> None:
        command = ["docker", "-H", docker_daemon.host, "exec", "-d", "nb-test-busy", sys.executable, "-c", busy]
        while not over.wait(0.2) and subprocess.run(command, capture_output=True, check=False, timeout=30).returncode != 0:
            pass

    helper = threading.Thread(target=work_in_the_container)
    helper.start()
    try:
        limited = "docker-macvlan:cpus=0.2,name=nb-test-busy"
        measured = measure("-e", "host", "-e", limited, "--profile", "iptv", "-t", "2", "--samples", "3", timeout_s=110)
    finally:
        over.set()
        helper.join()

    trials = measured.run.trials
    held_back = {
        label: [t.cpu.throttled_periods for t in trials if t.environment.startswith(label)] for label in ("host", "docker")
    }
    assert held_back["host"] == [0, 0, 0]
    assert all(periods > 0 for periods in held_back["docker"])
    verdict = next(item for item in measured.run.verdicts if item.environment.startswith("docker"))
    assert f"a CPU limit (cgroup nr_throttled) held the probe back in {sum(held_back['docker'])} of its periods" in (
        verdict.hypotheses["H3"].sentence
    )
    assert "docker update --cpus 2 CONTAINER" in [remedy.command for remedy in verdict.remedies]

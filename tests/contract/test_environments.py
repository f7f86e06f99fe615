"""What every registered environment promises (netbench.environments.base), tried on each of them for real.

Entering the lab cannot be undone, so that each scenario runs in a child process (lab_scenarios.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from netbench.environments import lab, registry
from netbench.errors import UsageError

SCENARIOS = Path(__file__).with_name("lab_scenarios.py")
COUNT = 100
ALL = list(range(COUNT))
EVERY_TENTH = ALL[9::10]
# `remote` is not built here but found elsewhere: tests/places/test_remote.py plays that machine.
ENVIRONMENTS = tuple(name for name in registry.names() if name != "remote")

# They reach into the network of a daemon, or make device nodes: an ordinary user is told so.
ROOT_ONLY = ("docker-host", "docker-macvlan", "docker-bridge", "vm-macvtap")
ANYBODYS = tuple(name for name in ENVIRONMENTS if name not in ROOT_ONLY)
# Guests that differ in their card alone. A boot takes seconds: what has nothing to do with the card is tried on vm-virtio.
OTHER_CARDS = ("vm-e1000e", "vm-igb", "vm-sriov")

INJECTED = ["host", "macvlan:receivers=2", "bridge", "docker-host", "docker-macvlan:receivers=2", "docker-bridge"]

# Root without the capabilities of an administrator is an ordinary user to the lab; setfcap lets its user namespace map user 0.
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set", "-all,+setfcap", "--inh-caps", "-all") if lab.has_capabilities() else ()


def scenario(name: str, argument: str, prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    """What lab_scenarios.py tells of a scenario; each is played once, however many tests look at it (a guest boots for seconds)."""
    told = played(name, argument, prefix)
    if "unavailable" in told:
        pytest.skip(told["unavailable"])
    return deepcopy(told)


@cache
def played(name: str, argument: str, prefix: tuple[str, ...]) -> dict[str, Any]:
    done = subprocess.run(
        [*prefix, sys.executable, str(SCENARIOS), name, argument], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def need_daemon(environment: str, request: pytest.FixtureRequest) -> None:
    if environment.startswith("docker-"):
        request.getfixturevalue("docker_daemon")


@pytest.fixture(params=ENVIRONMENTS)
def name(request: pytest.FixtureRequest) -> str:
    need_daemon(str(request.param), request)
    return str(request.param)


@pytest.mark.parametrize("name", ROOT_ONLY)
def test_what_takes_root_says_so_to_an_ordinary_user(name: str, request: pytest.FixtureRequest) -> None:
    need_daemon(name, request)
    lacking = registry.environment(name).available()
    if lacking is not None and "root" not in lacking.reason:
        pytest.skip(lacking.reason)
    told = played("reach", name, WITHOUT_CAPABILITIES)

    assert "root" in told["unavailable"]
    assert "sudo" in told["unavailable"]


@pytest.mark.parametrize("name", [name for name in ANYBODYS if name not in OTHER_CARDS])
def test_an_ordinary_user_reaches_the_same_and_leaves_nothing(name: str) -> None:
    expect_all_is_reached(scenario("reach", name, WITHOUT_CAPABILITIES))
    expect_nothing_is_left(scenario("reach", name, WITHOUT_CAPABILITIES))


def test_what_it_claims_to_reach_is_reached(name: str) -> None:
    expect_all_is_reached(scenario("reach", name))


def expect_all_is_reached(result: dict[str, Any]) -> None:

    assert result["transfers"], "an environment that nothing reaches cannot be measured"
    for transfer in result["transfers"].values():
        assert transfer["sender"] == {"sent": COUNT, "refused": 0}
        assert transfer["numbers"] == dict.fromkeys(transfer["numbers"], ALL)
    assert ("multicast" in result["transfers"]) == (result["multicast_unsupported"] is None)
    assert result["injected"] is None
    assert result["dropped"] == []


def test_a_process_at_a_site_sees_the_interface_and_little_else(name: str) -> None:
    result = scenario("reach", name)

    for transfer in result["transfers"].values():
        for site, (interface, _, _) in result["sites"].items():
            if site in transfer["interfaces"]:
                assert interface in transfer["interfaces"][site]
                assert "wire0" not in transfer["interfaces"][site]


def test_nothing_is_left(name: str) -> None:
    expect_nothing_is_left(scenario("reach", name))


def expect_nothing_is_left(result: dict[str, Any]) -> None:
    assert set(result["places"]) <= set(result["standing"])
    assert all(place.startswith("nb-") for place in result["standing"])
    assert result["left"] == []


def test_nothing_is_left_when_the_body_raises(name: str) -> None:
    result = scenario("reach", name)

    assert result["standing"]
    assert result["left"] == []
    killed = (-9, 128 + 9, 255)  # itself, what holds it in the container, or its guest
    assert result["worker"] in killed, "a process that lives on would keep the namespace alive"


@pytest.mark.parametrize("name", ANYBODYS)
def test_nothing_is_left_when_setup_fails_midway(name: str) -> None:
    result = scenario("setup_fails", name, WITHOUT_CAPABILITIES)

    assert "ip netns add" in result["error"]
    assert result["exit_code"] == 3
    assert result["left"] == []


@pytest.mark.parametrize("name", [name for name in ENVIRONMENTS if name not in OTHER_CARDS])
def test_two_stand_at_the_same_time_and_do_not_hear_each_other(name: str, request: pytest.FixtureRequest) -> None:
    need_daemon(name, request)
    result = scenario("two_at_once", name)

    assert result == {"shared": [], "there": ALL, "bystander": [], "left": []}


def test_the_commands_that_built_it_build_it_again(name: str, sweeping: None) -> None:
    commands = scenario("reach", name)["built_by"]
    # In a lab of its own, which the kernel takes down with the shell.
    script = "\n".join(["set -e", *commands, "echo standing:", "ip netns list"])
    enter = "import os; from netbench.environments import lab; lab.enter(); os.execvp('sh', ['sh', '-s'])"
    done = subprocess.run([sys.executable, "-c", enter], input=script, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    made = sorted(command.split()[3] for command in commands if command.startswith(("ip netns add", "ip netns attach")))
    registry.clean()  # containers outlive their shell
    assert sorted(line.split()[0] for line in done.stdout.partition("standing:")[2].splitlines() if line) == made


def test_an_option_that_it_does_not_have_is_refused(name: str) -> None:
    result = scenario("refused_options", f"{name}:colour=red")

    assert result["kind"] == "UsageError"
    assert f"There is no option of {name} 'colour'" in result["message"]
    assert result["left"] == []


@pytest.mark.parametrize("text", INJECTED)
def test_loss_injected_at_the_probe_is_exact_and_behind_the_tap(text: str, request: pytest.FixtureRequest) -> None:
    need_daemon(text, request)
    separator = "," if ":" in text else ":"
    result = scenario("reach", f"{text}{separator}inject_drop_every=10")

    for transfer in result["transfers"].values():
        assert transfer["sender"] == {"sent": COUNT, "refused": 0}
        assert transfer["numbers"].pop("tap") == ALL
        for numbers in transfer["numbers"].values():
            assert sorted(set(ALL) - set(numbers)) == EVERY_TENTH
    received_each = [sum(site in transfer["numbers"] for transfer in result["transfers"].values()) for site in result["sites"]]
    assert result["dropped"] == [10 * transfers for transfers in received_each]
    assert "behind the tap" in result["injected"]


@pytest.mark.parametrize("text", INJECTED)
def test_loss_injected_at_the_sender_is_exact_before_the_tap_and_unnoticed_by_the_sender(
    text: str, request: pytest.FixtureRequest
) -> None:
    need_daemon(text, request)
    separator = "," if ":" in text else ":"
    result = scenario("reach", f"{text}{separator}inject_drop_every=10,inject_at=sender")

    for transfer in result["transfers"].values():
        assert transfer["sender"] == {"sent": COUNT, "refused": 0}
        for numbers in transfer["numbers"].values():
            assert sorted(set(ALL) - set(numbers)) == EVERY_TENTH
    assert result["dropped"] == [10 * len(result["transfers"])]


@pytest.mark.parametrize("mode", ["bridge", "vepa", "private", "passthru"])
def test_every_macvlan_mode_receives(mode: str) -> None:
    result = scenario("reach", f"macvlan:mode={mode}")

    assert sorted(result["transfers"]) == ["multicast", "unicast"]
    for transfer in result["transfers"].values():
        assert transfer["numbers"] == {"probe": ALL, "tap": ALL}


def test_every_macvlan_receiver_has_a_place_of_its_own_and_gets_the_group() -> None:
    result = scenario("reach", "macvlan:receivers=3,bcqueuelen=100000")

    assert len({place for _, _, place in result["sites"].values()}) == 3
    assert result["transfers"]["multicast"]["numbers"] == {"probe": ALL, "probe-2": ALL, "probe-3": ALL, "tap": ALL}
    assert any("bcqueuelen 100000" in command for command in result["built_by"])


def test_passthru_refuses_a_second_receiver() -> None:
    result = scenario("refused_options", "macvlan:mode=passthru,receivers=2")

    assert result["kind"] == "UsageError"
    assert result["left"] == []


@pytest.mark.parametrize("ports", ["0-10", "10-5", "5000-70000", "some", "-"])
def test_ports_that_are_no_range_are_refused(ports: str) -> None:
    assert scenario("refused_options", f"bridge:ports={ports}")["kind"] == "UsageError"


def test_options_are_read_by_the_type_of_their_default() -> None:
    plans = registry.parse(["host", "macvlan:receivers=3,mode=vepa"])

    assert [plan.label for plan in plans] == ["host", "macvlan:receivers=3,mode=vepa"]
    assert plans[1].options == {"receivers": 3, "mode": "vepa"}


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        registry.parse(["brigde", "macvlan:recievers=3,mode=fast,bcqueuelen=-1,receivers", "host:inject_drop_every=ten"])

    told = caught.value.message.splitlines()
    assert [line for line in told if "Did you mean bridge?" in line and "host" in line]
    assert [line for line in told if "Did you mean receivers?" in line]
    assert "mode=fast: mode is one of bridge, vepa, private, passthru." in told
    assert "bcqueuelen=-1: bcqueuelen is at least 0." in told
    assert "macvlan:recievers=3,mode=fast,bcqueuelen=-1,receivers: 'receivers' is no key=value." in told
    assert "inject_drop_every=ten: inject_drop_every takes a whole number." in told
    assert len(told) == 6


def test_plans_from_files_are_checked_the_same_way() -> None:
    plans = registry.parse(["macvlan:receivers=3"])
    registry.check(plans)
    wrong = plans[0].model_copy(update={"options": {"receivers": 17, "mode": True}})

    with pytest.raises(UsageError) as caught:
        registry.check([wrong])
    assert caught.value.message.splitlines() == ["receivers=17: receivers is at most 16.", "mode=True: mode takes text."]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_option_is_documented_with_its_default(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "environments.md").read_text(encoding="utf-8")

    for option in registry.environment(name).options:
        all_guests = ("all guests (`vm-…`)",) if name.startswith("vm-") else ()
        cells = tuple(f"| {place} | `{option.name}` |" for place in (f"`{name}`", *all_guests, "all of the embedded lab"))
        rows = [line for line in page.splitlines() if line.startswith(cells)]
        assert len(rows) == 1, option.name
        default = {True: "yes", False: "no"}[option.default] if isinstance(option.default, bool) else str(option.default)
        assert rows[0].split("|")[3].strip().strip("`") == default


def test_asking_what_can_be_built_leaves_this_process_where_it_is() -> None:
    before = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net", "user")]

    for name in ENVIRONMENTS:
        registry.environment(name).available()

    assert [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net", "user")] == before

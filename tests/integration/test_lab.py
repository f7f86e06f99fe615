"""The private lab: what it leaves behind (nothing), whom files belong to, what it says when it is refused, and the sweep."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import netbench
from netbench.environments import lab
from netbench.environments.netns import check_interface
from netbench.errors import UsageError

SCENARIOS = Path(__file__).parents[1] / "contract" / "lab_scenarios.py"
PACKAGE_ROOT = Path(netbench.__file__).parents[1]
NOBODY = 65_534

needs_root = pytest.mark.skipif(not lab.has_capabilities(), reason="becoming another user takes root")


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment})


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def visible_names() -> set[str]:
    directory = Path("/run/netns")
    return {path.name for path in directory.iterdir()} if directory.is_dir() else set()


def namespaces_in_use() -> set[int]:
    """Network and mount namespaces that any process is in."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        for kind in ("net", "mnt"):
            with suppress(OSError):
                found.add((process / "ns" / kind).stat().st_ino)
    return found


def within(seconds: float, condition: Any) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    "prefix", [(), ("setpriv", "--bounding-set", "-all,+setfcap", "--inh-caps", "-all")], ids=["plain", "user"]
)
def test_a_killed_runner_leaves_no_namespace_process_or_mount(prefix: tuple[str, ...]) -> None:
    # GIVEN a process that entered the lab and built an environment, with an agent inside
    command = [*(prefix if lab.has_capabilities() else ()), sys.executable, str(SCENARIOS), "hold", "macvlan"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        standing = json.loads(runner.stdout.readline())
        inodes = {*standing["networks"].values(), *standing["mounts"]}
        assert inodes & namespaces_in_use()
        assert not visible_names() & set(standing["networks"]), "the host does not see the lab's names even while it stands"

        # WHEN it is killed
        runner.kill()
        assert runner.wait() == -signal.SIGKILL

    # THEN its agent ends, and with it everything
    assert within(30, lambda: not Path(f"/proc/{standing['agent']}").exists())
    assert within(30, lambda: not inodes & namespaces_in_use())
    assert not visible_names() & set(standing["networks"])
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert not [name for name in ("netbench-lab", *standing["networks"]) if name in mounts]


def test_a_failed_step_is_told_with_its_command_and_a_remedy_and_undone() -> None:
    result = outcome(run(sys.executable, str(SCENARIOS), "step_fails", "-"))

    assert "link add x type nonsense` said: " in result["message"]
    assert "modprobe" in result["remedy"]
    assert result["left"] == []


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that another user may use, with package and scenarios: a checkout may lie where only its owner can read."""
    directory = Path("/tmp") / f"nb-test-lab-{os.getpid()}"
    (directory / "netbench").mkdir(parents=True)
    for part in ("environments", "__init__.py", "errors.py"):
        source = PACKAGE_ROOT / "netbench" / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, directory / "netbench" / part)
    for script in SCENARIOS.parent.glob("*.py"):
        shutil.copy(script, directory)
    (directory / "out").mkdir()
    directory.joinpath("out").chmod(0o777)
    yield directory
    shutil.rmtree(directory)


def as_nobody(directory: Path, *arguments: str) -> dict[str, Any]:
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    python = next((found for found in ("/usr/bin/python3", sys.executable) if run(*become, found, "-c", "").returncode == 0), None)
    if python is None:
        pytest.skip("no Python that user nobody can run: apt-get install python3")
    script = str(directory / SCENARIOS.name)
    return outcome(run(*become, python, "-B", script, *arguments, PYTHONPATH=str(directory), HOME="/"))


@needs_root
@pytest.mark.parametrize("text", ["host", "macvlan:receivers=2", "bridge", "host:inject_drop_every=10,inject_at=sender"])
def test_an_ordinary_user_has_the_whole_lab(open_directory: Path, text: str) -> None:
    result = as_nobody(open_directory, "reach", text)

    expected = [number for number in range(100) if "inject" not in text or number % 10 != 9]
    assert result["privilege"] == "user_namespace"
    for transfer in result["transfers"].values():
        assert transfer["sender"] == {"sent": 100, "refused": 0}
        assert transfer["numbers"] == dict.fromkeys(transfer["numbers"], expected)
    assert result["left"] == []


@needs_root
def test_files_that_an_ordinary_user_writes_in_the_lab_belong_to_that_user(open_directory: Path) -> None:
    path = open_directory / "out" / "run.json"
    result = as_nobody(open_directory, "write_file", str(path))

    assert result == {"privilege": "user_namespace", "inside": True, "seen_as": 0}
    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


@needs_root
def test_root_without_capabilities_is_told_why_it_is_refused() -> None:
    """Without CAP_SETFCAP user 0 cannot be mapped: the kernel refuses, for real."""
    enter = "from netbench.environments import lab\ntry: lab.enter()\nexcept Exception as e: print(type(e).__name__, e, e.remedy)"
    done = run("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", sys.executable, "-c", enter)

    assert done.stdout.startswith("CannotRunError The private lab cannot be entered: the kernel refused to map the user")
    assert "as root" in done.stdout


def test_a_thread_that_is_about_to_end_is_waited_for() -> None:
    script = """
import threading, time
threading.Thread(target=time.sleep, args=(0.3,)).start()
from netbench.environments import lab
lab.enter()
print("entered")
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=30, check=False)

    assert done.stdout == "entered\n", done.stderr


def test_a_process_with_threads_is_told_so() -> None:
    code = """
import threading
from netbench.environments import lab
release = threading.Event()
thread = threading.Thread(target=release.wait)
thread.start()
try: lab.enter()
except Exception as e: print(type(e).__name__, e, e.remedy)
release.set()
"""
    done = run(sys.executable, "-c", code)

    assert done.stdout.startswith("CannotRunError The lab can only be entered by a process of one thread, and this one has 2.")


def test_entering_twice_is_entering_once_and_run_shows_what_it_showed() -> None:
    code = """
import os
from pathlib import Path
from netbench.environments import lab
before = sorted(set(os.listdir('/run')) - {'netns'})
lab.enter()
mounts = Path('/proc/self/mountinfo').read_text()
lab.enter()
assert lab.inside() and Path('/proc/self/mountinfo').read_text() == mounts
assert sorted(set(os.listdir('/run')) - {'netns'}) == before, (before, os.listdir('/run'))
assert os.listdir('/run/netns') == []
"""
    done = run(sys.executable, "-c", code)

    assert done.returncode == 0, done.stderr


@needs_root
@pytest.mark.parametrize("become", ["", "setpriv --bounding-set -all,+setfcap --inh-caps -all"], ids=["root", "user"])
def test_where_run_has_no_netns_all_of_it_stays_visible_and_no_directory_is_made(become: str) -> None:
    """On a /run made for the test, in a mount namespace of its own."""
    code = """
import os, socket
from netbench.environments import lab
lab.enter()
assert set(os.listdir('/run')) >= {'directory', 'file', 'link', 'mounted', 'netns', 'socket'}, os.listdir('/run')
assert open('/run/directory/inner').read() == open('/run/file').read() == open('/run/mounted/inner').read() == 'x\\n'
assert os.readlink('/run/link') == 'file'
client = socket.socket(socket.AF_UNIX); client.connect('/run/socket')
open('/run/file', 'a').write('written through')
"""
    prepare = f"""
set -e
mount -t tmpfs none /run
mkdir /run/directory /run/mounted; mount -t tmpfs none /run/mounted
for file in directory/inner file mounted/inner; do echo x > /run/$file; done
ln -s file /run/link
"$1" -c 'import socket, time; s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.bind("/run/socket"); s.listen(); s.accept()' &
while ! [ -S /run/socket ]; do sleep 0.01; done
{become} "$1" -c "$2"
wait
test "$(tail -n 1 /run/file)" = "written through"
! test -e /run/netns
"""
    done = run("unshare", "--mount", "timeout", "20", "sh", "-c", prepare, "sh", sys.executable, code)

    assert done.returncode == 0, done.stderr


@needs_root
def test_the_sweep_removes_left_over_namespaces_and_the_agents_inside_and_nothing_else() -> None:
    """In a lab and a process namespace of its own: the sweep must not meet anybody else's work."""
    code = """
import json, os, subprocess, sys, time
from netbench.environments import lab
from netbench.environments.leftovers import clean
lab.enter()
def ip(*words): subprocess.run(["ip", *words], check=True)
for name in ("nb-01d01d-host-wire", "nb-01d01d-host-host", "someone-elses", "nb-office"): ip("netns", "add", name)
open("/run/netns/nb-01d01d-broken", "w").close()
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
inside = subprocess.Popen(["ip", "netns", "exec", "nb-01d01d-host-host", *sleep, "-m", "netbench.agent"])
outside = subprocess.Popen([*sleep, "-m", "netbench.agent"])
bystander = subprocess.Popen(["ip", "netns", "exec", "someone-elses", *sleep])
orphan = int(subprocess.check_output(["sh", "-c", '"$@" >/dev/null & echo $!', "sh", *sleep, "-m", "netbench.agent"]))
time.sleep(0.3)
removed = clean()
while os.path.exists(f'/proc/{orphan}'): time.sleep(0.01)
again = clean()
print(json.dumps({
    "namespaces": [item.name for item in removed if item.kind == "namespace"], "left": sorted(os.listdir("/run/netns")),
    "again": [item.name for item in again],
    "ended": sorted(item.name for item in removed if item.kind == "process") == sorted([str(inside.pid), str(orphan)]),
    "inside": inside.wait(), "outside": outside.poll(), "bystander": bystander.poll(),
}))
for process in (outside, bystander): process.kill()
"""
    # `sh` stays process 1 and adopts orphans: it has one more command to run.
    first = 'python=$1; shift; "$python" -c "$1"; exit $?'
    done = run("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", first, "sh", sys.executable, code)

    assert outcome(done) == {
        "namespaces": ["nb-01d01d-broken", "nb-01d01d-host-host", "nb-01d01d-host-wire"],
        "left": ["nb-office", "someone-elses"],
        "again": [],
        "ended": True,
        "inside": -9,
        "outside": None,
        "bystander": None,
    }


@pytest.mark.parametrize("name", ["", "sixteen-letters!", "a/b", "a b"])
def test_names_that_no_interface_can_have_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name an interface"):
        check_interface(name)

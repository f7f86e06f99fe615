"""What runners that are dead have left at the Docker daemon: containers, networks, images, and rules in its network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from netbench.environments.containers import engine as docker_engine
from netbench.environments.containers.engine import LABEL, Engine, told
from netbench.environments.injection import SHARED_TABLE
from netbench.environments.netns import run
from netbench.environments.ownership import is_dead
from netbench.errors import CannotRunError


def sweep() -> Iterator[tuple[str, str]]:
    """Remove them, and tell the kind and the name of each. Where no daemon can be asked, there is nothing of ours.

    Raises:
        CannotRunError: something could not be removed.
    """
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(docker_engine.connect())
        except CannotRunError:
            return
        with told("Looking for left-overs at the Docker daemon failed"):
            yield from _containers(engine)
            yield from _networks(engine)
            yield from _images(engine)
        yield from _tables(engine)


def _containers(engine: Engine) -> Iterator[tuple[str, str]]:
    for found in _dead(engine.api.containers(all=True, filters={"label": LABEL})):
        name = found["Names"][0].lstrip("/")
        with told(f"Removing the container {name} failed"):
            engine.api.remove_container(found["Id"], force=True, v=True)
        yield "container", name


def _networks(engine: Engine) -> Iterator[tuple[str, str]]:
    for found in _dead(engine.api.networks(filters={"label": LABEL})):
        with told(f"Removing the network {found['Name']} failed"):
            engine.api.remove_network(found["Id"])
        yield "container network", found["Name"]


def _images(engine: Engine) -> Iterator[tuple[str, str]]:
    for found in _dead(engine.api.images(filters={"label": LABEL})):
        name = next(iter(found.get("RepoTags") or ()), found["Id"])
        with told(f"Removing the image {name} failed"):
            engine.api.remove_image(found["Id"], force=True)
        yield "image", name


def _tables(engine: Engine) -> Iterator[tuple[str, str]]:
    """Tables of nft that drop on purpose, in the daemon's network."""
    inside = ("nsenter", f"--net=/proc/{engine.process}/ns/net")
    listed: list[dict[str, Any]] = json.loads(run((*inside, "nft", "-j", "list", "tables"), "Listing the tables of nft failed"))[
        "nftables"
    ]
    for entry in listed:
        table = entry.get("table", {})
        name = str(table.get("name", ""))
        if table.get("family") == "ip" and name.startswith(SHARED_TABLE):
            process, _, rest = name.removeprefix(SHARED_TABLE).partition("_")
            if is_dead(f"{process}:{rest.partition('_')[0]}"):
                run((*inside, "nft", "delete", "table", "ip", name), f"Removing the table {name} failed")
                yield "nft table", name


def _dead(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose runner is gone."""
    return [item for item in found if is_dead(str((item.get("Labels") or {}).get(LABEL, "")))]

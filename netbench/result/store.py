"""Load and save run.json: written beside and renamed into place, its version checked, damage told in one sentence."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from netbench.errors import CannotRunError, InvalidDataError, UsageError
from netbench.result.run import SCHEMA_VERSION, Run

RUN_FILE = "run.json"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` for writing; it takes the place of `path` only when all was written.

    Raises:
        CannotRunError: the system refused (disk full, no permission); `path` is as it was before.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise _write_refused(path, error) from error
    finally:
        if temporary is not None:
            with _ignoring_os_errors():
                os.unlink(temporary)


@contextmanager
def _ignoring_os_errors() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def _write_refused(path: Path, error: OSError) -> CannotRunError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CannotRunError(
            f"cannot write {path}: the disk is full; what was written before is untouched",
            f"free some space (df -h {path.parent}) or write elsewhere with -o DIR",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return CannotRunError(f"cannot write {path}: {os.strerror(error.errno)}", "write elsewhere with -o DIR")
    return CannotRunError(f"cannot write {path}: {error.strerror or error}", "write elsewhere with -o DIR")


def save(run: Run, path: Path) -> None:
    """Write a run. Its records were checked when they were made, so the file fits the published schema.

    Raises:
        CannotRunError: the system refused; an earlier file of that name is untouched.
    """
    with replacing(path) as stream:
        stream.write(run.model_dump_json(indent=1).encode())
        stream.write(b"\n")


def rehearse_save(run: Run, path: Path) -> None:
    """Write a run as `save` does and take it away again: what stands at `path` is needed until there is something to replace it by.

    Raises:
        CannotRunError: the system would refuse.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as stream:
            stream.write(run.model_dump_json().encode())
    except OSError as error:
        raise _write_refused(path, error) from error


def load(path: Path) -> Run:
    """Read a run; a directory means the run.json in it.

    Raises:
        UsageError: there is no such file.
        InvalidDataError: truncated, no run, or of a version that this netbench does not know.
    """
    if path.is_dir():
        path = path / RUN_FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"there is no {path}", "name a run.json, or the directory that holds one") from error
    except OSError as error:
        raise CannotRunError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        raw: Any = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "no text"
        raise InvalidDataError(
            f"{path} is truncated or damaged ({len(text)} bytes; JSON ends at {where})",
            "measure again: netbench run (a run writes its file in one piece, so a copy was cut)",
        ) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version is None:
        raise InvalidDataError(f"{path} is no netbench run: it has no schema_version", "name a run.json that netbench run wrote")
    if version != SCHEMA_VERSION:
        raise InvalidDataError(
            f"{path} has schema_version {version}, and this netbench reads {SCHEMA_VERSION}",
            "use the netbench that wrote it, or measure again",
        )
    try:
        return Run.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidDataError(
            f"{path} does not hold a whole run: {where or 'the file'}: {first['msg']} ({error.error_count()} such)",
            "measure again: netbench run",
        ) from error


def schema() -> dict[str, Any]:
    """JSON Schema of run.json, as published in netbench/result/run.schema.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Run.model_json_schema(mode="serialization")}


def schema_text() -> str:
    """The published file, to the byte."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"

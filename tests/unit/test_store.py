from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from netbench.errors import CannotRunError, InvalidDataError, UsageError
from netbench.result import store
from netbench.result.run import Run

SAMPLE = Path(__file__).parents[2] / "reports" / "sample" / "run.json"


def test_a_run_survives_saving_and_loading(tmp_path: Path) -> None:
    run = store.load(SAMPLE)
    store.save(run, tmp_path / "run.json")

    assert store.load(tmp_path) == run
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_the_published_schema_is_that_of_the_records() -> None:
    published = resources.files("netbench.result").joinpath("run.schema.json").read_text(encoding="utf-8")

    assert published == store.schema_text(), "type: make schema"


def test_a_real_run_fits_the_published_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(resources.files("netbench.result").joinpath("run.schema.json").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(schema).validate(json.loads(SAMPLE.read_text()))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_told(tmp_path: Path, share: float) -> None:
    text = SAMPLE.read_bytes()
    path = tmp_path / "run.json"
    path.write_bytes(text[: int(len(text) * share)])

    with pytest.raises(InvalidDataError, match="truncated"):
        store.load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no netbench run"),
        ("{}", "schema_version"),
        ('{"schema_version": 2}', "schema_version 2"),
        ('{"schema_version": 1}', "whole run"),
    ],
)
def test_other_json_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)

    with pytest.raises(InvalidDataError, match=words):
        store.load(path)


def test_no_such_file() -> None:
    with pytest.raises(UsageError, match="there is no"):
        store.load(Path("/nowhere/run.json"))


def test_a_refused_write_leaves_the_old_file(tmp_path: Path) -> None:
    run: Run = store.load(SAMPLE)
    path = tmp_path / "run.json"
    path.write_text("old")

    with pytest.raises(CannotRunError, match="disk is full"), store.replacing(path) as stream:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
    assert run.trials

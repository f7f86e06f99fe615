from __future__ import annotations

from pathlib import Path

import pytest

from netbench.errors import UsageError
from netbench.plans.loader import default_plan, load_plan, parse_profile, shipped_profiles
from netbench.plans.quantities import parse_bitrate, parse_duration
from netbench.result.plan import EnvironmentPlan, Profile


def parse_environment(text: str) -> EnvironmentPlan:
    if text not in ("host", "macvlan", "bridge"):
        raise UsageError(f"there is no environment {text!r}")
    return EnvironmentPlan(name=text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), (10, 10), ("30s", 30), ("1m30s", 90), ("2h", 7200), ("500ms", 0.5), ("0.25", 0.25), ("1.5s", 1.5)],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10 parsecs", "s", "-", "1s1m"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("10M", 10e6), ("500k", 500e3), ("1.5G", 1.5e9), ("10000000", 1e7), ("10Mbit", 1e7), (5, 5)]
)
def test_bit_rates_are_decimal(text: str | float, rate: float) -> None:
    assert parse_bitrate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "10X", "M"])
def test_no_bit_rates(text: str) -> None:
    with pytest.raises(ValueError, match="is no bit rate"):
        parse_bitrate(text)


def test_the_default_plan() -> None:
    plan = default_plan(parse_environment)

    assert [environment.label for environment in plan.environments] == ["host", "macvlan", "bridge"]
    assert [profile.name for profile in plan.profiles] == ["iptv", "lineup", "unicast"]
    assert plan.samples == 3
    assert plan.reference == "host"


def test_shipped_profiles_are_what_their_names_say() -> None:
    profiles = shipped_profiles()

    assert profiles["iptv"].packets_per_second == pytest.approx(949.85, abs=0.01)
    assert profiles["lineup"].packets_per_second == pytest.approx(47_492, abs=1)
    assert profiles["unicast"].delivery == "unicast"


def test_an_envelope_brings_its_usual_payload() -> None:
    assert parse_profile("iptv").envelope == "raw"
    assert parse_profile("iptv:envelope=mpegts").payload_bytes == 1316
    assert parse_profile("iptv:envelope=rtp-mpegts").payload_bytes == 12 + 1316
    assert parse_profile("lineup:envelope=rtp,length=200").payload_bytes == 200
    assert Profile(name="own", envelope="rtp-mpegts").payload_bytes == 1328


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("iptv:envelope=mpegts,length=1328", "1328 bytes does not fit mpegts"),
        ("iptv:envelope=rtp-mpegts,length=1316", "such as 1328"),
        ("iptv:envelope=mpegts,length=564", "4 or more TS packets"),
        ("iptv:envelope=rtp,length=59", "60 or more"),
        ("iptv:envelope=mp4", "envelope"),
    ],
)
def test_a_payload_that_does_not_fit_its_envelope(text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_profile(text)
    assert told in raised.value.message


def test_a_profile_with_other_figures() -> None:
    profile = parse_profile("lineup:streams=1000,pps=50000,length=188")

    assert profile.name == "lineup:streams=1000,pps=50000,length=188"
    assert profile.streams == 1000
    assert profile.packets_per_second == pytest.approx(50_000)
    assert profile.payload_bytes == 188


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("hdtv", "hdtv"),
        ("iptv:streams=many", "streams"),
        ("iptv:colour=red", "colour"),
        ("iptv:pps=x", "pps"),
        ("iptv:bitrate=x", "bitrate"),
        ("iptv:x", "x"),
    ],
)
def test_a_wrong_profile_is_named(text: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse_profile(text)


def test_three_mistakes_are_three_lines(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('environments = ["host", "macvlam"]\nprofiles = ["iptv"]\nsamples = 0\nduration = "soon"\n')

    with pytest.raises(UsageError) as caught:
        load_plan(path, parse_environment)

    assert "3 mistakes" in caught.value.message
    lines = caught.value.message.splitlines()[1:]
    assert [line.strip(" -").split(":")[0] for line in lines] == ["duration", "environments.1", "samples"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "environments"),
        ("environments = 3\nprofiles = ['iptv']", "environments"),
        ("environments = ['host', 'host']\nprofiles = ['iptv']", "named twice"),
        ("environments = ['host']\nprofiles = ['iptv', {name = 'x', bitrate = 'y'}]", "profiles.1.bitrate"),
        ("environments = ['host']\nprofiles = [{name = 'x', lenght = 3}]", "lenght"),
        ("environments = ['host']\nprofiles = ['iptv']\nreference = 'bridge'", "reference"),
        ("environments = ['host']\nprofiles = ['iptv']\ncolour = 'red'", "colour"),
        ("environments = [", "TOML"),
    ],
)
def test_a_wrong_plan_is_told_with_its_place(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)

    with pytest.raises(UsageError, match=word):
        load_plan(path, parse_environment)


def test_a_plan_with_tables(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'environments = ["host"]\nduration = "1m"\nprofiles = [{name = "uhd", bitrate = "25M", streams = 4, length = 1316}]\n'
        "[thresholds]\nloss_ratio = 0.001\n"
    )
    plan = load_plan(path, parse_environment)

    assert plan.duration_s == 60
    assert plan.profiles[0].bits_per_second == 25e6
    assert plan.thresholds.loss_ratio == 0.001


def test_a_shipped_plan_is_taken_by_its_name_where_there_is_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = load_plan(Path("default"), parse_environment)
    Path("default").write_text('environments = ["host"]\nprofiles = ["iptv"]\n', encoding="utf-8")

    assert shipped == default_plan(parse_environment)
    assert load_plan(Path("default"), parse_environment) != shipped


def test_a_plan_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(UsageError) as caught:
        load_plan(Path("everywhere"), parse_environment)

    assert "there is no plan everywhere" in caught.value.message
    assert "places" in str(caught.value.remedy)

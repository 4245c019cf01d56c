"""`edge-sdk confirm --watch`: by kept reports, and by a real stream."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.cli import main
from edge_sdk.contract import to_plain
from firmware_bridge.slots import Slots
from tests.firmware_bridge.sounds import (
    MODEL,
    OTHER,
    active_model,
    noise,
    shipped_slots,
    speech_like,
    unhurried,
    write_wav,
)
from tests.firmware_bridge.test_health import clean, reading


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    """A shipped model is confirmed, another is new."""
    return shipped_slots(tmp_path, MODEL, unconfirmed=OTHER)


def confirm(slots: Slots, *options: object) -> int:
    return main(["confirm", "--slots", str(slots.folder), *map(str, options)])


def say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *readings: Any) -> None:
    """Put reports on standard input."""
    path = tmp_path / "reports.jsonl"
    path.write_text("".join(json.dumps({"stream": to_plain(each), "system": {}}) + "\n" for each in readings))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(path.open("rb")))


def of(model: str, readings: list[Any]) -> list[Any]:
    return [reading(each.uptime_s, rungs=(model, "bypass")) for each in readings]


def test_reports_of_a_healthy_stream_confirm(slots: Slots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, tmp_path, *of(OTHER, clean()))
    assert confirm(slots, "--watch", 10) == 0
    assert slots.state().confirmed and active_model(slots) == OTHER


def test_reports_of_a_sick_stream_roll_back(
    slots: Slots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nan = reading(4.0, rungs=(OTHER, "bypass"), fallbacks={"late": 0, "bad": 3, "dead": 0})
    say(monkeypatch, tmp_path, *of(OTHER, clean(3)), nan)
    assert confirm(slots, "--watch", 10) == 1
    shown = capsys.readouterr().err
    assert "rolled back (the output of 3 blocks was not finite" in shown and shown.count("\n") == 1
    assert active_model(slots) == MODEL and len(slots.state().quarantine) == 1


def test_the_first_bundle_of_a_device_is_rolled_back_to_the_microphone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = shipped_slots(tmp_path, unconfirmed=OTHER)
    say(monkeypatch, tmp_path, *of(OTHER, clean(3)))
    assert confirm(slots, "--watch", 10) == 1
    assert slots.start() is None and len(slots.state().quarantine) == 1


@pytest.mark.parametrize("model", ["", "small"])
def test_what_says_nothing_of_the_bundle_changes_nothing(
    slots: Slots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    before = slots.state()
    say(monkeypatch, tmp_path, *(of(model, clean()) if model else []))
    assert confirm(slots, "--watch", 10) == 1
    assert ("the stream runs small" if model else "no report came") in capsys.readouterr().err
    assert slots.state() == before


def test_a_confirmed_bundle_is_not_judged_again(slots: Slots, capsys: pytest.CaptureFixture[str]) -> None:
    slots.confirm()
    assert confirm(slots, "--watch", 10, "--json") == 0
    assert json.loads(capsys.readouterr().out)["confirmed"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--watch", "0"], "expected both above 0"),
        (["--watch", "1", "--", "--model", "x"], "the slots say what runs"),
        (["--watch", "1", "--", "--json"], "standard output is what the stream is watched by"),
        (["--watch", "1", "--", "--capture", "a", "--playback", "-"], "standard output is what"),
        (["--watch", "1", "--", "--playback"], "expected one argument"),
        (["--golden", "/nowhere"], "no golden clips"),
        (["--", "--capture", "a"], "options of a stream are for --watch"),
    ],
)
def test_wrong_options_are_refused_in_one_line_and_change_nothing(
    slots: Slots, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    before = slots.state()
    assert confirm(slots, *options) == 1
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1
    assert slots.state() == before


def test_a_budget_that_is_no_number_is_wrong_usage(slots: Slots) -> None:
    """With NaN every comparison would pass."""
    with pytest.raises(SystemExit, match="2"):
        confirm(slots, "--golden", "x", "--golden-db", "nan")


def test_a_real_stream_that_does_well_confirms(slots: Slots, tmp_path: Path) -> None:
    clips, voice = tmp_path / "clips", speech_like(1.0)
    clips.mkdir()
    write_wav(clips / "kitchen.clean.wav", voice)
    write_wav(clips / "kitchen.wav", voice + noise(1.0))
    watch = ["--watch", 1, "--slowest", 1e6, "--golden", clips, "--golden-db", 100]
    assert confirm(slots, *watch, *unhurried(tmp_path)) == 0
    assert slots.state().confirmed and active_model(slots) == OTHER


def test_a_real_stream_that_is_too_slow_rolls_back(
    slots: Slots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert confirm(slots, "--watch", 1, "--slowest", 1e-6, *unhurried(tmp_path)) == 1
    assert "99 % of the blocks take up to" in capsys.readouterr().err
    assert active_model(slots) == MODEL and slots.state().confirmed

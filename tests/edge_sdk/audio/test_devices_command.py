"""`edge-sdk devices` shows the cards, and what a device really grants."""

import argparse
import json
from functools import partial
from pathlib import Path

import pytest

from edge_sdk import devices_command
from edge_sdk.audio import cards, probe
from edge_sdk.errors import AudioError
from tests.edge_sdk.audio.test_cards import ARRAY, HEADPHONES, proc
from tests.virtual_audio import jack, pulseaudio


def run(*options: str) -> int:
    parser = argparse.ArgumentParser()
    devices_command.register(parser.add_subparsers())
    args = parser.parse_args(["devices", *options])
    code: int = args.run(args)
    return code


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with loudspeakers, and an array that somebody records from."""
    folder = proc(tmp_path, HEADPHONES, ARRAY)
    (folder / "asound/card1/pcm0c/sub0").mkdir(parents=True)
    (folder / "asound/card1/pcm0c/sub0/status").write_text("state: RUNNING\nowner_pid   : 812\n")
    (folder / "812").mkdir()
    (folder / "812/comm").write_text("arecord\n")
    found = cards.sound_cards(folder)
    monkeypatch.setattr(cards, "sound_cards", lambda *_: found)
    monkeypatch.setattr(cards, "holder", partial(cards.holder, proc=folder))


def test_cards_are_listed_with_who_uses_them(two_cards: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("hw:CARD=Headphones,DEV=0  playback")
    assert lines[1].split("  ")[0] == "hw:CARD=ArrayUAC10,DEV=0" and "in use by arecord (process 812)" in lines[1]
    assert "in use" not in lines[2]
    assert run("--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["index"], row["stream"]) for row in rows] == [(0, "playback"), (1, "capture"), (1, "playback")]


def test_what_a_device_grants_is_found_by_opening_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("RATES_HZ", (16_000, 48_000)), ("CHANNELS", (1, 4)), ("PERIODS", (64, 128, 441))):
        monkeypatch.setattr(probe, name, few)
    with jack(mics=4, period=128):
        assert run("--probe", "jack") == 0
    assert capsys.readouterr().out.startswith(
        "capture:\n"
        "  formats   FLOAT_LE\n"
        "  rates_hz  16000\n"
        "  channels  4\n"
        "  periods   64 (gives 128), 128, 441 (gives 384)\n"
        "playback: jack: cannot be opened for playback"
    )


def test_what_converts_grants_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pulseaudio(mics=4):
        assert run("--probe", "mics", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["capture"]["rates_hz"] == list(probe.RATES_HZ) and "S24_3LE" in found["capture"]["formats"]
    assert found["capture"]["periods"]["441"] == 441


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(AudioError, match="no such capture device"):
        run("--probe", "hw:CARD=nothing")

"""What two folders of recordings have in common is found, whatever it is called and however loud it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.audio.wav import write_wav
from tools import common_recordings

RATE = 16_000


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders with noise of their own, each with half a minute of it under two names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).standard_normal((4, 1, 30 * RATE)).astype(np.float32) / 10
    for folder, names in (("ours", ("rain.wav", "wind.wav")), ("theirs", ("one.wav", "two.wav"))):
        (tmp_path / folder).mkdir()
        for name in names:
            write_wav(tmp_path / folder / name, noise[len(list(tmp_path.rglob("*.wav")))], RATE)
    return tmp_path / "ours", tmp_path / "theirs"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["common_recordings", *map(str, arguments)])
    return common_recordings.main()


def test_a_cut_turned_down_and_renamed_recording_is_found_where_it_is(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = folders
    rain = common_recordings.load_corpus(ours, (".",), RATE, ours.parent / "cache").read(0, 10 * RATE, 9 * RATE)
    silence = np.zeros(40 * RATE, np.float32)  # it begins beyond the first transform
    write_wav(theirs / "market.wav", np.concatenate([silence, -0.1 * rain, silence])[np.newaxis], RATE)
    assert run(monkeypatch, ours, theirs, "--json") == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["first"], found["second"]) == ("ours/rain.wav", "theirs/market.wav")
    assert found["likeness"] > 0.95
    assert found["second_s"] - found["first_s"] == pytest.approx(30, abs=0.01)


def test_other_recordings_of_the_same_kind_have_nothing_in_common(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *folders) == 0
    assert "nothing in common: 2 and 2 recordings" in capsys.readouterr().err


def test_one_hum_at_two_places_and_silence_are_no_common_recordings(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    t = np.arange(20 * RATE) / RATE
    generator = np.random.default_rng(1)
    for folder in folders:
        hum = 0.3 * np.sin(2 * np.pi * 50 * t) + 0.01 * generator.standard_normal(len(t))
        write_wav(folder / "hum.wav", hum[np.newaxis].astype(np.float32), RATE)
        write_wav(folder / "silence.wav", np.zeros((1, 5 * RATE), np.float32), RATE)
    assert run(monkeypatch, *folders) == 0


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path / "nowhere", tmp_path) == 2
    assert f"{tmp_path / 'nowhere'}: no such folder" in capsys.readouterr().err

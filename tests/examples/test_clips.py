"""The recording of two talkers that comes along is what it is said to be, and the README's commands find both in it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.cli import main

AUDIO = Path(__file__).resolve().parents[2] / "examples/audio"
RECORDING = AUDIO / "two-talkers-4mic.flac"
AZIMUTHS_DEG = {"woman": -20.2, "man": 85.3}  # as tools/two_talker_clips.py prints them


def voices() -> dict[str, np.ndarray]:
    return {who: soundfile.read(AUDIO / f"two-talkers-{who}.flac")[0] for who in AZIMUTHS_DEG}


def test_four_microphones_hear_both_voices_and_what_the_room_adds() -> None:
    heard, rate = soundfile.read(RECORDING)
    assert (rate, heard.shape[1]) == (16_000, 4)
    assert (AUDIO / "ATTRIBUTION.md").read_text().count("two-talkers-") == 3
    early = sum(voices().values())
    assert 5 < 10 * np.log10(np.sum(early**2) / np.sum((heard[:, 0] - early) ** 2)) < 25, "late reverberation and noise"


def test_both_talkers_are_found_where_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["localize", str(RECORDING), "--array", "respeaker-4mic", "--talkers", "2", "--json"]) == 0
    moments = json.loads(capsys.readouterr().out)["moments"]
    last = sorted(talker["azimuth_deg"] for talker in moments[-1]["talkers"])
    assert last == pytest.approx(sorted(AZIMUTHS_DEG.values()), abs=6.0)  # reflections of a table-top array's room


@pytest.mark.parametrize("way", [("separate-2spk", "--array", "respeaker-4mic", "--beam", "mwf"), ("array4-2spk",)])
def test_the_network_and_a_beam_each_take_them_further_apart(way: tuple[str, ...], tmp_path: Path) -> None:
    """Than the first microphone heard them, each by SI-SDR."""
    assert main(["separate", str(RECORDING), "--out", str(tmp_path), "--model", *way]) == 0
    outputs = [soundfile.read(tmp_path / f"two-talkers-4mic-{number}.wav")[0] for number in (1, 2)]
    heard = soundfile.read(RECORDING)[0][:, 0]
    for clean in voices().values():
        gains = [likeness(output, clean) - likeness(heard, clean) for output in outputs]
        assert max(gains) > 1.0


def likeness(estimate: np.ndarray, clean: np.ndarray) -> float:
    """SI-SDR in dB, from the correlation."""
    squared = np.corrcoef(estimate, clean)[0, 1] ** 2
    return float(10 * np.log10(squared / (1 - squared)))

"""The shipped models do with quiet recordings what they do with loud ones."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk import Separator
from models.evaluation.metrics import si_sdr

AUDIO = Path(__file__).parents[1] / "examples/audio"
MOST_LOST_DB = 0.5  # 60 dB below full scale
LOUD, QUIET = 0.5, 0.001  # largest samples


def read(name: str) -> np.ndarray:
    """A recording of the demo, `[mics, n]`."""
    samples, _ = soundfile.read(AUDIO / f"{name}.flac", dtype="float32", always_2d=True)
    return samples.T


def in_rain() -> tuple[np.ndarray, np.ndarray]:
    voice, noise = read("speech-man"), read("noise-rain")
    noise = noise[:, : voice.shape[1]]
    return voice + noise * np.sqrt(np.mean(voice**2) / np.mean(noise**2)), voice


def at_once() -> tuple[np.ndarray, np.ndarray]:
    voices = [read(f"speech-{who}")[0, :75_000] for who in ("woman", "man")]
    sources = np.stack([voice / np.sqrt(np.mean(voice**2)) for voice in voices])
    return sources.sum(0, keepdims=True), sources


def in_a_room() -> tuple[np.ndarray, np.ndarray]:
    return read("two-talkers-4mic"), np.concatenate([read(f"two-talkers-{who}") for who in ("woman", "man")])


@pytest.mark.parametrize(
    ("model", "made"),
    [
        ("enhance-mono", in_rain),
        ("enhance-hearing-aid", in_rain),
        ("separate-2spk", at_once),
        ("array4-2spk", in_a_room),
    ],
)
def test_a_quiet_recording_comes_out_nearly_as_clean_as_a_loud_one(model: str, made) -> None:
    mixture, sources = made()
    separator, scores = Separator.open(model), []
    for peak in (LOUD, QUIET):
        outputs = separator.separate((peak / np.abs(mixture).max() * mixture).astype(np.float32))
        orders = permutations(range(len(outputs)))
        scores.append(max(np.mean([si_sdr(outputs[i], s) for i, s in zip(o, sources, strict=True)]) for o in orders))
    before = np.mean([si_sdr(mixture[0], source) for source in sources])
    loud, quiet = scores
    assert loud - before > 3, "it separates at all"
    assert quiet > loud - MOST_LOST_DB

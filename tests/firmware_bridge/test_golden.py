"""Golden clips with real models in real processes."""

import math
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.contract import Bundle
from firmware_bridge.golden import LARGEST_DB, best_si_sdr, judge_clips, read_clips, si_sdr
from firmware_bridge.health import HealthError
from tests.edge_sdk.bundles import MODEL as NO_MODEL
from tests.edge_sdk.bundles import manifest
from tests.firmware_bridge.sounds import MODEL, noise, shipped, speech_like, write_wav


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clean = speech_like(1.0)
    write_wav(tmp_path / "kitchen.wav", clean + noise(1.0))
    write_wav(tmp_path / "kitchen.clean.wav", clean)
    return tmp_path


def test_si_sdr_is_that_of_the_definition_and_does_not_depend_on_the_gain() -> None:
    rng = np.random.default_rng(0)
    s, e = rng.integers(-9999, 9999, 4000), rng.integers(-999, 999, 4000)
    scale = (s + e) @ s / (s @ s)
    want = 10 * math.log10(np.sum((scale * s) ** 2.0) / np.sum((scale * s - (s + e)) ** 2.0))
    assert si_sdr((s + e).tolist(), s.tolist()) == pytest.approx(want, abs=1e-9)  # sums of whole numbers are exact
    assert si_sdr((3 * (s + e)).tolist(), s.tolist()) == pytest.approx(want, abs=1e-9)
    assert si_sdr(s.tolist(), s.tolist()) == LARGEST_DB
    assert si_sdr([0] * 4000, s.tolist()) == -LARGEST_DB


def test_outputs_may_come_in_any_order() -> None:
    a, b = [1, 2, 3, -4], [4, -3, 2, 1]
    assert best_si_sdr([b, a], [a, b]) == best_si_sdr([a, b], [a, b]) == LARGEST_DB


def test_a_bundle_is_as_good_as_itself(folder: Path) -> None:
    clips, bundle = read_clips(folder), shipped(MODEL)
    verdict = judge_clips(clips, bundle, bundle, 0.0)
    assert verdict.healthy and verdict.reason == "1 golden clips within 0 dB"
    worse = judge_clips(clips, bundle, None, -100.0)  # better than the microphone by 100 dB is asked
    assert not worse.healthy and worse.reason.startswith("kitchen.wav: SI-SDR")


def test_a_model_that_cannot_run_is_not_healthy(folder: Path) -> None:
    broken = Bundle(manifest(sources=1), NO_MODEL)
    verdict = judge_clips(read_clips(folder), broken, None, 1.0)
    assert not verdict.healthy and "kitchen.wav: cannot be separated (" in verdict.reason
    assert "\n" not in verdict.reason


def test_clips_for_another_kind_of_model_are_refused(folder: Path) -> None:
    with pytest.raises(HealthError, match=r"are \(16000, 1, 1\), small has \(16000, 1, 2\)"):
        judge_clips(read_clips(folder), Bundle(manifest(), NO_MODEL), None, 1.0)


def test_wrong_clips_are_refused_in_one_line(folder: Path) -> None:
    clean = folder / "kitchen.clean.wav"
    for spoil, said in (
        (lambda: write_wav(clean, noise(0.5)), "16000 samples, its sources 8000"),
        (lambda: clean.write_bytes(b"RIFF"), "not a wav file"),
        (lambda: clean.write_bytes(b""), "not a wav file"),
        (clean.unlink, "No such file"),
        ((folder / "kitchen.wav").unlink, "no golden clips"),
    ):
        spoil()
        with pytest.raises(HealthError, match=said) as caught:
            read_clips(folder)
        assert "\n" not in str(caught.value)

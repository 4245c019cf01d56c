"""What versions lose and gain, in figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_sdk import Separator
from models.evaluation.metrics import si_sdr
from quantization.artifact import Artifact
from quantization.comparison import Comparison, Loss, Mixture, Row, lost, rows_of, speeds, table
from quantization.comparison_clips import clips, most_different, worst
from quantization.regression.clips import open_clips
from quantization.versions import Version, open_versions, streamed
from tests.quantization.comparison import MIXTURES


def test_losses_are_those_of_the_streams_against_the_first(found: dict[str, Any], folder: Path) -> None:
    versions = open_versions([str(folder / f"{name}.tflite") for name in ("tiny", "dynamic_int8", "dynamic_int4")])
    streams = [Separator(version.artifact.bundle) for version in versions if version.artifact]
    for place in range(MIXTURES):
        mixture, _ = soundfile.read(folder / "clips" / "mixtures" / f"voice-{place}.flac", dtype="float32")
        source, _ = soundfile.read(folder / "clips" / "sources" / f"voice-{place}.wav", dtype="float32")
        scores = [float(si_sdr(stream.separate(mixture)[0], source)) for stream in streams]
        shown = [row["loss"]["by_mixture"][place] for row in found["rows"]]
        assert shown == pytest.approx([scores[0] - score for score in scores], abs=2e-3)  # of three decimals each


def test_a_version_of_which_only_scores_are_known_has_neither_size_nor_sound(exported: Artifact, folder: Path) -> None:
    versions = [Version("before", "float32"), streamed("now", exported)]
    examples = open_clips(folder / "clips", 16_000)
    now = [float(n) for n in range(MIXTURES)]
    rows = rows_of(versions, [[score + 0.5 for score in now], now])
    assert rows[0].size is None and rows[1].size == exported.manifest.size
    assert rows[1].loss.by_mixture == (0.5,) * MIXTURES and (rows[1].loss.low, rows[1].loss.high) == (0.5, 0.5)
    made = Comparison("set", "", tuple(Mixture(str(n), "") for n in range(MIXTURES)), rows)
    (first, *_) = clips(made, versions, examples)
    assert [sound.key for sound in first.sounds] == ["0", "2", "t"]
    assert "-" in table(made).rows[0]


def test_silent_mixtures_count_nowhere_and_a_few_have_no_interval() -> None:
    some = lost([0.25, None, 0.75])
    assert some == Loss((0.25, None, 0.75), 0.5, None, None, 0.75, 2)
    assert lost([0.1] * 5).low == pytest.approx(0.1)


def test_the_worst_mixtures_are_heard_where_they_differ_most() -> None:
    rows = tuple(Row(f"{n}", "", 0.0, lost(losses)) for n, losses in enumerate([[0.0] * 5, [0, 3, None, 1, 0.0]]))
    rows = (*rows, Row("2", "", 0.0, lost([2, -1, None, 0, 0.0])))
    assert worst(Comparison("", "", (Mixture("", ""),) * 5, rows)) == [1, 0, 3]
    noise = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    other = noise.copy()
    other[600:700] = 0
    assert 600 <= most_different(other, noise, 100) + 5 <= 610  # the level is matched over the whole
    assert most_different(other, noise, 1000) == 0


def test_ratios_of_times_are_for_the_same_seconds_of_sound(exported: Artifact) -> None:
    first, second = speeds([exported, exported], steps=20)
    assert first.times_as_fast == 1
    assert second.times_as_fast == pytest.approx(first.of_real_time / second.of_real_time, rel=1e-9)
    m = exported.manifest
    assert first.of_real_time == pytest.approx(1e-6 * first.p50_us * m.sample_rate / m.block, rel=1e-9)

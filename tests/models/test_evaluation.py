"""Scores of separators whose quality is known beforehand."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from edge_sdk.errors import DataError
from models.evaluation import evaluate, separate_with, summarize
from models.zoo import build, preset

AUDIO = Path(__file__).parents[2] / "examples/audio"
RNG = np.random.default_rng(0)
EXAMPLES = [
    (sources.sum(axis=0, keepdims=True), sources)
    for sources in (RNG.standard_normal((2, 8000)).astype(np.float32) for _ in range(4))
]


def test_a_perfect_separator_in_any_order_is_perfect_and_the_mixture_improves_by_nothing() -> None:
    answers = {mixture.tobytes(): sources[::-1].copy() for mixture, sources in EXAMPLES}
    perfect = summarize(evaluate(lambda mixture: answers[mixture.tobytes()], EXAMPLES, 8000))
    assert perfect["si_sdr"] > 60
    idle = summarize(evaluate(lambda mixture: np.repeat(mixture, 2, axis=0), EXAMPLES, 8000))
    assert idle["si_sdr_improvement"] == 0 and idle["si_sdr"] == idle["si_sdr_mixture"]
    low, high = perfect["si_sdr_improvement_low"], perfect["si_sdr_improvement_high"]
    assert low <= perfect["si_sdr_improvement"] <= high and perfect["mixtures"] == 4


def test_a_separator_of_another_number_of_sources_is_refused() -> None:
    with pytest.raises(DataError, match="use a fitting set"):
        evaluate(lambda mixture: mixture, EXAMPLES, 8000)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        evaluate(lambda mixture: mixture, [], 8000)


def test_a_network_is_scored_with_its_delay_removed() -> None:
    network = build(preset("enhance-mono")).eval()  # an untouched one passes its input on, late
    x = torch.randn(1, 4000).numpy()
    np.testing.assert_allclose(separate_with(network)(x), x, atol=1e-4)


def test_perceptual_metrics_know_clean_speech_from_noisy() -> None:
    pytest.importorskip("pesq", reason="PESQ is built from source: it needs a C compiler")
    speech, rate = soundfile.read(AUDIO / "speech-woman.flac", dtype="float32")
    noise = soundfile.read(AUDIO / "noise-cafe.flac", dtype="float32")[0][: len(speech)]
    sources, mixture = speech[None], (speech + noise)[None]
    (perfect,) = evaluate(lambda mixture: sources, [(mixture, sources)], rate)
    assert perfect.after["stoi"] == pytest.approx(1.0, abs=1e-3)
    assert perfect.after["pesq"] == pytest.approx(4.64, abs=0.01)  # the top of the P.862.2 scale
    assert perfect.before["stoi"] < 0.98
    assert perfect.before["pesq"] < 4.0

"""Scores of separators whose quality is known beforehand, and what is said of many scores."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from edge_sdk.audio.arrays import load_array
from edge_sdk.errors import DataError
from models.data.example import Example
from models.evaluation.references import Reference, references
from models.evaluation.scores import Score, evaluate, reference_first, score, separate_with, summarize
from models.evaluation.sets import positions_of
from models.evaluation.summaries import against, interval, ranked, summarize_references
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
    assert perfect["swap_rate"] == 0
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


def test_outputs_that_are_no_numbers_are_refused_by_the_mixture_they_are_of() -> None:
    broken = EXAMPLES[1][0].tobytes()
    with pytest.raises(DataError, match="mixture 1: the model's output holds NaN"):
        evaluate(lambda x: np.repeat(x * (np.nan if x.tobytes() == broken else 1), 2, axis=0), EXAMPLES, 8000)


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
    assert perfect.before["estoi"] < perfect.before["stoi"]
    (source,) = perfect.sources
    assert source["pesq_mixture"] == perfect.before["pesq"]


def test_silent_sources_are_left_out_and_counted() -> None:
    talker, noise = EXAMPLES[0][1], 0.1 * EXAMPLES[1][1]
    one_silent = np.stack([talker[0], 0 * talker[1]])
    all_silent = 0 * one_silent
    scores = [
        score(lambda _, s=sources: s + noise, (talker[:1], sources), i, 8000, ("si_sdr",))
        for i, sources in enumerate((one_silent, all_silent))
    ]
    assert [s.silent for s in scores] == [1, 2]
    assert scores[0].after["si_sdr"] == pytest.approx(20, abs=0.5)  # noise 20 dB below, and another that is silent
    assert math.isnan(scores[0].sources[1]["si_sdr"])
    assert math.isnan(scores[1].after["si_sdr"])
    summary = summarize(scores)
    assert summary["silent_sources"] == 3
    assert summary["si_sdr"] == pytest.approx(scores[0].after["si_sdr"], abs=1e-3)
    assert [s.index for s in ranked(scores)] == [0]


def test_references_are_scored_beside_and_matched_like_the_model() -> None:
    mixture, sources = EXAMPLES[0]
    example = Example(mixture, sources, sources[:, None], {"talkers": ["a", "b"]})
    answer = Reference("the answer, in another order", "ceiling", lambda e, rate, positions: e.sources[::-1])
    found = score(
        lambda x: np.repeat(x, 2, axis=0), example, 5, 8000, ("si_sdr",), references(1, 2, False) | {"answer": answer}
    )
    assert found.references["answer"]["si_sdr"] > 60
    assert set(found.references) == {"answer", *references(1, 2, False)}
    assert found.about == {"talkers": ["a", "b"]}
    assert summarize_references([found, found])["answer"]["si_sdr_improvement"] > 60


def test_the_microphone_of_the_targets_comes_first_wherever_it_is() -> None:
    example = Example(np.arange(3)[:, None], np.ones((2, 1)), np.arange(6).reshape(2, 3, 1))
    moved = reference_first(example, 2)
    np.testing.assert_array_equal(moved.mixture[:, 0], [2, 0, 1])
    np.testing.assert_array_equal(moved.images[:, :, 0], [[2, 0, 1], [5, 3, 4]])
    assert reference_first(example, 0) is example


def test_positions_are_in_the_order_of_the_microphones() -> None:
    array = load_array("respeaker-4mic")
    positions = positions_of(array)
    assert positions is not None
    np.testing.assert_allclose(positions[0], array.positions_m[array.reference])
    assert positions_of(None) is None


def scores(gains: list[float], **about: list[float]) -> list[Score]:
    return [
        Score(i, {"si_sdr": 1.0}, {"si_sdr": 1.0 + gain}, {key: values[i] for key, values in about.items()})
        for i, gain in enumerate(gains)
    ]


def test_bins_hold_their_mixtures_by_hand() -> None:
    found = against(scores([1, 2, 3, 9], angle_deg=[10, 45, 89.9, 180], rt60_s=[0.3] * 4))
    assert set(found) == {"angle_deg"}  # all of one reverberation time, or input: nothing to tell apart
    bins = {(b["from"], b["to"]): (b["count"], b["si_sdr_improvement"]) for b in found["angle_deg"]}
    assert bins == {(0, 15): (1, 1.0), (45, 90): (2, 2.5), (90, 180): (1, 9.0)}
    open_ended = against(scores([1, 2], snr_db=[-40.0, 40.0]))["snr_db"]
    assert [(b["from"], b["to"]) for b in open_ended] == [(None, -10), (20, None)]


def test_mixtures_of_which_little_is_known_are_in_no_bin() -> None:
    levels = against(scores([1, 2, 3], between_talkers_db=[[-4.0], [0.5], [3.0, -9.0]]))["between_talkers_db"]
    assert [(b["from"], b["si_sdr_improvement"]) for b in levels] == [(0, 2), (2.5, 1), (5, 3)], "the farthest talker"
    assert against(scores([1, 2, 3], angle_deg=[None, "far", math.nan])) == {}  # type: ignore[list-item]


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    """95 % intervals of the mean of 40 numbers hold the true one in about 95 % of 200 draws."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        low, high = interval(rng.normal(3.0, 2.0, 40))
        inside += low <= 3.0 <= high
    assert 178 <= inside <= 199  # 190 expected; the bootstrap is a little narrow, and chance is 3 either way
    theory = 2.0 * 2 * 1.96 / np.sqrt(40)
    widths = [np.ptp(interval(rng.normal(3.0, 2.0, 40))) for _ in range(20)]
    assert np.mean(widths) == pytest.approx(theory, rel=0.15)


def test_the_worst_come_first() -> None:
    assert [s.index for s in ranked(scores([3.0, -1.0, 2.0, math.nan]))] == [1, 2, 0]

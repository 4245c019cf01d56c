"""Metrics agree with the packages that others report with, and know silence, order and swapped talkers."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from edge_sdk.errors import DataError
from models import objectives
from models.evaluation.metrics import (
    LIMIT_DB,
    METRICS,
    assign,
    estoi,
    measure,
    pesq_wideband,
    sdr,
    si_sdr,
    stoi,
    swaps,
    usable,
)

AUDIO = Path(__file__).parents[2] / "examples/audio"
AGREE = 1e-4  # dB, or units of the scale: what the issue of these metrics asks for
RATE = 16_000


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Two talkers and what a mediocre separator would make of them, `[2, n]` each."""
    woman, man, cafe = (
        soundfile.read(AUDIO / name, dtype="float32")[0][: 4 * RATE]
        for name in ("speech-woman.flac", "speech-man.flac", "noise-cafe.flac")
    )
    sources = np.stack([woman, man])
    outputs = np.stack([woman + 0.2 * man + 0.1 * cafe, 0.7 * man - 0.1 * woman + 0.3 * cafe])
    return outputs, sources


def test_si_sdr_is_that_of_fast_bss_eval_of_torchmetrics_and_of_training(pair: tuple[np.ndarray, np.ndarray]) -> None:
    import fast_bss_eval
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    outputs, sources = pair
    ours = si_sdr(outputs, sources)
    theirs = -fast_bss_eval.si_sdr_loss(outputs.astype(float), sources.astype(float), zero_mean=True)
    np.testing.assert_allclose(ours, theirs, atol=AGREE)
    tensors = torch.from_numpy(outputs).double(), torch.from_numpy(sources).double()
    np.testing.assert_allclose(
        ours, scale_invariant_signal_distortion_ratio(*tensors, zero_mean=True).numpy(), atol=AGREE
    )
    np.testing.assert_allclose(ours, objectives.si_sdr(*tensors).numpy(), atol=AGREE)


def test_sdr_is_that_of_fast_bss_eval_and_of_torchmetrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    import fast_bss_eval
    from torchmetrics.functional.audio import signal_distortion_ratio

    for output, source in zip(*pair, strict=True):
        output, source = output.astype(float), source.astype(float)
        ours = sdr(output, source)
        assert ours == pytest.approx(fast_bss_eval.sdr(source[None], output[None], filter_length=512)[0], abs=AGREE)
        tensors = torch.from_numpy(output), torch.from_numpy(source)
        assert ours == pytest.approx(float(signal_distortion_ratio(*tensors, filter_length=512)), abs=AGREE)


def test_sdr_is_that_of_mir_eval(pair: tuple[np.ndarray, np.ndarray]) -> None:
    mir_eval = pytest.importorskip("mir_eval", reason="of the extra dev, which CI installs")
    for output, source in zip(*(x.astype(float) for x in pair), strict=True):
        with pytest.warns(FutureWarning):  # deprecated there, and still what the literature reports
            theirs = mir_eval.separation.bss_eval_sources(source[None], output[None])[0][0]
        assert sdr(output, source) == pytest.approx(theirs, abs=AGREE)


def test_pesq_stoi_and_estoi_are_those_of_torchmetrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    pytest.importorskip("pesq", reason="PESQ is built from source: it needs a C compiler")
    from torchmetrics.functional.audio.pesq import perceptual_evaluation_speech_quality
    from torchmetrics.functional.audio.stoi import short_time_objective_intelligibility

    output, source = pair[0][0], pair[1][0]
    tensors = torch.from_numpy(output), torch.from_numpy(source)
    theirs = float(perceptual_evaluation_speech_quality(*tensors, RATE, "wb"))
    assert pesq_wideband(output, source, RATE) == pytest.approx(theirs, abs=AGREE)
    for ours, extended in ((stoi, False), (estoi, True)):
        theirs = float(short_time_objective_intelligibility(*tensors, RATE, extended=extended))
        assert ours(output, source, RATE) == pytest.approx(theirs, abs=AGREE)


def test_si_sdr_of_noise_at_right_angles_is_its_level_by_hand() -> None:
    time = np.arange(8000) / 8000
    tone, noise = np.sin(2 * np.pi * 100 * time), np.sin(2 * np.pi * 700 * time)
    for level_db in (-20.0, 0.0, 13.0):
        estimate = 3 * (tone + 10 ** (level_db / 20) * noise) + 0.5  # louder, and with an offset
        assert si_sdr(estimate, tone) == pytest.approx(-level_db, abs=1e-9)


def test_sdr_forgives_a_filter_and_si_sdr_does_not(pair: tuple[np.ndarray, np.ndarray]) -> None:
    source = pair[1][0].astype(float)
    filtered = np.convolve(source, np.random.default_rng(0).standard_normal(100))[: len(source)]
    assert sdr(filtered, source) > 60
    assert si_sdr(filtered, source) < 5


def test_perfect_and_silent_signals_have_numbers_or_none() -> None:
    noise = np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32)
    nothing = np.zeros_like(noise)
    names = usable(tuple(METRICS), RATE)
    perfect, muted = (measure(y, noise, RATE, names) for y in (noise, nothing))
    assert perfect["si_sdr"] == perfect["sdr"] == LIMIT_DB
    assert muted["si_sdr"] == muted["sdr"] == -LIMIT_DB
    assert muted["stoi"] == muted["estoi"] == 0
    for values in measure(noise, nothing, RATE, names).values():
        assert np.isnan(values).all()


def test_speech_too_short_for_a_metric_has_no_number() -> None:
    click = np.random.default_rng(0).standard_normal(RATE // 5).astype(np.float32)
    assert np.isnan(stoi(click, click, RATE))
    assert np.isnan(pesq_wideband(click, click, 8_000))


def test_estoi_is_the_same_every_time_and_leaves_chance_to_others(pair: tuple[np.ndarray, np.ndarray]) -> None:
    output, source = pair[0][0].copy(), pair[1][0]
    output[RATE : 2 * RATE] = 0
    np.random.seed(5)
    expected = np.random.standard_normal()
    np.random.seed(5)
    first = estoi(output, source, RATE)
    assert np.random.standard_normal() == expected
    assert estoi(output, source, RATE) == first


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_outputs_find_their_sources_in_any_order(count: int) -> None:
    rng = np.random.default_rng(count)
    sources = rng.standard_normal((count, 2000))
    for order in list(permutations(range(count)))[:10]:
        outputs = (sources + 0.5 * rng.standard_normal(sources.shape))[list(order)]
        np.testing.assert_array_equal(assign(outputs, sources), np.argsort(order))


def test_a_silent_source_takes_the_output_that_nobody_else_wants() -> None:
    rng = np.random.default_rng(0)
    sources = np.stack([np.zeros(2000), *rng.standard_normal((2, 2000))])
    outputs = np.stack([sources[2], 1e-3 * rng.standard_normal(2000), sources[1]])
    np.testing.assert_array_equal(assign(outputs, sources), [1, 2, 0])


def test_another_number_of_outputs_is_refused() -> None:
    with pytest.raises(DataError, match="use a fitting set"):
        assign(np.ones((1, 100)), np.ones((2, 100)))


def test_talkers_that_change_outputs_are_found_where_they_do() -> None:
    rate = 1000
    sources = np.random.default_rng(0).standard_normal((2, 10 * rate))
    outputs = sources + 0.1 * np.random.default_rng(1).standard_normal(sources.shape)
    assert swaps(outputs, sources, rate) == (0, 91)  # starts at 0.0, 0.1 .. 9.0 s
    swapped = outputs.copy()
    swapped[:, 7 * rate :] = outputs[::-1, 7 * rate :]
    # More than half of the second is swapped from the start at 6.5 s on, which is a tie; 6.6 .. 9.0 are 25.
    found, segments = swaps(swapped, sources, rate)
    assert segments == 91
    assert found in (25, 26)


def test_only_segments_count_in_which_everybody_talks() -> None:
    rate = 1000
    sources = np.random.default_rng(0).standard_normal((2, 10 * rate))
    sources[1, 5 * rate :] = 0
    _, segments = swaps(sources, sources, rate)
    assert segments == 50  # the second talker is heard in those that start before 5.0 s


def test_equal_outputs_one_source_and_silence_never_swap() -> None:
    sources = np.random.default_rng(0).standard_normal((2, 4000))
    mixture = np.repeat(sources.sum(axis=0, keepdims=True), 2, axis=0)
    assert swaps(mixture, sources, 1000) == (0, 31)
    assert swaps(mixture[:1], sources[:1], 1000) == (0, 0)
    assert swaps(mixture, 0 * sources, 1000) == (0, 0)
    assert swaps(mixture[:, :500], sources[:, :500], 1000) == (0, 1)  # shorter than a segment: one of all there is


def test_metrics_that_nobody_knows_are_refused_and_those_of_another_rate_left_out() -> None:
    with pytest.raises(ValueError, match=r"metrics snr: expected some of si_sdr, sdr"):
        usable(("snr",), RATE)
    assert "pesq" not in usable(tuple(METRICS), 8_000)

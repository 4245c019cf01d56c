"""The comparison with public enhancers: whatever a stream delays or resamples, its scores are those of its sound."""

import numpy as np
import pytest

from edge_sdk import Separator
from models.data.example import Example
from tests.models.recordings import RATE, voice
from tools.bench_peers import OUT_OF_REACH, compare, notes, ours_as_peer, table
from tools.peers import PEERS, Aligned, Peer, delay_of
from tools.peers.networks import frames, overlap_add
from tools.peers.peer import Start, blocks, installed


def delaying(name: str, samples: int, sample_rate: int = RATE, gain: float = 1.0) -> Peer:
    """A stream that gives what it gets, later."""

    def run(x: np.ndarray) -> np.ndarray:
        return gain * np.pad(x, (samples, 0))[: len(x)]

    return Peer(name, "numpy", "BSD-3-Clause", sample_rate, 1e3 * samples / sample_rate, lambda: lambda: run)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Voices in noise, one talker at one microphone."""
    made = []
    for seed in range(2):
        speech = voice(seed)[np.newaxis]
        noise = np.float32(0.03) * np.random.default_rng(seed).standard_normal(speech.shape).astype(np.float32)
        made.append(Example(speech + noise, speech, speech[:, np.newaxis]))
    return made


@pytest.mark.parametrize("samples", [0, 1, 255, 1440])
@pytest.mark.parametrize("sample_rate", [RATE, 48_000])
def test_a_delayed_copy_comes_out_as_it_went_in(examples: list[Example], samples: int, sample_rate: int) -> None:
    mixtures = [e.sources for e in examples]  # without noise, which would reach the edge of the resampler
    aligned = Aligned(delaying("copy", samples, sample_rate), RATE, mixtures)
    assert aligned.delay == samples
    output = aligned(mixtures[1])
    assert output.shape == (1, mixtures[1].shape[1]) and output.dtype == np.float32
    # The steps at which the voices begin and end hold tones that a resampler takes away.
    loudest = 0.0 if sample_rate == RATE else 0.03 * np.abs(mixtures[1]).max()
    assert np.sqrt(np.mean((output - mixtures[1][:1]) ** 2)) <= loudest


def test_the_delay_is_found_through_noise_and_a_filter(examples: list[Example]) -> None:
    rng = np.random.default_rng(0)
    inputs = [e.mixture[0] for e in examples]
    outputs = [np.convolve(np.pad(x, (37, 0)), [1.0, 0.3, -0.2]) for x in inputs]
    assert delay_of(inputs, [y + 0.1 * rng.standard_normal(len(y)) for y in outputs], 1600) == 37


def test_neither_delay_nor_level_changes_a_score(examples: list[Example]) -> None:
    peers = [delaying("at once", 0), delaying("later", 160), delaying("louder", 160, gain=4.0)]
    found = compare(peers, examples, RATE)["enhancers"]
    assert found["at once"]["delay_ms"] == 0 and found["later"]["delay_ms"] == 20
    for name in found:
        assert found[name]["si_sdr_improvement"] == pytest.approx(0, abs=1e-3)
        assert found[name]["stoi_improvement"] == pytest.approx(0, abs=1e-3)
        assert found[name]["real_time_factor"] >= 0


def test_who_is_not_installed_is_named_with_the_reason(examples: list[Example]) -> None:
    def absent() -> Start:
        raise AssertionError(f"found at {installed('edge-sdk-has-no-such-peer')}")

    def broken() -> Start:
        raise OSError("librnnoise.so: no such file")

    away = Peer("away", "edge-sdk-has-no-such-peer", "MIT", RATE, 10.0, absent)
    torn = Peer("torn", "numpy", "MIT", RATE, 10.0, broken)
    found = compare([away, torn, delaying("copy", 80)], examples, RATE)
    assert found["missing"] == {
        "away": "no edge-sdk-has-no-such-peer installed",
        "torn": "librnnoise.so: no such file",
        **OUT_OF_REACH,
    }
    found |= {"set": "voices", "cpu": "this one"}
    text = "\n".join([table(found).text(), *notes(found)])
    assert all(name in text for name in ("mixture", "copy", "away", "torn", "STOI", "improvement"))


def test_ours_is_late_by_the_delay_that_its_manifest_declares() -> None:
    ours = ours_as_peer("enhance-mono")
    speech = [np.repeat(voice(seed, 1.0), 2)[np.newaxis] for seed in range(2)]
    aligned = Aligned(ours, ours.sample_rate, speech)
    manifest = Separator.open("enhance-mono").manifest
    assert aligned.delay == manifest.delay
    assert ours.latency_ms == 1e3 * manifest.latency / manifest.sample_rate


def test_overlapping_frames_add_up_to_what_they_were_cut_from() -> None:
    x = np.random.default_rng(1).standard_normal(1000)
    window, hop = 64, 32
    taper = np.sqrt(np.hanning(window + 1)[:-1])
    y = overlap_add(taper**2 * frames(x, window, hop), window, hop)
    np.testing.assert_allclose(y[window - hop : len(x)], x[: len(x) - window + hop], atol=1e-12)  # rounding of float64


def test_blocks_hold_every_sample_and_zeros_after_the_last() -> None:
    x = np.arange(1.0, 8.0)
    together = np.concatenate(list(blocks(x, 3)))
    assert together.tolist() == [*x, 0.0, 0.0]


def test_every_peer_says_how_to_get_it_and_what_it_may_be_used_for() -> None:
    assert len({p.name for p in PEERS}) == len({p.package for p in PEERS}) == len(PEERS)
    for p in PEERS:
        assert p.licence and p.sample_rate in (16_000, 48_000) and 0 < p.latency_ms <= 40

"""The mixtures of the demo, of real recordings, and the measure of how clean they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.wav import read_wav

Samples = NDArray[np.float32]

AUDIO = Path(__file__).parent / "audio"
RATE_HZ = 16_000
LEVEL_DB = -26.0  # root mean square of the speech below full scale, the nominal level of speech in ITU-T tests
CREDITS = (
    "Speech: LibriSpeech, utterances 8238-274553-0000 and 5750-100289-0000, © 2014 Vassil Panayotov, CC BY 4.0; "
    "cut, scaled, mixed with noise, and cleaned by the models.",
    "Noise: café by SFX Producer (Noisekun, CC0); rain by jongrubbs (Freesound 202898, CC0).",
)


@dataclass(frozen=True)
class Mixture:
    """One talker in one noise. The seed places the speech in the noise."""

    file: str
    title: str
    speech: str
    noise: str
    snr_db: float  # mean power of the speech over that of the noise, over the whole clip
    seed: int


MIXTURES = (
    Mixture("woman-cafe", "A woman in a café", "speech-woman.flac", "noise-cafe.flac", 5.0, seed=1),
    Mixture("man-rain", "A man in the rain", "speech-man.flac", "noise-rain.flac", 0.0, seed=2),
)


def mix(mixture: Mixture) -> tuple[Samples, Samples]:
    """Clean speech and the noisy mixture, `[1, n]` each."""
    speech, _ = read_wav(AUDIO / mixture.speech, RATE_HZ, mics=1)
    noise, _ = read_wav(AUDIO / mixture.noise, RATE_HZ, mics=1)
    samples = speech.shape[1]
    start = int(np.random.default_rng(mixture.seed).integers(noise.shape[1] - samples + 1))
    noise = noise[:, start : start + samples]
    clean = speech * (10 ** (LEVEL_DB / 20) / rms(speech))
    return clean, clean + noise * (10 ** ((LEVEL_DB - mixture.snr_db) / 20) / rms(noise))


def rms(x: Samples) -> np.float32:
    return np.sqrt(np.mean(np.square(x)))


def si_sdr(estimate: Samples, clean: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of zero-mean signals `[n]` (Le Roux et al., 2019)."""
    e, c = estimate.astype(np.float64), clean.astype(np.float64)
    e, c = e - e.mean(), c - c.mean()
    target = (e @ c) / (c @ c) * c
    distortion = e - target
    return float(10 * np.log10((target @ target) / (distortion @ distortion)))

"""What the demo separates, mixtures of real recordings with the voices in them; and how clean a signal is."""

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
    "cut, scaled, mixed with noise or with each other in a simulated room, and separated by the models.",
    "Noise: café by SFX Producer (Noisekun, CC0); rain by jongrubbs (Freesound 202898, CC0).",
)


@dataclass(frozen=True)
class Mixture:
    """What the microphones hear, `[mics, n]`, and each voice as it should come out, `[n]`, by who it is.

    model: the shipped int8 model for it; its float32 twin is `MODEL-float32`.
    """

    file: str
    title: str
    about: str
    model: str
    heard: Samples
    voices: dict[str, Samples]


def mixtures() -> list[Mixture]:
    """All of the demo."""
    return [
        in_noise("woman-cafe", "A woman in a café", "speech-woman.flac", "noise-cafe.flac", 5.0, seed=1),
        in_noise("man-rain", "A man in the rain", "speech-man.flac", "noise-rain.flac", 0.0, seed=2),
        two_talkers(),
        in_a_room(),
    ]


def in_noise(file: str, title: str, voice: str, background: str, snr_db: float, seed: int) -> Mixture:
    """One talker in one noise, mean powers `snr_db` apart; the seed places the speech in the noise."""
    speech, _ = read_wav(AUDIO / voice, RATE_HZ, mics=1)
    noise, _ = read_wav(AUDIO / background, RATE_HZ, mics=1)
    samples = speech.shape[1]
    start = int(np.random.default_rng(seed).integers(noise.shape[1] - samples + 1))
    noise = noise[:, start : start + samples]
    clean = speech * (10 ** (LEVEL_DB / 20) / rms(speech))
    noisy = clean + noise * (10 ** ((LEVEL_DB - snr_db) / 20) / rms(noise))
    return Mixture(file, title, f"{snr_db:g} dB SNR", "enhance-mono", noisy, {"speech": clean[0]})


def two_talkers() -> Mixture:
    """Two people who talk at once, equally loud, at one microphone near both."""
    voices = [read_wav(AUDIO / f"speech-{who}.flac", RATE_HZ, mics=1)[0][0] for who in ("woman", "man")]
    samples = min(map(len, voices))
    woman, man = (voice[:samples] * (10 ** (LEVEL_DB / 20) / rms(voice[:samples])) for voice in voices)
    title, about = "A woman and a man at once", "Equally loud, at one microphone"
    return Mixture("two-talkers", title, about, "separate-2spk", (woman + man)[None], {"woman": woman, "man": man})


def in_a_room() -> Mixture:
    """The same two at a table array in a room; wanted is each at the first microphone, without late reverberation."""
    heard, _ = read_wav(AUDIO / "two-talkers-4mic.flac", RATE_HZ, mics=4)
    voices = {who: read_wav(AUDIO / f"two-talkers-{who}.flac", RATE_HZ, mics=1)[0][0] for who in ("woman", "man")}
    title, about = "The same two in a room", "A room that rings for 0.25 s, heard by four microphones in a circle"
    return Mixture("room", title, about, "array4-2spk", heard, voices)


def rms(x: Samples) -> np.float32:
    return np.sqrt(np.mean(np.square(x)))


def si_sdr(estimate: Samples, clean: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of zero-mean signals `[n]` (Le Roux et al., 2019)."""
    e, c = estimate.astype(np.float64), clean.astype(np.float64)
    e, c = e - e.mean(), c - c.mean()
    target = (e @ c) / (c @ c) * c
    distortion = e - target
    return float(10 * np.log10((target @ target) / (distortion @ distortion)))

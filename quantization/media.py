"""Sounds and their pictures as a page carries them."""

from __future__ import annotations

import io
from base64 import b64encode

import numpy as np
import numpy.typing as npt

from models.evaluation.stft import STFT

FLOOR_DB, CEILING_DB, STEP_DB = -100.0, -30.0, 3.5  # of spectrograms, in steps that nobody sees: half the size
LOUDEST = 0.99

Signal = npt.NDArray[np.float32]


def at_level(output: Signal, source: Signal) -> Signal:
    """The output with as much energy as its source, whatever its peaks; as it is where there is no source."""
    if not np.any(source):
        return output
    levelled: Signal = (output * np.sqrt(np.mean(source**2) / (np.mean(output**2) + 1e-12))).astype(np.float32)
    return levelled


def matched(output: Signal, source: Signal) -> Signal:
    """The output at the level of its source, for comparing by ear, and never clipped."""
    levelled = at_level(output, source)
    safe: Signal = levelled * np.float32(min(1, LOUDEST / (np.abs(levelled).max() + 1e-9)))
    return safe


def spectrogram(samples: Signal, sample_rate: int) -> bytes:
    """Level over time and frequency as PNG; one pixel for 16 ms and for two bins of 32 ms windows."""
    from matplotlib.image import imsave

    stft = STFT.for_rate(sample_rate, overlap=2)
    amplitudes = np.abs(stft.spectra(samples)) / (stft.window / 4)  # a sine of full scale is 0 dB
    pairs = np.maximum(amplitudes[:, 1::2], amplitudes[:, :-1:2])
    level_db = np.clip(20 * np.log10(np.maximum(pairs, 1e-9)), FLOOR_DB, CEILING_DB)
    steps, file = np.round(level_db / STEP_DB) * STEP_DB, io.BytesIO()
    imsave(file, steps.T, vmin=FLOOR_DB, vmax=CEILING_DB, cmap="magma", origin="lower", format="png")
    return file.getvalue()


def scale(sample_rate: int) -> str:
    """What a spectrogram shows, in words."""
    return (
        f"Spectrograms: time to the right, frequency upwards to {sample_rate / 2000:g} kHz, "
        f"{CEILING_DB - FLOOR_DB:g} dB from black to the brightest."
    )


def flac(samples: Signal, sample_rate: int) -> bytes:
    """A sound file of 16 bits that browsers play, at half the size of a wav."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def picture_and_sound(samples: Signal, sample_rate: int) -> tuple[str, str]:
    """Addresses that hold the spectrogram and the sound themselves."""
    return (
        data_uri("image/png", spectrogram(samples, sample_rate)),
        data_uri("audio/flac", flac(samples, sample_rate)),
    )


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"

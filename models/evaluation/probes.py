"""What a separator does where there is nothing to separate: clean speech, noise alone, silence; and at odd levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from models.data.example import Example
from models.data.levels import decibels
from models.data.synthetic import KINDS
from models.evaluation.metrics import assign, si_sdr
from models.evaluation.scores import Separate

MOST = 20  # mixtures that are probed with: enough to see what a model does, not what it does best
LEVELS_DB = (-60.0, -40.0, -20.0, 0.0)  # of the highest peak, against full scale
SECONDS = 5.0  # of each made-up sound

Probes = dict[str, float]


def probe(separate: Separate, examples: Sequence[Example], sample_rate: int) -> Probes:
    """Figures in dB by name; of talkers and noises of the examples, and of made-up sounds.

    clean, clean_worst: SI-SDR of one talker alone, as the output has it that is nearest.
    level_L: mean SI-SDR of mixtures whose peak is at L dB of full scale.
    noise: level of what comes out when nobody talks, against what went in. silence: peak of what comes out of zeros.
    KIND_peak: peak of what comes out of a made-up sound, against the peak that went in.
    """
    some = list(islice(examples, MOST))
    clean = [alone(separate, talker) for talker in talkers(some)]
    found = {"clean": float(np.mean(clean)), "clean_worst": float(np.min(clean))}
    for level in LEVELS_DB:
        found[f"level_{level:g}"] = float(np.mean([at_level(separate, example, level) for example in some]))
    noises = [example.mixture - example.images.sum(axis=0) for example in some]
    found["noise"] = float(np.mean([decibels(rms(separate(noise)) / rms(noise)) for noise in noises if noise.any()]))
    silence = np.zeros_like(some[0].mixture)
    found["silence"] = decibels(np.abs(separate(silence)).max())
    for kind in KINDS:
        rng = np.random.default_rng(1)
        sound = kind(rng, round(SECONDS * sample_rate), sample_rate)
        heard = np.broadcast_to(0.5 * sound / np.abs(sound).max(), (len(silence), len(sound))).astype(np.float32)
        found[f"{kind.__name__}_peak"] = decibels(np.abs(separate(heard)).max() / np.abs(heard).max())
    return found


def talkers(examples: Sequence[Example]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each talker alone: as the microphones hear it, `[M, n]`, and as it is wanted, `[n]`."""
    for example in examples:
        for image, source in zip(example.images, example.sources, strict=True):
            if source.any():
                yield image, source


def alone(separate: Separate, talker: tuple[np.ndarray, np.ndarray]) -> float:
    """SI-SDR of a talker who is heard alone, in the output that has it."""
    image, source = talker
    outputs = separate(image)
    return float(np.nanmax(si_sdr(outputs, np.broadcast_to(source, outputs.shape))))


def at_level(separate: Separate, example: Example, peak_db: float) -> float:
    """Mean SI-SDR of the separated sources of a mixture with such a peak."""
    gain = np.float32(10 ** (peak_db / 20) / np.abs(example.mixture).max())
    sources = gain * example.sources
    estimate = separate(gain * example.mixture)
    return float(np.nanmean(si_sdr(estimate[assign(estimate, sources)], sources)))


def rms(x: np.ndarray) -> float:
    """Root mean square over everything."""
    return float(np.sqrt(np.mean(np.square(x))))

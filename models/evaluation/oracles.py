"""Ceilings: what separation would reach if the talkers were known.

Ideal masks over the spectrum of the first microphone, and spatial filters whose statistics an ideal mask chooses. They
use the targets, so no system can; they show how far a kind of system can go on a mixture.

Masks are `[S, T, F]`, from the spectra of the parts of a mixture: its sources, and what remains of it (noise, and the
reverberation that is not in the targets).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.evaluation.beamformers import apply, covariance, mvdr, mwf
from models.evaluation.stft import STFT

TINY = 1e-12


def parts_of(mixture: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """The sources and the rest of the mixture, `[S + 1, ...]`; their sum is the mixture."""
    return np.concatenate([sources, mixture[np.newaxis] - sources.sum(axis=0, keepdims=True)])


def ideal_binary_mask(parts: np.ndarray) -> np.ndarray:
    """1 where a source is the loudest part, 0 elsewhere (Wang, 2005)."""
    magnitudes = np.abs(parts)
    loudest = np.argmax(magnitudes, axis=0)
    return (loudest == np.arange(len(parts) - 1)[:, np.newaxis, np.newaxis]) & (magnitudes[:-1] > TINY)


def ideal_ratio_mask(parts: np.ndarray) -> np.ndarray:
    """The share of a source's magnitude in the sum of all parts' magnitudes."""
    magnitudes = np.abs(parts)
    return magnitudes[:-1] / (magnitudes.sum(axis=0) + TINY)


def wiener_like_mask(parts: np.ndarray) -> np.ndarray:
    """The share of a source's power in the sum of all parts' powers (Erdogan et al., 2015)."""
    powers = np.abs(parts) ** 2
    return powers[:-1] / (powers.sum(axis=0) + TINY**2)


def phase_sensitive_mask(parts: np.ndarray) -> np.ndarray:
    """The real mask of least squared error, between 0 and 1 (Erdogan et al., 2015)."""
    mixture = parts.sum(axis=0)
    return np.clip((parts[:-1] * mixture.conj()).real / (np.abs(mixture) ** 2 + TINY**2), 0, 1)


MASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ibm": ideal_binary_mask,
    "irm": ideal_ratio_mask,
    "wiener": wiener_like_mask,
    "psm": phase_sensitive_mask,
}


def masked(mixture: np.ndarray, sources: np.ndarray, sample_rate: int, mask: str) -> np.ndarray:
    """The mixture `[M, n]` at its first microphone through an ideal mask for each of the sources `[S, n]`, `[S, n]`."""
    stft = STFT.for_rate(sample_rate)
    spectrum = stft.spectra(mixture[0])
    return stft.signal(MASKS[mask](parts_of(spectrum, stft.spectra(sources))) * spectrum, sources.shape[1])


FILTERS = {"mvdr": mvdr, "mwf": mwf}


def filtered(mixture: np.ndarray, sources: np.ndarray, sample_rate: int, filter: str) -> np.ndarray:
    """Every source by a spatial filter of the whole clip whose covariances the ideal ratio mask weighs, `[S, n]`."""
    stft = STFT.for_rate(sample_rate)
    spectra = stft.spectra(mixture)
    masks = ideal_ratio_mask(parts_of(spectra[0], stft.spectra(sources)))
    outputs = [
        apply(FILTERS[filter](covariance(spectra, mask), covariance(spectra, 1 - mask)), spectra) for mask in masks
    ]
    return stft.signal(np.stack(outputs), sources.shape[1])

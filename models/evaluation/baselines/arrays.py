"""Array processing that knows where the microphones are, and must find the talkers itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.evaluation import beamformers
from models.evaluation.localization import azimuths
from models.evaluation.stft import STFT

QUIETEST = 0.35  # share of the frames, by their energy, that are taken for noise
SHARPNESS = 30.0  # of the decision whose a bin is; the best of 2, 10 and 30 in rooms with 4 microphones on 8 cm


def delay_and_sum(mixture: np.ndarray, sample_rate: int, sources: int, positions_m: np.ndarray) -> np.ndarray:
    """Every talker of a mixture `[M, n]` by aligning the microphones towards it, `[S, n]`."""
    stft = STFT.for_rate(sample_rate)
    spectra = stft.spectra(mixture)
    towards = directions(spectra, positions_m, stft.frequencies_hz(sample_rate), sources)
    outputs = [beamformers.apply(beamformers.delay_and_sum(d), spectra) for d in towards]
    return stft.signal(np.stack(outputs), mixture.shape[1])


def mvdr(mixture: np.ndarray, sample_rate: int, sources: int, positions_m: np.ndarray) -> np.ndarray:
    """Every talker by MVDR, `[S, n]`; see `filtered`."""
    return filtered(mixture, sample_rate, sources, positions_m, beamformers.mvdr)


def mwf(mixture: np.ndarray, sample_rate: int, sources: int, positions_m: np.ndarray) -> np.ndarray:
    """Every talker by the multichannel Wiener filter, `[S, n]`; see `filtered`."""
    return filtered(mixture, sample_rate, sources, positions_m, beamformers.mwf)


def filtered(
    mixture: np.ndarray,
    sample_rate: int,
    sources: int,
    positions_m: np.ndarray,
    filter: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Every talker by a filter of the whole clip, from the covariances of what comes from near its direction and of
    all the rest; the quietest frames are nobody's."""
    stft = STFT.for_rate(sample_rate)
    spectra = stft.spectra(mixture)
    energy = np.sum(np.abs(spectra) ** 2, axis=(0, 2))
    talking = (energy > np.quantile(energy, QUIETEST))[:, np.newaxis]
    towards = directions(spectra, positions_m, stft.frequencies_hz(sample_rate), sources)
    outputs = [
        beamformers.apply(
            filter(beamformers.covariance(spectra, mask), beamformers.covariance(spectra, 1 - mask)), spectra
        )
        for mask in talking * nearest(spectra, towards)
    ]
    return stft.signal(np.stack(outputs), mixture.shape[1])


def directions(spectra: np.ndarray, positions_m: np.ndarray, frequencies_hz: np.ndarray, sources: int) -> np.ndarray:
    """Steering vectors `[S, F, M]` towards where the talkers seem to be."""
    found = azimuths(spectra, positions_m, frequencies_hz, sources)
    return beamformers.steering_vectors(positions_m, found, frequencies_hz)


def nearest(spectra: np.ndarray, steering: np.ndarray) -> np.ndarray:
    """How far every bin belongs to each direction, by its phases alone, `[S, T, F]`, summing to one over directions."""
    phases = (spectra / (np.abs(spectra) + 1e-12)).transpose(2, 1, 0)  # [F, T, M]
    aligned = phases @ steering.conj().transpose(1, 2, 0)  # [F, T, S]
    match = SHARPNESS * (np.abs(aligned) ** 2 / len(spectra)).transpose(2, 1, 0)
    likely = np.exp(match - match.max(axis=0))
    return likely / likely.sum(axis=0)

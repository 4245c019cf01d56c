"""Blind separation of one channel by non-negative matrix factorization.

The magnitudes of a clip become a few spectra times their activations, by multiplicative updates that lower the
Kullback-Leibler divergence (Lee & Seung, 2001). Nothing is trained: the spectra are learned from the clip itself, and
go to talkers by their pitch, as far as they have one, which needs the whole clip. Supervised NMF, which knows the
talkers from other recordings, does better; so would a grouping that knows the answer.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.stft import STFT

WINDOW_S = 0.064  # long enough to see single harmonics
COMPONENTS = 20  # for each talker
ITERATIONS = 100
PITCH_HZ = np.geomspace(80, 320, 60)  # of men, women and most children
HARMONICS = np.arange(1, 9)
DOUBT = 0.3  # distance in log pitch at which a spectrum is e times less likely a talker's
TINY = 1e-12


def separate(mixture: np.ndarray, sample_rate: int, sources: int) -> np.ndarray:
    """As many talkers of the mixture `[M, n]` as asked for, from its first microphone alone, `[S, n]`."""
    stft = STFT.for_rate(sample_rate, WINDOW_S)
    spectrum = stft.spectra(mixture[0])
    spectra, activations = factorize(np.abs(spectrum).T, COMPONENTS * sources)
    shares = memberships(*pitches(spectra, sample_rate / stft.window), activations.sum(axis=1), sources)
    models = np.einsum("sk,fk,kt->stf", shares, spectra, activations, optimize=True)
    return stft.signal(models / (models.sum(axis=0) + TINY) * spectrum, mixture.shape[1])


def factorize(magnitudes: np.ndarray, components: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`W [F, K]` and `H [K, T]` whose product comes close to `[F, T]`; the columns of W sum to one."""
    rng = np.random.default_rng(seed)
    bins, frames = magnitudes.shape
    w, h = rng.uniform(0.5, 1.5, (bins, components)), rng.uniform(0.5, 1.5, (components, frames))
    for _ in range(ITERATIONS):
        h *= (w.T @ (magnitudes / (w @ h + TINY))) / (w.sum(axis=0)[:, np.newaxis] + TINY)
        w *= ((magnitudes / (w @ h + TINY)) @ h.T) / (h.sum(axis=1) + TINY)
        total = w.sum(axis=0) + TINY
        w, h = w / total, h * total[:, np.newaxis]
    return w, h


def divergence(magnitudes: np.ndarray, w: np.ndarray, h: np.ndarray) -> float:
    """The generalized Kullback-Leibler divergence of the product from what it stands for."""
    product = w @ h + TINY
    return float(np.sum(magnitudes * np.log((magnitudes + TINY) / product) - magnitudes + product))


def pitches(spectra: np.ndarray, bin_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """The pitch in Hz of every spectrum of `[F, K]`, and how harmonic it is, 0 to 1.

    The pitch is where amplitudes at its multiples stand out most against those half way between (after Hermes, 1988).
    """
    amplitudes = np.sqrt(spectra)
    at, between = (np.rint(PITCH_HZ[:, np.newaxis] * (HARMONICS - shift) / bin_hz).astype(int) for shift in (0, 0.5))
    last = len(spectra) - 1
    standing_out = amplitudes[np.minimum(at, last)] - amplitudes[np.minimum(between, last)]  # [pitch, harmonic, K]
    scores = np.einsum("phk,h->pk", standing_out, 1 / HARMONICS)
    harmonic = scores.max(axis=0) / (amplitudes.sum(axis=0) + TINY)
    return PITCH_HZ[scores.argmax(axis=0)], np.clip(harmonic / (np.quantile(harmonic, 0.75) + TINY), 0, 1)


def memberships(pitch_hz: np.ndarray, harmonic: np.ndarray, energy: np.ndarray, groups: int) -> np.ndarray:
    """How likely every spectrum is of each talker, `[S, K]`, by nearness of its pitch; all alike where it has none.

    The talkers' pitches are found by k-means over log pitch (Lloyd, 1982), weighted by energy.
    """
    pitch, weight = np.log(pitch_hz), energy * harmonic + TINY
    order = np.argsort(pitch)
    share = np.cumsum(weight[order]) / weight.sum()
    centres = pitch[order][np.searchsorted(share[:-1], (np.arange(groups) + 0.5) / groups)]
    for _ in range(20):
        nearest = np.abs(pitch - centres[:, np.newaxis]).argmin(axis=0)
        centres = np.array(
            [
                np.average(pitch[nearest == g], weights=weight[nearest == g]) if np.any(nearest == g) else centres[g]
                for g in range(groups)
            ]
        )
    likely = np.exp(-np.abs(pitch - centres[:, np.newaxis]) / DOUBT)
    return harmonic * likely / likely.sum(axis=0) + (1 - harmonic) / groups

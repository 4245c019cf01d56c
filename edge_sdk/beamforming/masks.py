"""Masks that say which talker a bin belongs to: from the outputs of a separation network, or from a direction.

A mask `[S, F]` lies between 0 and 1; what the talkers' masks leave of one is noise. The probability that a detector of
voice activity gives is a mask that is the same at all frequencies; `presence` estimates one for each.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_sdk.beamforming.conditioning import FLOOR
from edge_sdk.beamforming.signals import Complex, Real, checked_samples
from edge_sdk.beamforming.stft import Analysis, STFTConfig

SHARPNESS = 30.0  # of the decision which direction a bin comes from, as in the offline baseline


class Masker(Protocol):
    """Makes masks of what the microphones hear, frame by frame, and may remember."""

    def masks(self, spectra: Complex) -> NDArray[np.floating]:
        """Masks `[S, F]` of a frame `[F, M]`."""
        ...

    def reset(self) -> None: ...


def ratio_masks(outputs: Complex, mixture: Complex) -> Real:
    """Masks `[S, F]` of the outputs `[S, F]` of a network for a mixture `[F]`: each output's part of the power of all
    outputs and of what they leave of the mixture. In silence nobody talks."""
    powers = outputs.real**2 + outputs.imag**2
    rest = mixture - outputs.sum(axis=0)
    masks: Real = powers / (powers.sum(axis=0) + rest.real**2 + rest.imag**2 + FLOOR)
    return masks


class OutputMasks:
    """Masks of what a network gives as samples: its outputs, and the mixture at the reference microphone, delayed as
    the outputs are. Any number of samples at a time."""

    def __init__(self, config: STFTConfig, sources: int) -> None:
        self._config, self._sources = config, sources
        self._analysis = Analysis(config, sources + 1)

    def push(self, outputs: ArrayLike, mixture: ArrayLike) -> Real:
        """Masks `[S, T, F]` of the frames that outputs `[S, n]` and mixture `[n]` complete."""
        heard = checked_samples(np.asarray(mixture)[np.newaxis], 1)
        given = checked_samples(outputs, self._sources)
        if heard.shape[1] != given.shape[1]:
            raise ValueError(f"{given.shape[1]} samples of outputs and {heard.shape[1]} of the mixture: expected equal")
        both = np.concatenate([given, heard])
        found = [ratio_masks(s[:, :-1].T, s[:, -1]) for s in self._analysis.push(both)]
        return np.stack(found, axis=1) if found else np.empty((self._sources, 0, self._config.frequencies))

    def reset(self) -> None:
        """Forget everything."""
        self._analysis.reset()


class DirectionMasks:
    """Whose direction the phases of a bin fit best: for talkers whose steering vectors `[S, F, M]` are known.

    Directions compete: with one alone everything would be its own, so `others`, `[K, F, M]`, are steering vectors of
    where noise may come from.
    """

    def __init__(self, steering: Complex, others: Complex | None = None) -> None:
        self._sources = len(steering)
        every = steering if others is None else np.concatenate([steering, others])
        if len(every) < 2:
            raise ValueError("directions: 1 given, expected another talker or other directions to compete with")
        self._aligning = (every / np.abs(every)).conj().transpose(1, 0, 2)  # [F, S + K, M]

    def masks(self, spectra: Complex) -> Real:
        """Masks `[S, F]` of a frame `[F, M]`; none in silence."""
        levels = np.abs(spectra)
        phases = np.divide(spectra, levels, out=np.zeros_like(spectra), where=levels > 0)
        aligned = (self._aligning @ phases[..., np.newaxis])[..., 0].T  # [S + K, F]
        match = SHARPNESS * (aligned.real**2 + aligned.imag**2) / phases.shape[1]
        likely: Real = np.exp(match - match.max(axis=0))
        likely *= levels.any(axis=1) / likely.sum(axis=0)
        return likely[: self._sources]

    def reset(self) -> None:
        """Nothing is remembered."""

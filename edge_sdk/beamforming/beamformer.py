"""A spatial filter as a stream: samples of the microphones in, samples of every talker out.

Each frame's masks, if there are any, go into the statistics; statistics become weights; weights filter the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_sdk.beamforming.conditioning import FLOOR, only_heard, power
from edge_sdk.beamforming.covariance import Covariance, HeardMics, checked_forget
from edge_sdk.beamforming.designs import Design, Learned
from edge_sdk.beamforming.masks import Masker
from edge_sdk.beamforming.signals import Complex, Real, Samples, checked_masks, checked_samples
from edge_sdk.beamforming.stft import Analysis, STFTConfig, Synthesis

QUIETEST_NOISE = 1e-10  # of the mixture: differences of covariances are that far above what rounding leaves
KNOWN = 0.6  # of the statistics' memory holds a microphone that was faulty, before it makes weights again,
WELL_KNOWN = 0.9  # and before talkers are given as it hears them


@dataclass(frozen=True)
class SpatialFilterConfig:
    """Sizes and clocks of a spatial filter, times in frames.

    forget: what is left of the statistics after a frame; `covariance.forgetting` turns seconds into it.
    every: frames until all weights are new. Each frame renews as many frequencies as the next, so that none takes
    longer; 1 renews all of them every time.
    lag: frames by which masks come late. They are matched with what was heard then, while the newest frame is filtered
    without waiting for its own: a network's delay costs the filter no latency, for rooms change more slowly.
    """

    mics: int
    sources: int = 1
    stft: STFTConfig = field(default_factory=STFTConfig)
    forget: float = 0.99
    every: int = 4
    lag: int = 0
    reference: int = 0

    def __post_init__(self) -> None:
        if self.mics < 1 or self.sources < 1 or self.every < 1:
            raise ValueError(
                f"mics {self.mics}, sources {self.sources}, every {self.every}: expected at least 1 of each"
            )
        if not 0 <= self.reference < self.mics:
            raise ValueError(f"reference = {self.reference}: expected a microphone, 0 to {self.mics - 1}")
        if self.lag < 0:
            raise ValueError(f"lag = {self.lag}: expected a number of frames, 0 or more")
        checked_forget(self.forget)


class SpatialFilter:
    """Talkers of a mixture, block by block, by the filters of a design.

    `process` takes samples as they come, `[M, n]` with any n, and gives what is complete by then, `[S, m]`. The output
    stream runs `delay` samples behind; a sample waits at most `latency`. Masks come with the samples, or from a masker,
    or not at all; without them statistics stay as they are. Until the first masks have come, a design that learns puts
    out the reference microphone. Silence makes silence; a microphone that goes silent is left out, and so is one that
    is not to be trusted.
    """

    def __init__(self, config: SpatialFilterConfig, design: Design, masker: Masker | None = None) -> None:
        c = self.config = config
        self.design, self.masker = design, masker
        frequencies = c.stft.frequencies
        self._analysis, self._synthesis = Analysis(c.stft, c.mics), Synthesis(c.stft, c.sources)
        # The last is that of the mixture: what it has more than a talker is that talker's noise.
        self._covariance = Covariance(c.sources + 1, frequencies, c.mics, c.forget)
        self._shares = np.ones((c.sources + 1, frequencies))
        self._heard = HeardMics(c.mics)
        self._trusted = np.ones(c.mics, np.bool_)
        self._known = np.ones(c.mics)  # the share of the statistics' memory that holds each microphone
        self._past = np.zeros((c.lag + 1, frequencies, c.mics), np.complex128)  # a ring
        self._turns = [slice(first, None, c.every) for first in range(c.every)]
        self._conjugate = np.empty((c.sources, frequencies, c.mics), np.complex128)  # of the weights
        self._products = np.empty_like(self._conjugate)
        self._outputs = np.empty((c.sources, frequencies), np.complex128)
        self.reset()

    @property
    def latency(self) -> int:
        """The longest time, in samples, from a sample's arrival to the moment its output is complete."""
        return self.config.stft.latency

    @property
    def delay(self) -> int:
        """Samples by which the output stream runs behind the input stream."""
        return self.config.stft.delay

    @property
    def weights(self) -> Complex:
        """The filters now, `[S, F, M]`; an output is `w^H y`."""
        weights: Complex = self._conjugate.conj()
        return weights

    def frames(self, samples: int) -> int:
        """Frames that so many more samples complete: masks are expected for each of them."""
        return (self._analysis.pending + samples) // self.config.stft.hop

    def process(self, x: ArrayLike, masks: ArrayLike | None = None, gains: Real | None = None) -> Samples:
        """All samples that are complete, `[S, m]`, after taking `[M, n]`, with masks `[S, T, F]` for the T frames that
        these complete, or, where there is a lag, for as many frames so long ago. gains: of the outputs in the same
        frames, `[S, T, F]`, from a post-filter."""
        c = self.config
        samples = checked_samples(x, c.mics)
        hop, frames = c.stft.hop, self.frames(samples.shape[1])
        given = None if masks is None else checked_masks(masks, (c.sources, frames, c.stft.frequencies))
        y = np.empty((c.sources, frames * hop), np.float32)
        for t, spectra in enumerate(self._analysis.push(samples)):
            self._learn(spectra, None if given is None else given[:, t])
            self._follow(spectra)
            np.multiply(self._conjugate, spectra, out=self._products)
            np.add.reduce(self._products, axis=-1, out=self._outputs)
            if gains is not None:
                np.multiply(self._outputs, gains[:, t], out=self._outputs)
            self._synthesis.add(self._outputs, y[:, t * hop : (t + 1) * hop])
        self._taken += samples.shape[1]
        self._given += frames * hop
        return y

    def trust(self, mics: ArrayLike) -> None:
        """Listen to these microphones alone, `[M]` of bool, at least one.

        The others are left out at once, and what they heard is forgotten. Trusted again, they are taken in when most of
        the statistics' memory knows them: with less, estimates of a talker and of noise do not fit each other.
        """
        trusted = np.asarray(mics, np.bool_)
        if trusted.shape != self._trusted.shape or not trusted.any():
            raise ValueError(f"trust in {trusted.tolist()}: expected [{self.config.mics}] of which one is true")
        self._covariance.forget(~trusted)
        self._known[~trusted] = 0
        self._trusted[...] = trusted
        if self.design.learns and not self._learned:
            self._conjugate.fill(0)
            self._conjugate[..., self._reference(trusted)] = 1

    def flush(self) -> Samples:
        """What is still inside, `[S, m]`, as if silence followed; then the filter is reset.

        `process` and `flush` together give `delay` samples more than they took.
        """
        hop, left = self.config.stft.hop, self._taken + self.delay - self._given
        hops = -(-(self._taken + self.delay) // hop)
        y = self.process(np.zeros((self.config.mics, hops * hop - self._taken), np.float32))[:, :left]
        self.reset()
        return y

    def reset(self) -> None:
        """Be as new."""
        for part in (self._analysis, self._synthesis, self._covariance, self._heard):
            part.reset()
        if self.masker is not None:
            self.masker.reset()
        self._past.fill(0)
        self._conjugate.fill(0)
        self._conjugate[..., self.config.reference] = 1
        self._turn = self._taken = self._given = self._at = 0
        self._learned = False
        self._trusted.fill(True)
        self._known.fill(1)
        self._usable_then = self._usable()
        if not self.design.learns:
            self._renew(slice(None))

    def _learn(self, spectra: Complex, masks: NDArray[np.floating] | None) -> None:
        """Bring the statistics up to date with a frame, or with the one that the masks are for."""
        self._past[self._at] = spectra
        self._at = (self._at + 1) % len(self._past)
        seen = self._past[self._at]
        if masks is None:
            if self.masker is None:
                return
            masks, seen = checked_masks(self.masker.masks(spectra), self._shares[:-1].shape), spectra
        self._shares[:-1] = masks
        self._covariance.update(seen * self._trusted, self._shares)
        self._learned = True

    def _follow(self, spectra: Complex) -> None:
        """Renew weights: of a learning design those of the frequencies whose turn it is, of others when a microphone
        dies or comes back."""
        self._heard.update(spectra * self._trusted)
        self._known += (1 - self.config.forget) * (self._trusted - self._known)
        if self.design.learns and self._learned:
            self._renew(self._turns[self._turn])
            self._turn = (self._turn + 1) % len(self._turns)
        elif not self.design.learns and ((usable := self._usable()) != self._usable_then).any():
            self._usable_then = usable
            self._renew(slice(None))

    def _usable(self) -> NDArray[np.bool_]:
        """Microphones, `[M]`, that make the next weights."""
        usable = self._heard.heard & self._trusted & (self._known >= KNOWN)
        return usable if usable.any() else self._trusted.copy()

    def _reference(self, usable: NDArray[np.bool_]) -> int:
        """The reference, or the first microphone that can stand in for it."""
        reference, well_known = self.config.reference, usable & (self._known >= WELL_KNOWN)
        return reference if well_known[reference] else int(np.argmax(well_known if well_known.any() else usable))

    def _renew(self, bins: slice) -> None:
        """Renew the weights of some frequencies."""
        heard = self._usable()
        both = only_heard(self._covariance.values[:, bins], heard)
        speech, mixture = both[:-1], both[-1]
        least = (QUIETEST_NOISE * power(mixture) + FLOOR)[:, np.newaxis, np.newaxis] * np.eye(self.config.mics)
        learned = Learned(
            speech=speech,
            noise=mixture - speech + least,
            residual=mixture - speech.sum(axis=0) + least,
            heard=heard,
            reference=self._reference(heard),
            bins=bins,
        )
        np.conjugate(self.design.weights(learned), out=self._conjugate[:, bins])

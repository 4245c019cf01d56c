"""A separation network that steers a spatial filter: less distortion than the network alone, and no directions to know.

Outputs of the network become masks, masks become covariances, and these the filters of all microphones, one for each
output of the network; all of it causal and online (Ochiai et al., "Beam-TasNet: time-domain audio separation network
meets frequency-domain beamformer", 2020, block by block). What the outputs leave of the mixture is noise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.designs import Design, PassThrough
from edge_sdk.beamforming.masks import OutputMasks
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.signals import Samples, checked_samples
from edge_sdk.beamforming.watch import MicrophoneWatch

STRETCH = 16_384  # samples at once: what masks of a long recording need of memory, and no live block is cut


class Network(Protocol):
    """What takes samples `[mics, n]` apart, block by block; an `edge_sdk.Separator` does. For one microphone or for all
    of the array; `delay` and `block` as there."""

    @property
    def mics(self) -> int: ...
    @property
    def sources(self) -> int: ...
    @property
    def delay(self) -> int: ...
    @property
    def block(self) -> int: ...
    def process(self, x: ArrayLike) -> Samples: ...
    def reset(self) -> None: ...


class NeuralBeamformer:
    """Sources of a mixture by filters that a network steers, block by block.

    A network for one microphone listens to the reference; one for an array must have its targets there. `process` takes
    samples as they come, `[mics, n]` with any n, and gives what is complete by then, `[sources, m]`. The microphones
    wait for the network, so that filters learn from a frame before they filter it: the output stream runs `delay`
    samples behind, the network's delay and the filter's, and a sample waits at most `latency`.

    Without a design nothing is filtered by place: the network's own outputs go through, to a post-filter.

    With a sample rate, microphones are watched: a faulty one is left out of statistics and filters within a second, and
    the network hears another in its place, until it is well again. Without, nobody watches.
    """

    def __init__(
        self,
        network: Network,
        config: SpatialFilterConfig,
        design: Design | None,
        postfilter: PostFilterConfig | None = None,
        sample_rate: int | None = None,
    ) -> None:
        if network.mics not in (1, config.mics):
            raise ValueError(f"a network for {network.mics} microphones and {config.mics}: expected one for 1 or all")
        if config.lag:
            raise ValueError(f"lag = {config.lag}: expected 0, for the microphones wait for the network")
        self.network = network
        self.config = replace(config, sources=network.sources)
        self._own = design is None
        own = replace(self.config, mics=network.sources, reference=0)
        self.filter = SpatialFilter(self.config, design) if design is not None else SpatialFilter(own, PassThrough())
        self._masks = OutputMasks(config.stft, network.sources)
        self._postfilter = postfilter
        self._watch = None if sample_rate is None else MicrophoneWatch(config.mics, sample_rate, config.reference)
        self._trusted = (True,) * config.mics
        # Of all microphones, and of what the network hears of the reference.
        self._waiting: Samples = np.zeros((config.mics + 1, network.delay), np.float32)
        self._taken = self._given = 0  # samples since the stream began
        self.reset()

    @property
    def mics(self) -> int:
        return self.config.mics

    @property
    def sources(self) -> int:
        return self.config.sources

    @property
    def delay(self) -> int:
        """Samples by which the output stream runs behind the input stream."""
        return self.network.delay + self.filter.delay

    @property
    def latency(self) -> int:
        """The longest time, in samples, from a sample's arrival to the moment its output is complete."""
        # A hop waits for the block of the network in which it ends, by at most a block less what both have in common.
        hop, block = self.config.stft.hop, self.network.block
        return self.delay + hop + block - math.gcd(hop, block)

    def process(self, x: ArrayLike) -> Samples:
        """All samples that are complete, `[sources, m]`, after taking `[mics, n]`."""
        samples = checked_samples(x, self.mics)
        begins = range(0, max(samples.shape[1], 1), STRETCH)
        parts = [self._watched(samples[:, begin : begin + STRETCH]) for begin in begins]
        return np.concatenate(parts, axis=1)

    def _watched(self, samples: Samples) -> Samples:
        if self._watch is None:
            return self._run(samples, samples)
        parts = [np.empty((self.sources, 0), np.float32)]
        for piece in self._watch.pieces(samples):
            if self._watch.good != self._trusted:
                self._trusted = self._watch.good
                if not self._own:
                    self.filter.trust(self._trusted)
            parts.append(self._run(piece, self._watch.replaced(piece)))
        return np.concatenate(parts, axis=1)

    def _run(self, samples: Samples, heard: Samples) -> Samples:
        """What the filter makes of samples, `[M, n]`, when this is what the network hears of them."""
        reference = [self.config.reference]
        outputs = self.network.process(heard[reference] if self.network.mics == 1 else heard)
        self._waiting = np.concatenate([self._waiting, np.concatenate([samples, heard[reference]])], axis=1)
        count = outputs.shape[1]
        ready, self._waiting = self._waiting[:, :count], self._waiting[:, count:]
        mixture, at_reference = ready[:-1], ready[-1]
        masks = self._masks.push(outputs, at_reference)
        gains = None if self._postfilter is None else self._postfilter.gains(masks)
        y = self.filter.process(outputs, None, gains) if self._own else self.filter.process(mixture, masks, gains)
        self._taken += samples.shape[1]
        self._given += y.shape[1]
        return y

    def flush(self) -> Samples:
        """What is still inside, `[sources, m]`, as if silence followed; then all is reset.

        `process` and `flush` together give `delay` samples more than they took.
        """
        left = self._taken + self.delay - self._given
        y = self.process(np.zeros((self.mics, self.latency), np.float32))[:, :left]
        self.reset()
        return y

    def reset(self) -> None:
        """Be as new."""
        self.network.reset()
        self.filter.reset()
        self._masks.reset()
        self._waiting = np.zeros((self.mics + 1, self.network.delay), np.float32)
        self._trusted = (True,) * self.mics
        if self._watch is not None:
            self._watch.reset()
        self._taken = self._given = 0

    def separate(self, x: ArrayLike) -> Samples:
        """The sources of a whole recording, `[mics, n]` to `[sources, n]`, aligned with it. Resets before and after."""
        samples = checked_samples(x, self.mics)
        self.reset()
        return np.concatenate([self.process(samples), self.flush()], axis=1)[:, self.delay :]

"""A network that listens once more, to the beam which it steered.

The beam is a better input than any microphone, and what the network makes of it steers a better beam (Qian, Zhang,
Chang, Yang, Florencio & Hasegawa-Johnson, "Deep learning based speech beamforming", 2018).
"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from edge_sdk.beamforming.neural import Network, NeuralBeamformer
from edge_sdk.beamforming.signals import Samples


class Again:
    """A `Network` for all microphones of an array: a beam that the first network steers, and behind it a second one.

    Both are for one talker, the second for one microphone, and mostly the same network twice, each with a memory of its
    own. `delay` is that of all of them.
    """

    def __init__(self, first: NeuralBeamformer, second: Network) -> None:
        if first.sources != 1 or (second.mics, second.sources) != (1, 1):
            raise ValueError(
                f"a beam of {first.sources} sources and a network of {second.sources} at {second.mics} microphones: "
                "expected one talker, heard by one microphone the second time"
            )
        self.first, self.second = first, second

    @property
    def mics(self) -> int:
        return self.first.mics

    @property
    def sources(self) -> int:
        return 1

    @property
    def delay(self) -> int:
        return self.first.delay + self.second.delay

    @property
    def block(self) -> int:
        """Samples after which all blocks inside have come out, at the latest."""
        return math.lcm(self.first.network.block, self.first.config.stft.hop, self.second.block)

    def process(self, x: ArrayLike) -> Samples:
        """All samples that are complete, `[1, m]`, after taking `[mics, n]`."""
        return self.second.process(self.first.process(x))

    def reset(self) -> None:
        """Be as new."""
        self.first.reset()
        self.second.reset()

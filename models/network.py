"""What training, evaluation and export know of a network, whatever it is made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.streaming import State, Streaming


class Network(Streaming):
    """Sources of a mixture.

    Shape: `[B, mics, n]` to `[B, sources, n]`, `delay` samples behind the input. A block of `step` is a multiple of the
    hop; the whole-signal call takes any length.
    """

    config: Any  # a frozen dataclass that rebuilds the network; has `sources` and `sample_rate`

    @property
    def mics(self) -> int:
        """Microphones of the mixtures it takes."""
        return 1

    @property
    def reference(self) -> int:
        """The microphone at which sources are wanted, counted from 0."""
        return 0

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        raise NotImplementedError

    @property
    def delay(self) -> int:
        """Samples by which the output stream runs behind the input stream."""
        raise NotImplementedError

    @property
    def latency(self) -> int:
        """Algorithmic latency in samples: from a sample's arrival to the moment its output is complete."""
        raise NotImplementedError

    @property
    def future(self) -> tuple[str, ...]:
        """The parts that need the future; a network with any takes whole signals only, and cannot stream."""
        return ()

    def with_mics(self, mics: int) -> Network:
        """The network for mixtures of so many microphones, with the same weights; `ValueError` where they are not."""
        if mics != self.mics:
            raise ValueError(f"{mics} microphones: this network takes {self.mics}, no more and no fewer")
        return self

    def begin(self, batch: int, mics: int) -> State:
        """The state before whole signals of so many microphones; a network that cannot stream may have one too."""
        return self.init_state(batch)

    def forward(self, x: Tensor) -> Tensor:
        batch, mics, samples = x.shape
        padded = torch.nn.functional.pad(x, (0, -samples % self.hop))
        return self.step(padded, self.begin(batch, mics))[0][..., :samples]

"""What is tried: a network, as it is or pruned, in a recipe; and what measuring it found."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quantization.recipes import Overrides

WIDE, NARROW = "dynamic_int8", "dynamic_int4"  # of mixed precision: most layers, and some


@dataclass(frozen=True)
class Origin:
    """A network before quantization: a checkpoint of the command line by its number, as it is or pruned by a ratio."""

    checkpoint: int = 0
    ratio: float = 0.0

    @property
    def label(self) -> str:
        """For people, and as a file name."""
        name = f"network-{self.checkpoint + 1}" if self.checkpoint else "network"
        return f"{name}-pruned-{100 * self.ratio:g}" if self.ratio else name


@dataclass(frozen=True)
class Candidate:
    """An origin in a recipe; the layers in `narrow` have `NARROW` instead."""

    origin: Origin
    recipe: str
    narrow: tuple[str, ...] = ()

    @property
    def overrides(self) -> Overrides:
        """The narrow layers as `quantize` takes them."""
        return tuple((re.escape(layer), NARROW) for layer in self.narrow)

    @property
    def label(self) -> str:
        """For people, and to find it again."""
        mixed = f", {len(self.narrow)} layers {NARROW}" if self.narrow else ""
        return f"{self.origin.label} {self.recipe}{mixed}"


REFERENCE = Candidate(Origin(), "float32")  # what all others lose to and are timed beside


@dataclass(frozen=True)
class Measured:
    """A candidate on the mixtures of the search.

    size: bytes. step_us: the median of a step, and reference_us that of `REFERENCE`, taken in turn with it. loss_db,
    worst_db: what it loses of the reference's SI-SDR improvement, on the mean and on the mixture where it loses most.
    parity_db: from its own network. refused: why there is no such model; the figures mean nothing then.
    """

    candidate: Candidate
    size: int = 0
    step_us: float = 0.0
    reference_us: float = 0.0
    loss_db: float = 0.0
    worst_db: float = 0.0
    parity_db: float = 0.0
    refused: str = ""

"""Engines that compute in the process that asks: a model, a fixed beam, and the reference microphone itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.levels import implausible
from edge_sdk.live.engine import Outcome

if TYPE_CHECKING:
    from edge_sdk.beamforming.time_domain import FixedFilters
    from edge_sdk.separator import Separator

log = logging.getLogger(__name__)
Samples = NDArray[np.float32]


class Stream(Protocol):
    """What takes blocks and gives blocks as long, `delay` samples behind: a separator, fixed filters."""

    @property
    def mics(self) -> int: ...
    @property
    def delay(self) -> int: ...
    def process(self, x: Samples) -> Samples: ...
    def reset(self) -> None: ...


class Local:
    """A stream as an engine. One for a single microphone listens to the reference; outputs repeat to fill `sources`.

    A stream cannot be interrupted, so the output of a block is always there in the end and the outcome is never `LATE`:
    whoever gave the budget sees on the clock that it was not kept. An error makes the block `DEAD`, output that is no
    sound makes it `BAD`.
    """

    def __init__(self, name: str, stream: Stream, mics: int, sources: int, block: int, reference: int = 0) -> None:
        if stream.mics not in (1, mics):
            raise ValueError(f"{name} takes {stream.mics} microphones and there are {mics}: expected 1 or all of them")
        if not 0 <= reference < mics:
            raise ValueError(f"reference = {reference}: expected a microphone, 0 to {mics - 1}")
        self.name, self.mics, self.sources, self.block, self.delay = name, mics, sources, block, stream.delay
        self._stream = stream
        self._heard = slice(None) if stream.mics == mics else slice(reference, reference + 1)

    def process(self, x: Samples, out: Samples, budget_s: float) -> Outcome:
        try:
            y = self._stream.process(x[self._heard])
            if fault := implausible(y):
                log.warning("%s put out %s", self.name, fault)
                return Outcome.BAD
            out[...] = y
        except Exception as error:
            log.error("%s failed: %s: %s", self.name, type(error).__name__, " ".join(str(error).split()))
            return Outcome.DEAD
        return Outcome.GOOD

    def reset(self) -> None:
        self._stream.reset()

    def close(self) -> None:
        """Nothing runs beside."""


class Bypass:
    """The reference microphone in place of every source."""

    def __init__(self, mics: int, sources: int, block: int, reference: int = 0) -> None:
        if not 0 <= reference < mics:
            raise ValueError(f"reference = {reference}: expected a microphone, 0 to {mics - 1}")
        self.name, self.mics, self.sources, self.block, self.delay = "bypass", mics, sources, block, 0
        self._reference = reference

    def process(self, x: Samples, out: Samples, budget_s: float) -> Outcome:
        out[...] = x[self._reference]
        return Outcome.GOOD

    def reset(self) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Nothing runs beside."""


def model_engine(
    separator: Separator, mics: int, sources: int | None = None, block: int | None = None, reference: int = 0
) -> Local:
    """The model of a separator, for blocks of its own size or a multiple."""
    size = separator.block if block is None else block
    if size < 1 or size % separator.block:
        raise ValueError(
            f"block = {size}: expected a multiple of {separator.block}, which {separator.manifest.name} takes"
        )
    return Local(separator.manifest.name, separator, mics, sources or separator.sources, size, reference)


def beam_engine(filters: FixedFilters, sources: int, block: int) -> Local:
    """Fixed beams, for example `delay_and_sum_filters`: one for every source, or one for all."""
    return Local("delay-and-sum", filters, filters.mics, sources, block)

"""What goes through a stream: its rate, microphones, sources and blocks, as its models and its array want them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_sdk.beamforming.named import stft_for
from edge_sdk.contract import Manifest
from edge_sdk.errors import ArrayError, EdgeError
from edge_sdk.live.stream_config import StreamConfig

RATE_HZ = 16_000  # without a model


@dataclass(frozen=True)
class Sound:
    """Samples per second, microphones that the wanted model takes, its sources, and samples of a block."""

    rate_hz: int
    mics: int
    sources: int
    block: int


def sound_of(manifests: Sequence[Manifest], config: StreamConfig) -> Sound:
    """What models that take turns have in common; without any, what the microphones give. `EdgeError` where they cannot
    take turns, or hear another array."""
    array = config.array
    if not manifests:
        return Sound(RATE_HZ, 1, 1, config.period)
    first = manifests[0]
    mics = first.mics if array is None else array.mics
    for m in manifests:
        if m.mics not in (1, mics):
            has = f"{first.name} takes {mics}" if array is None else f"{array.name} has {mics}"
            raise ArrayError(f"{m.name} takes {m.mics} microphones, {has}; choose another model or --array")
        if (m.sources, m.sample_rate) != (first.sources, first.sample_rate):
            raise EdgeError(
                f"{m.name} gives {m.sources} sources at {m.sample_rate} Hz, {first.name} {first.sources} at "
                f"{first.sample_rate}; a smaller model must give the same"
            )
    hop = 1 if config.beam is None else stft_for(first.sample_rate).hop
    block = math.lcm(hop, *(m.block for m in manifests))
    return Sound(first.sample_rate, first.mics, first.sources, block)

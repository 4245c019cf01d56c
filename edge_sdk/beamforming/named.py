"""Spatial filters by name, with the sizes and clocks that serve a network's masks in rooms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.beamformer import SpatialFilterConfig
from edge_sdk.beamforming.covariance import forgetting
from edge_sdk.beamforming.designs import MVDR, DelayAndSum, Design, MaxSNR, NullOthers, SteeredMVDR, WienerFilter
from edge_sdk.beamforming.directions import FoundDelayAndSum
from edge_sdk.beamforming.neural import Network, NeuralBeamformer
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.signals import Real
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.stft import STFTConfig

BEAMS = ("das", "mvdr", "mwf", "gev", "lcmv")
HOP_S = 0.008
MEMORY_S = 2.0  # time constant of the statistics


def stft_for(sample_rate: int) -> STFTConfig:
    """Frames of 32 ms every 8 ms, of which the last 16 ms make the output: frequencies twice as fine as frames of 16 ms
    have, with their latency."""
    hop = 2 * round(HOP_S * sample_rate / 2)
    return STFTConfig(4 * hop, hop, synthesis=2 * hop)


def design(
    beam: str,
    array: MicArray,
    frequencies_hz: Real,
    sources: int,
    suppression: float | None = None,
    azimuths_deg: Sequence[float] | None = None,
) -> Design:
    """The design of that name for so many sources. das and mvdr look where azimuths say, one for each source; without,
    das finds them, and mvdr needs none. suppression: of mwf, see `wiener.mu_of`."""
    steering = None
    if azimuths_deg is not None:
        if len(azimuths_deg) != sources:
            raise ValueError(f"{len(azimuths_deg)} look directions for {sources} sources: expected one for each")
        steering = plane_wave(array, frequencies_hz, np.deg2rad(np.asarray(azimuths_deg, np.float64)))
    if beam == "das":
        return FoundDelayAndSum(array, frequencies_hz) if steering is None else DelayAndSum(steering)
    if beam == "mvdr":
        return MVDR() if steering is None else SteeredMVDR(steering)
    if steering is not None:
        raise ValueError("look directions: expected none, only das and mvdr take them")
    if beam == "mwf":
        return WienerFilter() if suppression is None else WienerFilter(suppression)
    if beam == "gev":
        return MaxSNR()
    if beam == "lcmv":
        if sources > array.mics:
            raise ValueError(f"{sources} talkers and {array.mics} microphones: expected no more talkers than those")
        return NullOthers()
    raise ValueError(f"beam {beam!r}: expected one of {', '.join(BEAMS)}")


def beamformer(
    network: Network,
    sample_rate: int,
    array: MicArray,
    beam: str,
    suppression: float | None = None,
    azimuths_deg: Sequence[float] | None = None,
    postfilter: PostFilterConfig | None = None,
) -> NeuralBeamformer:
    """A filter of that name for the microphones of an array, which it watches, steered by a network."""
    if array.mics < 2:
        raise ValueError(f"array {array.name} has {array.mics} microphone: expected at least 2 to filter by place")
    stft = stft_for(sample_rate)
    config = SpatialFilterConfig(
        mics=array.mics,
        sources=network.sources,
        stft=stft,
        forget=forgetting(MEMORY_S, stft.hop, sample_rate),
        reference=array.reference,
    )
    chosen = design(beam, array, stft.frequencies_hz(sample_rate), network.sources, suppression, azimuths_deg)
    return NeuralBeamformer(network, config, chosen, postfilter, sample_rate)

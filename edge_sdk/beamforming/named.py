"""Spatial filters by name, with the sizes and clocks that serve a network's masks in rooms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.beamformer import SpatialFilterConfig
from edge_sdk.beamforming.covariance import forgetting
from edge_sdk.beamforming.designs import MVDR, DelayAndSum, Design, MaxSNR, NullOthers, SteeredMVDR, WienerFilter
from edge_sdk.beamforming.directions import Found
from edge_sdk.beamforming.iteration import Again
from edge_sdk.beamforming.neural import Network, NeuralBeamformer
from edge_sdk.beamforming.nulls import nulls_for, zone_coherence
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.signals import Real
from edge_sdk.beamforming.steering import plane_wave
from edge_sdk.beamforming.stft import STFTConfig
from edge_sdk.beamforming.zones import Zone

BEAMS = ("das", "mvdr", "mwf", "gev", "lcmv")
STEERED = ("das", "mvdr", "lcmv")  # take look directions and zones
OWN = "none"  # instead of a beam: the network's own outputs
HOP_S = 0.008
MEMORY_S = 2.0  # time constant of the statistics
EVERY = {"gev": 8, "lcmv": 12}  # frames until all weights are new, where they take eigenvectors: at most 96 ms


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
    keep: Sequence[Zone] = (),
    null: Sequence[Zone] = (),
) -> Design:
    """The design of that name for so many sources. suppression: of mwf, see `wiener.mu_of`.

    das, mvdr and lcmv look where azimuths say, one for each source. Without, das finds them; so does mvdr where there
    are zones, those to keep in which alone it looks, those to null in which it does not, and which it does not hear.
    Otherwise what is learned of each source is enough.
    """
    if not (azimuths_deg is None and not keep and not null) and beam not in STEERED:
        raise ValueError(f"look directions and zones: expected none, only {', '.join(STEERED)} take them")
    if azimuths_deg is not None:
        return steered(beam, array, frequencies_hz, looks_rad(azimuths_deg, sources, keep, null), null)
    if beam == "das":
        return Found(array, frequencies_hz, DelayAndSum, keep, null)
    if beam == "mvdr":
        return Found(array, frequencies_hz, SteeredMVDR, keep, null) if keep or null else MVDR()
    if beam == "mwf":
        return WienerFilter() if suppression is None else WienerFilter(suppression)
    if beam == "gev":
        return MaxSNR()
    if beam == "lcmv":
        if keep or null:
            raise ValueError("zones without look directions: expected a look direction for each source, too")
        if sources > array.mics:
            raise ValueError(f"{sources} talkers and {array.mics} microphones: expected no more talkers than those")
        return NullOthers()
    raise ValueError(f"beam {beam!r}: expected one of {', '.join(BEAMS)}")


def steered(beam: str, array: MicArray, frequencies_hz: Real, looks_rad: Real, null: Sequence[Zone]) -> Design:
    """das, mvdr or lcmv towards azimuths, with nulls on zones; those of lcmv on the other azimuths, too."""
    steering = plane_wave(array, frequencies_hz, looks_rad)
    zones = [[*null, *(Zone(a, a) for a in np.delete(looks_rad, s) if beam == "lcmv")] for s in range(len(looks_rad))]
    nulls = None
    if all(zones):
        nulls = nulls_for(steering, np.stack([zone_coherence(array, frequencies_hz, of) for of in zones]))
    if beam == "das":
        return DelayAndSum(steering, nulls)
    return SteeredMVDR(steering, nulls, residual=beam == "lcmv")


def looks_rad(azimuths_deg: Sequence[float], sources: int, keep: Sequence[Zone], null: Sequence[Zone]) -> Real:
    """Azimuths in radians; `ValueError` where there is not one for each source, or zones say otherwise."""
    if len(azimuths_deg) != sources:
        raise ValueError(f"{len(azimuths_deg)} look directions for {sources} sources: expected one for each")
    if keep:
        raise ValueError("look directions and zones to keep: expected one of them, for either says where to look")
    azimuths: Real = np.deg2rad(np.asarray(azimuths_deg, np.float64))
    for degrees, azimuth in zip(azimuths_deg, azimuths, strict=True):
        if any(azimuth in zone for zone in null):
            raise ValueError(f"look direction {degrees:g}: expected one outside of the zones to null")
    return azimuths


def beamformer(
    network: Network,
    sample_rate: int,
    array: MicArray,
    beam: str,
    suppression: float | None = None,
    azimuths_deg: Sequence[float] | None = None,
    postfilter: PostFilterConfig | None = None,
    keep: Sequence[Zone] = (),
    null: Sequence[Zone] = (),
    again: Network | None = None,
) -> NeuralBeamformer:
    """A filter of that name for the microphones of an array, which it watches, steered by a network; or `OWN`.

    again: a second network of the same kind, for one talker, which listens to a beam of that name and steers the one
    that is heard (`iteration`).
    """
    if array.mics < 2:
        raise ValueError(f"array {array.name} has {array.mics} microphone: expected at least 2 to filter by place")
    stft = stft_for(sample_rate)
    config = SpatialFilterConfig(
        mics=array.mics,
        sources=network.sources,
        stft=stft,
        forget=forgetting(MEMORY_S, stft.hop, sample_rate),
        every=EVERY.get(beam, SpatialFilterConfig.every),
        reference=array.reference,
    )
    hz = stft.frequencies_hz(sample_rate)
    if beam == OWN:
        if not (suppression is None and azimuths_deg is None and again is None) or keep or null:
            raise ValueError(
                f"beam {OWN!r}: expected nothing to steer, for the network's own outputs have no direction"
            )
        return NeuralBeamformer(network, config, None, postfilter, sample_rate)
    chosen = design(beam, array, hz, network.sources, suppression, azimuths_deg, keep, null)
    if again is not None:
        network = Again(NeuralBeamformer(network, config, chosen, None, sample_rate), again)
    return NeuralBeamformer(network, config, chosen, postfilter, sample_rate)

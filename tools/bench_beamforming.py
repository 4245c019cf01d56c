"""Microseconds per block of spatial filters and localization on this machine, and their part of real time.

    python tools/bench_beamforming.py [--mics 2 4 6 8] [--sources 2] [--window 256] [--hop 128] [--seconds 2]

Sound and masks are random: the time of a block does not depend on them. One thread; run it with OMP_NUM_THREADS=1.
Filters renew the weights of all frequencies every four blocks, a quarter in each; GEV every eight, LCMV every twelve.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming import designs
from edge_sdk.beamforming.beamformer import SpatialFilter, SpatialFilterConfig
from edge_sdk.beamforming.covariance import Covariance
from edge_sdk.beamforming.directions import Found
from edge_sdk.beamforming.grid import azimuth_grid
from edge_sdk.beamforming.inverse import InverseCovariance
from edge_sdk.beamforming.named import EVERY
from edge_sdk.beamforming.srp_phat import SrpPhat
from edge_sdk.beamforming.steering import diffuse_coherence, lead_s, plane_wave
from edge_sdk.beamforming.stft import Analysis, STFTConfig
from edge_sdk.beamforming.time_domain import delay_and_sum_filters
from edge_sdk.beamforming.zones import Zone
from edge_sdk.bench import cpu_name

RATE = 16_000
WARM = 100  # blocks before the clock counts
GEV, LCMV = "GEV-BAN", "LCMV"
AS_BEAM = {
    GEV: EVERY["gev"],
    LCMV: EVERY["lcmv"],
}  # frames until all weights are new, as the beams of that name have it


def circle(mics: int, radius_m: float = 0.045) -> MicArray:
    angles = 2 * np.pi * np.arange(mics) / mics
    positions = tuple((radius_m * float(np.cos(a)), radius_m * float(np.sin(a)), 0.0) for a in angles)
    return MicArray("circle", f"{mics} microphones on a circle", "computed", positions, tuple(range(mics)), mics)


def block_times(step: Callable[[], object], seconds: float) -> np.ndarray:
    """Seconds of this thread's processor time that each of many blocks took, for about so long: what others do on the
    machine counts only as far as it takes the caches."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 2 * WARM or time.perf_counter() < end:
        begin = time.thread_time()
        step()
        taken.append(time.thread_time() - begin)
    return np.array(taken[WARM:])


def steps(mics: int, sources: int, stft: STFTConfig) -> dict[str, Callable[[], object]]:
    """What is measured, by name: each call takes one block."""
    rng = np.random.default_rng(0)
    array, hz = circle(mics), stft.frequencies_hz(RATE)
    x = (0.1 * rng.standard_normal((mics, stft.hop))).astype(np.float32)
    masks = rng.dirichlet(np.ones(sources + 1), (1, stft.frequencies)).transpose(2, 0, 1)[:sources]
    azimuths = np.linspace(0, np.pi, sources)
    steering, coherence = plane_wave(array, hz, azimuths), diffuse_coherence(array, hz)
    kinds: dict[str, designs.Design] = {
        "delay-and-sum": designs.DelayAndSum(steering),
        "superdirective": designs.Superdirective(steering, coherence),
        "MVDR, steered": designs.SteeredMVDR(steering),
        "MVDR": designs.MVDR(),
        "Wiener filter": designs.WienerFilter(),
        "Wiener filter, rank one": designs.RankOneWienerFilter(),
        GEV: designs.MaxSNR(),
        LCMV: designs.NullOthers(),
        "MVDR, null on a zone, directions found": Found(array, hz, designs.SteeredMVDR, null=[Zone(-2.0, -1.5)]),
    }
    found: dict[str, Callable[[], object]] = {}
    for name, design in kinds.items():
        every = AS_BEAM.get(name, SpatialFilterConfig.every)
        stream = SpatialFilter(SpatialFilterConfig(mics=mics, sources=sources, stft=stft, every=every), design)
        found[name] = partial(stream.process, x, masks if design.learns else None)
    beams = delay_and_sum_filters(lead_s(array, azimuths), RATE)
    found["delay-and-sum in the time domain"] = lambda: beams.process(x)
    spectra = next(iter(Analysis(stft, mics).push(x))).copy()
    srp = SrpPhat(array, azimuth_grid(array), hz)
    found["SRP-PHAT, 72 azimuths: update"] = lambda: srp.update(spectra)
    found["SRP-PHAT, 72 azimuths: directions"] = lambda: srp.directions(sources)
    covariance = Covariance(sources + 1, stft.frequencies, mics, 0.99)
    shares = np.concatenate([masks[:, 0], 1 - masks[:, 0].sum(axis=0, keepdims=True)])
    found["covariances alone"] = lambda: covariance.update(spectra, shares)
    inverse = InverseCovariance(sources, stft.frequencies, mics, 0.99)
    noise = 1 - masks[:, 0]
    found["inverses by rank-1 updates"] = lambda: inverse.update(spectra, noise)
    mixed = rng.standard_normal((sources, stft.frequencies, mics, 4 * mics)) + 0j
    definite = mixed @ mixed.swapaxes(-1, -2)
    found["inverses by inversion"] = lambda: np.linalg.inv(definite)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mics", type=int, nargs="+", default=[2, 4, 6, 8])
    parser.add_argument("--sources", type=int, default=2)
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--hop", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring each (default: 2)")
    args = parser.parse_args()
    stft = STFTConfig(args.window, args.hop)
    block_s = args.hop / RATE
    print(f"{cpu_name()}; {args.sources} talkers at {RATE} Hz, window {args.window}, block {args.hop}")
    print(f"{'':40s}{'mics':>6s}{'mean us':>9s}{'p50 us':>9s}{'p99 us':>9s}{'of real time':>14s}")
    for mics in args.mics:
        for name, step in steps(mics, args.sources, stft).items():
            times = block_times(step, args.seconds)
            mean, p50, p99 = times.mean(), *np.percentile(times, [50, 99])
            figures = "".join(f"{1e6 * time_s:9.0f}" for time_s in (mean, p50, p99))
            print(f"{name:40s}{mics:6d}{figures}{mean / block_s:14.4f}", flush=True)


if __name__ == "__main__":
    main()

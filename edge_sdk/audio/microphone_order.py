"""Whether the channels of an array are in the order that its description says, from what a few seconds sound like.

Two ways, for two kinds of sound. Noise from all around has a coherence between two microphones that depends on their
distance alone, sinc(2 f d / c) (Cook et al., 1955). A single source, a clap or a chirp, reaches them with delays that
fit a plane wave from one direction. Each is tried for other orders too, and the order that fits is told.

What cannot be told: orders that leave all distances as they are, such as turning a circle of microphones by one place
or seeing it in a mirror, for nobody knows where the sound came from; so of two microphones nothing. A tap on each
microphone in turn tells the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import SPEED_OF_SOUND
from edge_sdk.beamforming.gcc_phat import delay_of, phat

Positions = Sequence[tuple[float, float, float]]
Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

WINDOW_S = 0.032
LOWEST_HZ, HIGHEST_HZ = 300.0, 7000.0  # of noise; below, every coherence is 1
SAME_M = 0.002  # distances that differ by less are the same
ALL_ORDERS_UP_TO = 6  # microphones; of more, only two that changed places are looked for
NOISE_FITS = 0.03  # mean square difference of coherences
PLANE_FITS = 0.06  # difference of paths, of the array's width; the source is near, the room echoes
CLEAR = 2.0  # times as far off is an order that does not fit


@dataclass(frozen=True)
class OrderFinding:
    """`orders`: place, in the description, of the microphone on each channel; several where they sound the same.

    Empty where nothing can be told. Otherwise the first is 0, 1, 2, ... where the channels are as described.
    """

    orders: tuple[tuple[int, ...], ...]
    way: str  # "noise" or "delays"

    @property
    def known(self) -> bool:
        return bool(self.orders)

    @property
    def as_described(self) -> bool:
        return self.known and self.orders[0] == tuple(sorted(self.orders[0]))


def microphone_order(x: NDArray[np.float32], positions_m: Positions, rate_hz: int) -> OrderFinding:
    """What can be told of the order of channels from sound, `[mics, n]`, by whichever of the two ways fits it."""
    places = np.array(positions_m, np.float64)
    if x.ndim != 2 or len(x) != len(places):
        raise ValueError(f"sound of shape {list(x.shape)}: expected [mics, n] with {len(places)} microphones")
    unknown = OrderFinding((), "noise")
    if len(places) < 3 or x.shape[1] < 4 * round(WINDOW_S * rate_hz):
        return unknown
    spectra, hz = cross_spectra(x, rate_hz)
    candidates = orders(len(places))
    if found := fitting(noise_errors(spectra, hz, places, candidates), NOISE_FITS, candidates, places):
        return OrderFinding(found, "noise")
    if found := fitting(delay_errors(spectra, places, candidates, rate_hz), PLANE_FITS, candidates, places):
        return OrderFinding(found, "delays")
    return unknown


def orders(mics: int) -> list[tuple[int, ...]]:
    """The described order first, then others."""
    if mics <= ALL_ORDERS_UP_TO:
        return list(permutations(range(mics)))
    found = [tuple(range(mics))]
    for a, b in combinations(range(mics), 2):
        found.append(tuple({a: b, b: a}.get(m, m) for m in range(mics)))
    return found


def fitting(
    errors: Real, fits: float, candidates: Sequence[tuple[int, ...]], places: Real
) -> tuple[tuple[int, ...], ...]:
    """The orders with the best error, and with the same distances; nothing where it does not fit, or others nearly do.

    Of orders with the same distances, those that move the fewest microphones.
    """
    best = candidates[int(errors.argmin())]
    if errors.min() > fits:
        return ()
    same = [np.abs(distances(places, c) - distances(places, best)).max() < SAME_M for c in candidates]
    rivals = errors[~np.array(same)]
    least = max(errors.min(), fits / 4)  # an error of nearly nothing is no measure for others
    if not len(rivals) or rivals.min() < CLEAR * least:
        return ()
    moved = {c: sum(m != i for i, m in enumerate(c)) for c, alike in zip(candidates, same, strict=True) if alike}
    return tuple(c for c, count in moved.items() if count == min(moved.values()))


def distances(places: Real, order: Sequence[int]) -> Real:
    """Metres between the microphones of each two channels in an order, `[M, M]`."""
    placed = places[list(order)]
    found: Real = np.linalg.norm(placed[:, None] - placed, axis=-1)
    return found


def cross_spectra(x: NDArray[np.float32], rate_hz: int) -> tuple[Complex, Real]:
    """Normalized cross spectra of channels, `[M, M, F]`, averaged over windows that overlap by half, and their Hz."""
    window = 2 * round(WINDOW_S * rate_hz / 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, window, axis=1)[:, :: window // 2]
    spectra = np.fft.rfft(frames * np.hanning(window), axis=-1)  # [M, T, F]
    cross = np.einsum("itf,jtf->ijf", spectra, spectra.conj())
    power = np.sqrt(np.einsum("iif->if", cross).real)
    scale = np.maximum(power[:, None] * power, 1e-30)
    normalized: Complex = cross / scale
    hz: Real = (np.arange(window // 2 + 1) * (rate_hz / window)).astype(np.float64)
    return normalized, hz


def noise_errors(spectra: Complex, hz: Real, places: Real, candidates: Sequence[tuple[int, ...]]) -> Real:
    """How far the coherences are from those of noise from all around, mean squares, one for each order."""
    used = (hz > LOWEST_HZ) & (hz < HIGHEST_HZ)
    first, second = np.triu_indices(len(places), 1)
    heard = spectra[:, :, used].real
    expected = np.sinc(2 * hz[used] * distances(places, range(len(places)))[..., None] / SPEED_OF_SOUND)
    # [channel pair, place pair]: what an order costs is looked up for each of its pairs
    costs = ((heard[first, second][:, None, None] - expected) ** 2).mean(axis=-1)
    pairs = np.arange(len(first))
    return np.array([costs[pairs, np.take(c, first), np.take(c, second)].mean() for c in candidates])


def delay_errors(spectra: Complex, places: Real, candidates: Sequence[tuple[int, ...]], rate_hz: int) -> Real:
    """How far the delays are from those of any plane wave, of the array's width, one for each order."""
    first, second = np.triu_indices(len(places), 1)
    width = distances(places, range(len(places))).max()
    most = 1.5 * width / SPEED_OF_SOUND * rate_hz + 1
    delays = [delay_of(phat(spectra[j, i]), most) for i, j in zip(first, second, strict=True)]
    paths = np.array(delays) / rate_hz * SPEED_OF_SOUND  # by how much further the second is
    placed = places[np.array(candidates)]  # [order, mic, 3]
    steps = placed[:, first] - placed[:, second]
    direction = np.linalg.pinv(steps, rcond=1e-6) @ paths
    off = np.einsum("opx,ox->op", steps, direction) - paths
    too_slow = np.maximum(0, np.linalg.norm(direction, axis=-1) - 1)  # than sound nothing takes longer
    errors: Real = np.sqrt(np.mean(off**2, axis=-1)) / width + too_slow
    return errors

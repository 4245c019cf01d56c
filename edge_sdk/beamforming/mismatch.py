"""How the microphones of an array differ, gains and delays, from a recording of a sound whose direction is known.

The strongest eigenvector of the microphones' covariance says how the sound reached them (noise that is alike in all of
them does not turn it); what a plane wave would have done is divided out, and the rest is theirs. A gain is the mean of
its level over the band, a delay the slope of its phase. Sound from all around comes equally loud to each, and tells
gains alone.
"""

from __future__ import annotations

from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.calibration import Calibration
from edge_sdk.audio.microphones import MicrophoneLimits, Samples, faults, signals
from edge_sdk.beamforming.gcc_phat import delay_of, phat
from edge_sdk.beamforming.signals import Complex, Real
from edge_sdk.beamforming.steering import lead_s, plane_wave
from edge_sdk.errors import AudioError

Numbers = TypeVar("Numbers", Real, Complex)
WINDOW_S = 0.064
LOWEST_HZ, HIGHEST_HZ = 200.0, 7000.0  # of which at most 0.9 of half the rate is used
LEAST_S = 2.0
QUIETEST_DB = -60.0  # re full scale: 30 dB above what small microphones make themselves
LIMITS = MicrophoneLimits(clipped=1e-4, unequal_db=12.0)  # 6 dB are sold as alike
FULL = 1e-5  # of the power of the loudest frequency: what counts as part of the sound
FILLED = 1 / 3  # of the band that the sound must fill: a slope needs frequencies that are apart
CLEAR = 4.0  # times the mean of the others, the strongest eigenvalue where one direction stands out
MOST_LATE_S = 1 / 16_000  # or early, a sample at 16 kHz: more is a wrong direction or a wrong channel
HALVES_DB, HALVES = 0.3, 0.05  # by how much, and by how much of a sample, halves of a recording may disagree
BANDS = 12  # over which the residual is taken


def calibration_from_noise(x: Samples, array: MicArray, rate_hz: int, device: str) -> Calibration:
    """Gains, from a recording `[mics, n]` of noise from all around; `AudioError` where it cannot tell."""
    check(x, array, rate_hz)
    used = in_band(rate_hz)
    halves = covariances(x, rate_hz)[:, used]
    powers = np.einsum("hfmm->hfm", halves).real
    powers = powers[:, check_filled(powers.sum(axis=(0, 2)))]
    relative_db = 10 * np.log10(powers / powers[..., [array.reference]])  # [2, F, M]
    gains_db = relative_db.mean(axis=1)
    check_halves(np.abs(gains_db[0] - gains_db[1]), HALVES_DB, "dB louder")
    found: Real = gains_db.mean(axis=0)
    left_db: Real = banded(relative_db.mean(axis=0) - found)
    return Calibration(
        array.name, device, "noise", rate_hz, rounded(found, 3), (0.0,) * array.mics, round(rms(left_db, array), 3)
    )


def calibration_from_direction(
    x: Samples, array: MicArray, rate_hz: int, device: str, azimuth_rad: float
) -> Calibration:
    """Gains and delays, from a recording `[mics, n]` of one broadband sound far away, at the height of the array, in a
    known direction; `AudioError` where it cannot tell."""
    check(x, array, rate_hz)
    halves = covariances(x, rate_hz)
    hz = np.arange(halves.shape[1]) * (rate_hz / (2 * (halves.shape[1] - 1)))
    together = halves.sum(axis=0)
    band = in_band(rate_hz)
    full = check_filled(np.einsum("fmm->f", together[band]).real)
    values = np.linalg.eigvalsh(together)
    clear = values[:, -1] > CLEAR * values[:, :-1].mean(axis=1)
    if np.count_nonzero(clear[band] & full) < np.count_nonzero(full) / 2:
        raise AudioError(
            f"one direction stands out at {np.count_nonzero(clear[band] & full)} of {np.count_nonzero(full)} "
            "frequencies: expected half of them; come nearer, or leave out --azimuth for gains from noise all around"
        )
    used = band & clear
    used[band] &= full
    steering = plane_wave(array, hz, azimuth_rad)
    measured = [gains_and_delays(transfer(c, array.reference) * steering.conj(), used) for c in halves]
    check_halves(np.abs(measured[0][0] - measured[1][0]), HALVES_DB, "dB louder")
    check_halves(np.abs(measured[0][1] - measured[1][1]), HALVES, "samples later")
    relative = transfer(together, array.reference) * steering.conj()
    gains_db, delays = gains_and_delays(relative, used)
    check_direction(delays, array, rate_hz, azimuth_rad)
    equal = relative * 10 ** (-gains_db / 20) * np.exp(2j * np.pi * cycles(relative) * delays)
    left: Complex = banded(equal[used])
    return Calibration(
        array.name,
        device,
        "direction",
        rate_hz,
        rounded(gains_db, 3),
        rounded(delays, 4),
        round(rms(20 * np.log10(np.abs(left)), array), 3),
        round(rms(np.degrees(np.angle(left)), array), 3),
    )


def check(x: Samples, array: MicArray, rate_hz: int) -> None:
    """`AudioError` for recordings that say nothing about the microphones."""
    if array.mics < 2:
        raise AudioError(f"{array.name} has 1 microphone: expected 2 or more, which can be compared")
    seconds = x.shape[1] / rate_hz
    if seconds < LEAST_S:
        raise AudioError(f"{seconds:.2f} s are too short; give at least {LEAST_S:g} s")
    for half in np.array_split(x, 2, axis=1):
        found = signals(half)
        loudest_db = max(mic.level_db for mic in found)
        if loudest_db < QUIETEST_DB:
            raise AudioError(
                f"{loudest_db:.0f} dB of full scale is too quiet; expected {QUIETEST_DB:g} dB or more throughout"
            )
        if bad := [f"{m} is {fault}" for m, fault in enumerate(faults(found, LIMITS)) if fault]:
            raise AudioError(
                f"microphone {', '.join(bad)} (counted from 0): nothing to calibrate; turn the sound down where it "
                "clips, and see edge-sdk doctor"
            )


def in_band(rate_hz: int) -> NDArray[np.bool_]:
    """Which frequencies of a window are looked at, `[F]`."""
    hz = np.fft.rfftfreq(window(rate_hz), 1 / rate_hz)
    used: NDArray[np.bool_] = (hz >= LOWEST_HZ) & (hz <= min(HIGHEST_HZ, 0.45 * rate_hz))
    return used


def window(rate_hz: int) -> int:
    return 2 * round(WINDOW_S * rate_hz / 2)


def covariances(x: Samples, rate_hz: int) -> Complex:
    """Of both halves of a recording, `[2, F, M, M]`."""
    length = window(rate_hz)
    found = []
    for half in np.array_split(x, 2, axis=1):
        frames = np.lib.stride_tricks.sliding_window_view(half, length, axis=1)[:, :: length // 2]
        spectra = np.fft.rfft(frames * np.hanning(length), axis=-1).transpose(2, 0, 1)  # [F, M, T]
        found.append(spectra @ spectra.conj().swapaxes(-1, -2))
    return np.stack(found)


def check_filled(power: Real) -> NDArray[np.bool_]:
    """Which frequencies of the band, `[F]`, the sound fills; `AudioError` where these are too few."""
    full: NDArray[np.bool_] = power > FULL * power.max()
    if full.mean() < FILLED:
        raise AudioError(
            f"the sound fills {100 * full.mean():.0f} % of {LOWEST_HZ:g} to {HIGHEST_HZ:g} Hz: expected "
            f"{100 * FILLED:.0f} % or more; play noise or a sweep"
        )
    return full


def check_halves(apart: Real, most: float, how: str) -> None:
    """`AudioError` where both halves of a recording say different things, `[M]`, about a microphone."""
    worst = int(np.argmax(apart))
    if not apart[worst] <= most:
        raise AudioError(
            f"microphone {worst} is {apart[worst]:.2f} {how} in one half of the recording than in the other: expected "
            f"{most:g} at most; keep source and array still, and the room quiet"
        )


def transfer(covariance: Complex, reference: int) -> Complex:
    """How the strongest sound reached the microphones, relative to one of them, `[F, M]`."""
    vectors: Complex = np.linalg.eigh(covariance)[1].astype(np.complex128, copy=False)
    at_reference = vectors[:, [reference], -1]
    return vectors[..., -1] / np.where(at_reference == 0, 1, at_reference)


def cycles(relative: Complex) -> Real:
    """Frequencies in cycles per sample, `[F, 1]`."""
    found: Real = np.linspace(0, 0.5, len(relative))[:, np.newaxis]
    return found


def gains_and_delays(relative: Complex, used: NDArray[np.bool_]) -> tuple[Real, Real]:
    """Decibels and samples by which microphones are louder and later, `[M]`, from responses `[F, M]`."""
    gains_db: Real = 20 * np.log10(np.abs(relative[used])).mean(axis=0)
    most = len(relative) / 4
    delays = np.array([delay_of(phat(np.where(used, one, 0)), most) for one in relative.T])
    f = cycles(relative)[used]
    for _ in range(2):  # what wraps around the first time, near the edge of the band, does not the second time
        phase = np.angle(relative[used] * np.exp(2j * np.pi * f * delays))
        delays = delays - (f * phase).sum(axis=0) / (2 * np.pi * (f**2).sum())
    return gains_db, delays


def check_direction(delays: Real, array: MicArray, rate_hz: int, azimuth_rad: float) -> None:
    """`AudioError` where microphones are later, `[M]`, than those of one device can be: they say where else the sound
    may have come from, or which channels may have changed places."""
    latest, most = float(spread(delays)), 2 * MOST_LATE_S * rate_hz
    if latest <= most:
        return
    came = delays - rate_hz * lead_s(array, azimuth_rad)
    towards = np.deg2rad(np.arange(-180.0, 180.0))
    elsewhere = spread(came + rate_hz * lead_s(array, towards))
    pairs = list(combinations(range(array.mics), 2))
    swapped = spread(np.stack([came[swap(array.mics, *pair)] for pair in pairs]) + rate_hz * lead_s(array, azimuth_rad))
    meant = []
    if elsewhere.min() <= most:
        meant.append(f"{np.degrees(towards[elsewhere.argmin()]):.0f} degrees")
    if swapped.min() <= most:
        meant.append("microphones {} and {} in each other's place".format(*pairs[int(swapped.argmin())]))
    cause = f"{' or '.join(meant)} would fit" if meant else "no other direction fits, see edge-sdk doctor"
    raise AudioError(
        f"from {np.degrees(azimuth_rad):g} degrees, microphones of {array.name} would be {latest:.1f} samples apart: "
        f"expected {most:g} at most; {cause}"
    )


def spread(delays: Real) -> Real:
    """Between the earliest and the latest microphone, `[..., M]`."""
    apart: Real = np.ptp(delays, axis=-1)
    return apart


def swap(mics: int, a: int, b: int) -> list[int]:
    return [{a: b, b: a}.get(m, m) for m in range(mics)]


def banded(values: Numbers) -> Numbers:
    """Means of bands of equal width, `[F, M]` to `[BANDS, M]`."""
    means: Numbers = np.stack([part.mean(axis=0) for part in np.array_split(values, BANDS)])
    return means


def rms(values: Real, array: MicArray) -> float:
    """Over bands and microphones, `[BANDS, M]`, but for the reference, which has nothing to be compared with."""
    others = [m for m in range(array.mics) if m != array.reference]
    return float(np.sqrt(np.mean(values[:, others] ** 2)))


def rounded(values: Real, digits: int) -> tuple[float, ...]:
    return tuple(round(float(value), digits) + 0.0 for value in values)  # no -0.0

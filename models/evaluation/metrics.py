"""How close separated signals are to what they should be: SI-SDR, SDR, PESQ, STOI, ESTOI; and how often talkers swap.

Every metric takes estimates and targets `[..., n]`, in the order they belong together, and gives one number per signal;
NaN where the target is silent or the metric does not apply, so that such signals can be left out and counted.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import permutations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edge_sdk.errors import DataError

Metric = Callable[[np.ndarray, np.ndarray, int], float]

SILENCE = 1e-10  # mean square below which a target is silent: -100 dBFS, less than the last of 16 bits
LIMIT_DB = 100.0  # of a perfect output, so that means exist; an output of nothing gets its negative
TINY = 1e-15  # share of an energy below which float64 tells nothing
TAPS = 512  # of the filter that SDR forgives (Vincent et al., 2006)
SEGMENT_S, SEGMENT_HOP_S = 1.0, 0.1  # of the swap rate
ACTIVE_DB = -30.0  # a talker this far below its loudest segment is not active
MARGIN_DB = 1e-6  # by which another assignment must be better to be another: outputs that are equal do not swap


def silent(signals: np.ndarray) -> np.ndarray:
    """Which signals hold no sound, `[..., n]` to `[...]`."""
    return np.var(signals, axis=-1, dtype=np.float64) < SILENCE


def si_sdr(estimate: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019), means removed; broadcasts.

    NaN for silent targets, `-LIMIT_DB` for silent estimates, never above `LIMIT_DB`.
    """
    estimate, target = (centred(x) for x in (estimate, target))
    energy = np.sum(target**2, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        projected = np.sum(estimate * target, axis=-1, keepdims=True) / energy * target
        wanted, residual = np.sum(projected**2, axis=-1), np.sum((estimate - projected) ** 2, axis=-1)
        decibels = 10 * np.log10(wanted / residual)
    nothing = ~np.any(estimate, axis=-1) & np.any(target, axis=-1)
    decibels = np.clip(np.where(nothing, -LIMIT_DB, decibels), -LIMIT_DB, LIMIT_DB)
    return np.where(np.broadcast_to(silent(target), decibels.shape), np.nan, decibels)


def centred(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return x - x.mean(axis=-1, keepdims=True)


def sdr(estimate: np.ndarray, target: np.ndarray) -> float:
    """Signal-to-distortion ratio in dB of BSS-eval: any filter of 512 taps is forgiven (Vincent et al., 2006).

    From the share of the estimate's energy that the filtered target explains, as in fast-bss-eval (Scheibler, 2022).
    """
    from scipy.linalg import toeplitz

    if not np.any(estimate):
        return -LIMIT_DB
    target, estimate = (x / np.sqrt(np.sum(x.astype(np.float64) ** 2)) for x in (target, estimate))
    size = fast_length(len(target) + TAPS)
    theirs, ours = np.fft.rfft(target, size), np.fft.rfft(estimate, size)
    own = np.fft.irfft(np.abs(theirs) ** 2, size)[:TAPS]
    cross = np.fft.irfft(theirs.conj() * ours, size)[:TAPS]
    try:
        explained = cross @ np.linalg.solve(toeplitz(own), cross)
    except np.linalg.LinAlgError:  # a target of a few tones only
        explained = cross @ np.linalg.lstsq(toeplitz(own), cross)[0]
    return float(np.clip(10 * np.log10(max(explained, TINY) / max(1 - explained, TINY)), -LIMIT_DB, LIMIT_DB))


def fast_length(samples: int) -> int:
    """A length from there on whose transform is fast."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(samples, real=True))


def pesq_wideband(estimate: np.ndarray, target: np.ndarray, sample_rate: int) -> float:
    """PESQ-WB (ITU-T P.862.2) at 16 kHz, 1.04 to 4.64; NaN at other rates and where it finds no speech."""
    from pesq import PesqError, pesq

    if sample_rate != 16_000 or not np.any(estimate):
        return float("nan")
    try:
        return float(pesq(sample_rate, target, estimate, "wb"))
    except PesqError:
        return float("nan")


def stoi(estimate: np.ndarray, target: np.ndarray, sample_rate: int, extended: bool = False) -> float:
    """Short-time objective intelligibility, 0 to 1 (Taal et al., 2011); NaN where less than 0.4 s is speech."""
    from pystoi import stoi as intelligibility

    if not np.any(estimate):
        return 0.0
    with warnings.catch_warnings(), same_randomness():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(intelligibility(target, estimate, sample_rate, extended))
        except RuntimeWarning:
            return float("nan")


@contextlib.contextmanager
def same_randomness() -> Iterator[None]:
    """pystoi adds noise of the last bit to ESTOI's segments, and where an estimate is silent that noise decides."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def estoi(estimate: np.ndarray, target: np.ndarray, sample_rate: int) -> float:
    """Extended STOI (Jensen & Taal, 2016), which knows modulated noise too."""
    return stoi(estimate, target, sample_rate, extended=True)


# Name: how one pair of signals is measured, and the package that does it.
METRICS: dict[str, tuple[Metric, str]] = {
    "si_sdr": (lambda e, t, _: float(si_sdr(e, t)), "numpy"),
    "sdr": (lambda e, t, _: sdr(e, t), "scipy"),
    "pesq": (pesq_wideband, "pesq"),
    "stoi": (stoi, "pystoi"),
    "estoi": (estoi, "pystoi"),
}


def usable(names: tuple[str, ...], sample_rate: int) -> tuple[str, ...]:
    """Those of the metrics whose package is installed and that exist at this rate."""
    if unknown := set(names) - set(METRICS):
        raise ValueError(f"metrics {', '.join(sorted(unknown))}: expected some of {', '.join(METRICS)}")
    return tuple(n for n in names if find_spec(METRICS[n][1]) and (n != "pesq" or sample_rate == 16_000))


def measure(
    estimate: np.ndarray, sources: np.ndarray, sample_rate: int, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Each metric of each source, `[S, n]` twice to `[S]`; NaN for silent sources."""
    quiet = silent(sources)
    return {
        name: np.array(
            [
                np.nan if still else METRICS[name][0](e, s, sample_rate)
                for e, s, still in zip(estimate, sources, quiet, strict=True)
            ]
        )
        for name in names
    }


def assign(estimate: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Which output belongs to each source, `[S]`: the assignment of the highest SI-SDR. Silent sources do not mind."""
    from scipy.optimize import linear_sum_assignment

    if estimate.shape != sources.shape:
        raise DataError(
            f"the model gave sources of shape {estimate.shape}, the set holds {sources.shape}; use a fitting set"
        )
    pairwise = np.nan_to_num(si_sdr(estimate[np.newaxis], sources[:, np.newaxis]))  # [source, output]
    return linear_sum_assignment(pairwise, maximize=True)[1]


def improvement(estimate: np.ndarray, sources: np.ndarray, mixture: np.ndarray) -> float:
    """Mean SI-SDR of estimates, best assigned to sources `[S, n]`, above that of the mixture `[1, n]`, in dB.

    NaN where all sources are silent, minus infinity where the estimates are not finite.
    """
    if not np.isfinite(estimate).all():
        return -np.inf
    gains = si_sdr(estimate[assign(estimate, sources)], sources) - si_sdr(mixture, sources)
    heard = gains[~np.isnan(gains)]
    return float(heard.mean()) if len(heard) else np.nan


def swaps(estimate: np.ndarray, sources: np.ndarray, sample_rate: int) -> tuple[int, int]:
    """Segments in which the talkers are on other outputs than over the whole clip, of how many segments.

    Segments of one second start every 100 ms (the whole clip where it is shorter), and count where all sources are
    active: within 30 dB of their loudest segment. In each, the assignment of the highest mean SI-SDR is compared with
    that of the clip, which is the order given. The swap rate is their quotient; it says nothing about one source.
    """
    count, samples = sources.shape
    length, hop = min(samples, round(SEGMENT_S * sample_rate)), round(SEGMENT_HOP_S * sample_rate)
    ours, theirs = (sliding_window_view(x, length, axis=-1)[:, ::hop] for x in (estimate, sources))  # [S, segments, n]
    level = np.var(theirs, axis=-1, dtype=np.float64)
    active = np.all((level > level.max(axis=1, keepdims=True) * 10 ** (ACTIVE_DB / 10)) & (level > SILENCE), axis=0)
    if count < 2 or not active.any():
        return 0, 0
    pairwise = np.array(
        [[si_sdr(ours[o, active], theirs[s, active]) for o in range(count)] for s in range(count)]
    )  # [source, output, segments]
    orders = list(permutations(range(count)))
    means = np.array([np.mean([pairwise[s, o] for s, o in enumerate(order)], axis=0) for order in orders])
    return int(np.sum(means.max(axis=0) > means[0] + MARGIN_DB)), int(active.sum())

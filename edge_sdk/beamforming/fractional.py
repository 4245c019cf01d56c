"""Delays of a fraction of a sample, as short filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edge_sdk.beamforming.signals import Real

HALF = 16  # samples that a filter reaches to either side: 1 ms at 16 kHz
BETA = 7.0  # of the Kaiser window


def fractional_delay(delays: ArrayLike, taps: int) -> Real:
    """Filters `[..., taps]` that delay by so many samples: a sine cardinal in a Kaiser window of 2 * HALF samples, both
    centred at the delay, with a gain of one at 0 Hz.

    Up to 0.8 of half the sampling rate the response lies within -65 dB of the delay's, up to 0.9 within -25 dB. Delays
    reach from HALF - 1 to taps - HALF.
    """
    delay = np.asarray(delays, np.float64)
    if delay.size and not (delay.min() >= HALF - 1 and delay.max() <= taps - HALF):
        raise ValueError(
            f"delays from {delay.min():g} to {delay.max():g} samples: {taps} taps hold {HALF - 1} to {taps - HALF}"
        )
    away = np.arange(taps) - delay[..., np.newaxis]
    window = np.i0(BETA * np.sqrt(np.maximum(1 - (away / HALF) ** 2, 0))) * (np.abs(away) < HALF)
    filters: Real = np.sinc(away) * window
    filters /= filters.sum(axis=-1, keepdims=True)
    return filters


def delay_error_db(filters: Real, delays: ArrayLike, frequencies: ArrayLike) -> Real:
    """How far responses lie from those of exact delays, `[..., F]`, at frequencies in cycles per sample."""
    cycles = np.asarray(frequencies, np.float64)
    turns = np.exp(-2j * np.pi * np.arange(filters.shape[-1])[:, np.newaxis] * cycles)
    wanted = np.exp(-2j * np.pi * np.asarray(delays, np.float64)[..., np.newaxis] * cycles)
    error: Real = 20 * np.log10(np.maximum(np.abs(filters @ turns - wanted), 1e-10))
    return error

"""Types of what this package hands around, and the check of samples that come in from outside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_sdk.audio.levels import implausible

Samples = NDArray[np.float32]
Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


def checked_samples(x: ArrayLike, mics: int) -> Samples:
    """The samples as finite float32 `[mics, n]`: what is not finite would stay in a recursion for ever."""
    given: NDArray[Any] = np.asarray(x)
    if given.ndim != 2 or given.shape[0] != mics:
        raise ValueError(f"samples of shape {list(given.shape)}: expected [{mics}, n], one row per microphone")
    if given.dtype.kind != "f":
        raise ValueError(f"samples of type {given.dtype}: expected floats between -1 and 1")
    with np.errstate(over="ignore"):  # what overflows is infinite then, and refused as such
        samples: Samples = given.astype(np.float32, copy=False)
    if fault := implausible(samples):
        raise ValueError(f"{fault}: expected finite ones between about -1 and 1; replace them by silence")
    return samples


def checked_masks(masks: ArrayLike, shape: tuple[int, ...]) -> Real:
    """The masks, if they have that shape, `[S, ...]`, and lie between 0 and 1, rounding aside; where those of several
    talkers sum to more than one they are scaled down to it."""
    given: NDArray[Any] = np.asarray(masks)
    if given.shape != shape:
        raise ValueError(f"masks of shape {list(given.shape)}: expected {list(shape)}")
    if given.size and not (given.min() >= -1e-3 and given.max() <= 1 + 1e-3):  # fails for NaN, too
        raise ValueError(f"masks between {given.min():g} and {given.max():g}: expected numbers from 0 to 1")
    bounded: Real = np.clip(given, 0.0, 1.0, dtype=np.float64)
    if len(bounded) > 1:
        bounded /= np.maximum(bounded.sum(axis=0), 1)
    return bounded

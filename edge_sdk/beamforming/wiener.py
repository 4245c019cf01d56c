"""Multichannel Wiener filters that weigh speech distortion against noise, and the control that sets the weight."""

from __future__ import annotations

import numpy as np

from edge_sdk.beamforming.conditioning import FLOOR, LOADING, if_heard, solved
from edge_sdk.beamforming.signals import Complex

MOST_MU = 20.0  # where the control ends: more only makes the output quieter


def mu_of(suppression: float) -> float:
    """The mu of a filter for a control between 0, no distortion, and 1, most suppression: `s / (1 - s)`, at most 20.

    With it `sdw_mwf` minimizes `(1 - s) * distortion + s * noise`, both as mean powers at its output. 0 gives mu 0
    (MVDR for a point), 0.5 mu 1 (the multichannel Wiener filter), 0.75 mu 3, and from 0.952 on mu stays at 20.
    """
    if not 0 <= suppression <= 1:
        raise ValueError(f"suppression = {suppression}: expected 0 (no distortion) to 1 (most suppression)")
    return min(suppression / (1 - suppression), MOST_MU) if suppression < 1 else MOST_MU


def rank_one_mwf(speech: Complex, noise: Complex, mu: float, reference: int = 0, loading: float = LOADING) -> Complex:
    """Weights `[..., M]` from the covariances of talker and noise, `[..., M, M]`, that take the talker for one point:
    `N^-1 S u / (mu + trace(N^-1 S))` (Souden, Benesty & Affes, 2010).

    For mu = 0 this is MVDR also where the talker's covariance, estimated through masks, has full rank. Zero for a
    talker who was never heard.
    """
    ratio = solved(noise, speech, loading)
    trace = np.einsum("...mm->...", ratio).real[..., np.newaxis]
    return if_heard(ratio[..., reference] / np.maximum(mu + trace, FLOOR), speech)


def sdw_mwf(speech: Complex, noise: Complex, mu: float = 1.0, reference: int = 0, loading: float = LOADING) -> Complex:
    """Weights `[..., M]` of the speech-distortion-weighted filter `(S + mu N)^-1 S u` (Doclo & Moonen, 2002; Spriet et
    al., 2004).

    Where the talker's covariance has rank one this is `rank_one_mwf`, and tends to MVDR for mu -> 0; where it has full
    rank, it tends to the reference microphone as it is: no distortion, but no suppression either.
    """
    return solved(speech + mu * noise, speech[..., reference, np.newaxis], loading)[..., 0]

"""Linearly constrained minimum variance: each output lets one talker through and cancels the others."""

from __future__ import annotations

import numpy as np

from edge_sdk.beamforming.conditioning import LOADING, loaded, solved
from edge_sdk.beamforming.signals import Complex

CONSTRAINT_LOADING = 1e-9  # keeps nulls 80 dB deep and stops where talkers cannot be told apart, as at 0 Hz


def lcmv(
    noise: Complex, transfer: Complex, loading: float = LOADING, constraint_loading: float = CONSTRAINT_LOADING
) -> Complex:
    """Weights `[S, ..., M]` with gains of one for the own talker and zero for every other, and of least noise
    (Frost, 1972).

    noise: `[..., M, M]`; transfer: how each talker reaches the microphones, `[S, ..., M]`.
    """
    sources, mics = len(transfer), transfer.shape[-1]
    if sources > mics:
        raise ValueError(f"{sources} talkers and {mics} microphones: expected no more talkers than microphones")
    constraints = np.moveaxis(transfer, 0, -1)  # C, [..., M, S]
    responses = solved(noise, constraints, loading)  # N^-1 C
    among = constraints.conj().swapaxes(-1, -2) @ responses  # C^H N^-1 C
    weights: Complex = responses @ np.linalg.inv(loaded(among, constraint_loading))
    return np.moveaxis(weights, -1, 0)

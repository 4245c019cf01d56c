"""Multi-phase gammatone filterbank (Ditter & Gerkmann, 2020): encoder rows that are computed, not learned.

Center frequencies stand one ERB apart from 100 Hz up, as in the ear; each has several phases, and every filter is there
with both signs, since a ReLU follows. In the paper, with windows of 2 ms and a learned decoder, such rows do better
than learned ones, and 128 of them as well as 512. Keep the rows as they are and learn the decoder, from random weights
or from `gammatone_inverse`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOWEST_HZ = 100.0
ORDER = 2  # of the gammatone
ERB_SCALE, ERB_AT_ZERO_HZ = 9.265, 24.7  # Hz per Hz of bandwidth, and Hz (Glasberg & Moore, 1990)
KEPT = 1e-2  # singular values of the rows below this share of the largest are left out: they would amplify rounding


def center_frequencies(sample_rate: int) -> Tensor:
    """From 100 Hz to half the sample rate, one ERB apart, in Hz: 24 frequencies at 8 kHz, 30 at 16 kHz."""
    corner = ERB_SCALE * ERB_AT_ZERO_HZ
    steps = int(ERB_SCALE * math.log((corner + sample_rate / 2) / (corner + LOWEST_HZ)))
    erbs = torch.arange(steps + 1, dtype=torch.float64)
    return (corner + LOWEST_HZ) * (erbs / ERB_SCALE).exp() - corner


def gammatone_rows(filters: int, length: int, sample_rate: int) -> Tensor:
    """Gammatone impulse responses of unit norm, `[filters, length]`, from low to high frequencies.

    For one frequency: phases over half a turn, then the same with the other sign. Low frequencies get one phase more
    where the filters do not divide evenly. Row times frame, without turning the row around, is the coefficient.
    """
    centers = center_frequencies(sample_rate)
    pairs, extra = divmod(filters // 2, len(centers))
    if filters % 2 or not pairs or length < 1:
        raise ValueError(
            f"{filters} gammatone filters of {length} samples: expected an even number, at least {2 * len(centers)} "
            f"for the {len(centers)} center frequencies at {sample_rate} Hz, and a positive length"
        )
    rows = []
    for index, center in enumerate(centers.tolist()):
        phases = pairs + (index < extra)
        wave = gammatone(center, math.pi * torch.arange(phases, dtype=torch.float64) / phases, length, sample_rate)
        rows += [wave, -wave]
    joined = torch.cat(rows)
    return (joined / joined.norm(dim=1, keepdim=True)).float()


def gammatone(center_hz: float, phases: Tensor, length: int, sample_rate: int) -> Tensor:
    """`t^(p-1) exp(-2 pi b t) cos(2 pi f t + phase)` from the first sample period on, `[phases, length]`."""
    erb = ERB_AT_ZERO_HZ + center_hz / ERB_SCALE
    turns = math.pi * math.factorial(2 * ORDER - 2) * 2.0 ** (2 - 2 * ORDER) / math.factorial(ORDER - 1) ** 2
    t = torch.arange(1, length + 1, dtype=torch.float64) / sample_rate
    envelope = t ** (ORDER - 1) * torch.exp(-2 * math.pi * erb / turns * t)
    return envelope * torch.cos(2 * math.pi * center_hz * t + phases[:, None])


def gammatone_inverse(rows: Tensor, window: int, hop: int) -> Tensor:
    """Decoder rows, `[filters, window]`, to begin with: coefficients after a ReLU back to the end of the frame.

    As both signs of each filter are there, `relu(Hx) - relu(-Hx) = Hx`, so the pseudo-inverse of all rows gives half of
    the frame; frames overlap `window / hop` times and are added. Frames of 2 ms at 8 kHz come back whole. Longer ones
    do not: filters of high frequencies have died away before the frame ends, and nothing sees its end there.
    """
    inverse = torch.linalg.pinv(rows.double(), rtol=KEPT)[-window:]
    return (2 * hop / window * inverse).T.float().contiguous()

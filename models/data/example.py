"""One mixture with everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Example:
    """A mixture, what a network should make of it, and what it was made of; all float32.

    mixture: `[mics, n]`. sources: targets at the reference microphone, `[S, n]`. images: every talker as every
    microphone hears it, reverberation included, `[S, mics, n]`; `mixture - images.sum(0)` is the noise.
    about: what it was made from, plain data. Keys where they apply: `talkers` and `noises` (paths, or `synthetic` and
    a kind), `snr_db`, `level_db` (of the mixture at the reference microphone), `between_talkers_db` (the first above
    each other one), `overlap` (share of the time with speech in which more than one talks), `room`, `rt60_s`,
    `azimuths_deg` and `distances_m` of the talkers, `angle_deg` (the smallest between two of them), `noise_from`
    (`positions` or `around`), `faults` (a table of those that there are).
    """

    mixture: np.ndarray
    sources: np.ndarray
    images: np.ndarray
    about: dict[str, Any] = field(default_factory=dict)

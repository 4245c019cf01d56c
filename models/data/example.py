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
    about: what it was made from, plain data. Keys where they apply: `talkers` and `noises` (paths), `snr_db`,
    `level_db`, `between_talkers_db`, `room`, `rt60_s`, `angle_deg` (smallest between two talkers), `azimuths_deg`,
    `distances_m`, `overlap` (share of the active time in which more than one talks), `faults`.
    """

    mixture: np.ndarray
    sources: np.ndarray
    images: np.ndarray
    about: dict[str, Any] = field(default_factory=dict)

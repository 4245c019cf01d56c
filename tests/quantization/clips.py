"""A small set as pairs of sound files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from tests.models.recordings import voice


def write_clips(folder: Path, count: int = 6, rate: int = 16_000, seconds: float = 1.0) -> Path:
    """Voices in noise as pairs of sound files."""
    for kind in ("mixtures", "sources"):
        (folder / kind).mkdir(parents=True)
    for seed in range(count):
        source = voice(seed, seconds)
        noise = 0.03 * np.random.default_rng(seed).standard_normal(len(source)).astype(np.float32)
        soundfile.write(folder / "sources" / f"voice-{seed}.wav", source, rate)
        soundfile.write(folder / "mixtures" / f"voice-{seed}.flac", source + noise, rate)
    return folder

"""Sound files to float32 arrays: one place that says what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from edge_sdk.errors import DataError


def decode(path: Path, sample_rate: int) -> np.ndarray:
    """Samples of a wav, flac or ogg file at `sample_rate`, `[channels, n]` float32.

    Raises `DataError` where the file is missing, not audio, empty, or carries NaN or infinite samples.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise DataError(f"{path}: not a readable sound file ({error})") from error
    if not len(samples):
        raise DataError(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: carries NaN or infinite samples")
    if rate != sample_rate:
        samples = soxr.resample(samples, rate, sample_rate).astype(np.float32, copy=False)
    return np.ascontiguousarray(samples.T)

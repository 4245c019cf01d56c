"""Whole streams from file to file: a recording, and what comes of it."""

from pathlib import Path

import numpy as np
import soundfile

from edge_sdk.live.limiter import LimiterConfig
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig
from tests.models.recordings import voice

RATE = 16_000
PERIODS = [64, 128, 160, 256, 441, 1024]
PLAIN = {"highpass_hz": 0.0, "limiter": LimiterConfig(ceiling_db=0.0)}


def mixture(seconds: float = 1.5, mics: int = 1) -> np.ndarray:
    """Voices in noise, another in each microphone, as a sound card gives them: 16-bit numbers."""
    rng = np.random.default_rng(mics)
    x = np.stack([0.3 * np.resize(voice(m), round(seconds * RATE)) for m in range(mics)])
    x += 0.02 * rng.standard_normal(x.shape)
    return (np.round(x * 2**15) / 2**15).astype(np.float32)


def written(path: Path, x: np.ndarray, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, x.T, RATE, subtype)
    return path


def streamed(config: StreamConfig) -> tuple[np.ndarray, LiveStream]:
    """What the stream wrote, `[channels, n]`, and the stream, closed."""
    stream = LiveStream(config)
    try:
        stream.run(lambda: False)
    finally:
        stream.close()
    samples, _ = soundfile.read(config.playback, dtype="float32", always_2d=True)
    return samples.T, stream

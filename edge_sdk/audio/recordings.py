"""What an array recorded, with its microphones in their order."""

from __future__ import annotations

from pathlib import Path

from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.wav import Samples, read_wav
from edge_sdk.errors import ArrayError


def read_recording(path: Path, sample_rate: int, array: MicArray) -> tuple[Samples, int]:
    """Samples `[mics, n]` of the array's microphones in their order, and the rate of the file: all channels that the
    device captures, or the microphones alone where these are fewer."""
    samples, rate = read_wav(path, sample_rate)
    if len(samples) == array.capture_channels:
        return samples[list(array.channels)], rate
    if len(samples) == array.mics:
        return samples, rate
    alone = "" if array.mics == array.capture_channels else f", or its {array.mics} microphones alone"
    raise ArrayError(
        f"{path}: {len(samples)} channels, {array.name} captures {array.capture_channels}{alone}; "
        "give another recording or another --array"
    )

"""Interleaved bytes of sound cards and raw files to and from float32 samples, in arrays that are made once.

The names are ALSA's: S24_LE keeps 24 bits in the low three of four bytes, S24_3LE in three. Full scale of whole numbers
is -1..1, and numbers of up to 24 bits come back bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Samples

SAMPLE_BYTES = {"S16_LE": 2, "S24_LE": 4, "S24_3LE": 3, "S32_LE": 4, "FLOAT_LE": 4}
TYPES = {"S16_LE": "<i2", "S24_LE": "<i4", "S32_LE": "<i4", "FLOAT_LE": "<f4"}
MOST_CHANNELS = 256


class Decoder:
    """Bytes of interleaved channels to the samples of microphones.

    select: the channel of each microphone, all in their order by default; most: samples of a channel in one call.
    partial: bytes left out because they held less than a sample of every channel.
    """

    def __init__(self, format: str, channels: int, most: int, select: Sequence[int] | None = None) -> None:
        check(format, channels, most)
        select = range(channels) if select is None else select
        if not select or not all(0 <= channel < channels for channel in select):
            raise ValueError(f"select = {list(select)}: expected channels from 0 to {channels - 1}")
        self.frame_bytes = SAMPLE_BYTES[format] * channels
        self.most = most
        self.partial = 0
        self.samples: Samples = np.zeros((len(select), most), np.float32)
        self.raw = np.zeros((most, channels, SAMPLE_BYTES[format]), np.uint8)
        self.bytes = self.raw.reshape(-1).data
        # 24 bits are moved to the top of 32, where their sign belongs.
        self.top = np.zeros((most, channels, 4), np.uint8) if format in ("S24_LE", "S24_3LE") else None
        numbers = self.raw.view(TYPES[format]) if self.top is None else self.top.view("<i4")
        self.columns = [numbers[:, channel, 0] for channel in select]
        self.scale = np.float32({"S16_LE": 2.0**-15, "FLOAT_LE": 1.0}.get(format, 2.0**-31))

    def decode(self, data: bytes | bytearray | memoryview) -> Samples:
        """Samples `[mics, n]` of whole frames; what is left over of the bytes is dropped, so that the next ones begin
        with channel 0 again. The array is used again by the next call."""
        n, rest = divmod(len(data), self.frame_bytes)
        if n > self.most:
            raise ValueError(f"{len(data)} bytes: expected at most {self.most} times {self.frame_bytes}")
        self.partial += rest
        self.bytes[: n * self.frame_bytes] = memoryview(data)[: n * self.frame_bytes]
        if self.top is not None:
            self.top[:n, :, 1:] = self.raw[:n, :, :3]
        samples = self.samples[:, :n]
        for row, column in zip(samples, self.columns, strict=True):
            np.copyto(row, column[:n], casting="unsafe")
        if self.scale != 1:
            np.multiply(samples, self.scale, out=samples)
        return samples


class Encoder:
    """Samples of all channels of a device to its interleaved bytes, rounded to nearest, clipped at full scale."""

    def __init__(self, format: str, channels: int, most: int) -> None:
        check(format, channels, most)
        self.format = format
        self.channels = channels
        self.most = most
        self.frame_bytes = SAMPLE_BYTES[format] * channels
        bits = {"S16_LE": 16, "S32_LE": 32}.get(format, 24)
        self.scale = np.float32(1 if format == "FLOAT_LE" else 2.0 ** (bits - 1))
        # The largest float32 that the format holds: one step of 2**-24 below full scale, where it has 32 bits.
        self.largest = self.scale if format == "FLOAT_LE" else self.scale - np.float32(max(1, 2 ** (bits - 25)))
        self.floats: Samples = np.zeros((most, channels), np.float32)
        self.raw = np.zeros((most, channels, SAMPLE_BYTES[format]), np.uint8)
        self.bytes = self.raw.reshape(-1).data
        self.numbers: NDArray[np.generic] = np.zeros((most, channels, 1), TYPES.get(format, "<i4"))
        if format != "S24_3LE":
            self.numbers = self.raw.view(TYPES[format])

    def encode(self, samples: Samples) -> memoryview:
        """The bytes of samples `[channels, n]`, which must be finite; they are overwritten by the next call."""
        channels, n = samples.shape
        if channels != self.channels or n > self.most:
            raise ValueError(f"samples of shape {samples.shape}: expected ({self.channels}, up to {self.most})")
        floats = self.floats[:n]
        np.copyto(floats, samples.T)
        np.multiply(floats, self.scale, out=floats)  # in place: from the transpose it would buffer
        if self.format != "FLOAT_LE":
            np.rint(floats, out=floats)
        np.minimum(floats, self.largest, out=floats)
        np.maximum(floats, -self.scale, out=floats)
        np.copyto(self.numbers[:n, :, 0], floats, casting="unsafe")
        if self.format == "S24_3LE":
            self.raw[:n] = self.numbers[:n].view(np.uint8)[:, :, :3]
        return self.bytes[: n * self.frame_bytes]


def check(format: str, channels: int, most: int) -> None:
    if format not in SAMPLE_BYTES:
        raise ValueError(f"format = {format!r}: expected one of {', '.join(SAMPLE_BYTES)}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"channels = {channels}: expected 1 to {MOST_CHANNELS}")
    if most < 1:
        raise ValueError(f"most = {most}: expected at least one sample")

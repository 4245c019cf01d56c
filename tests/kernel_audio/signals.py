"""Signals in which every frame says where it stands, played to snd-aloop and found again in what it captures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.alsa import AlsaPlayback, PcmConfig

RATE = 16_000
SOURCE, SINK = "hw:CARD=Loopback,DEV=0", "hw:CARD=Loopback,DEV=1"  # what is played to one is captured from the other
BUFFER_S = 1.5  # this machine is slow, and others slow it down further; a late reader must not lose anything

Samples = NDArray[np.float32]


def config(device: str, channels: int = 1, format: str = "S16_LE", period: int = 128, buffer_s: float = BUFFER_S):
    """A device whose buffer is so long."""
    return PcmConfig(device, RATE, channels, format, period, round(buffer_s * RATE / period))


def noise(seconds: float, channels: int, bits: int) -> Samples:
    """`[channels, n]` of whole steps of 16 bits, or of 24, which is all that a float32 holds: exact in every format."""
    steps = 1 << (min(bits, 24) - 1)
    whole = np.random.default_rng(channels).integers(-steps + 1, steps, (channels, round(seconds * RATE)))
    return (whole / steps).astype(np.float32)


def place(signal: Samples, heard: Samples) -> int:
    """Where in the signal what was heard begins; every sample of every channel is equal from there on."""
    found = np.flatnonzero((signal == heard[:, :1]).all(axis=0))
    equal = [at for at in found.tolist() if np.array_equal(signal[:, at : at + heard.shape[1]], heard)]
    assert len(equal) == 1, f"{heard.shape[1]} frames stand in the signal {len(equal)} times"
    return equal[0]


@contextmanager
def playing(signal: Samples, config: PcmConfig) -> Iterator[None]:
    """The signal is played meanwhile, by a thread of its own, once. It never runs dry: half the buffer is in hand."""
    playback = AlsaPlayback(config, priming=config.periods // 2)
    stop = threading.Event()

    def write() -> None:
        for begin in range(0, signal.shape[1], config.period):
            if stop.is_set():
                break
            playback.write(signal[:, begin : begin + config.period])
        playback.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
    assert not playback.underruns, "this machine is too slow: a gap in what was played"

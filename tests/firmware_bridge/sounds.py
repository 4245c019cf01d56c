"""Slots that hold shipped models, and sound for them."""

import os
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_sdk.contract import Bundle, read_bundle
from edge_sdk.library import find_model
from firmware_bridge.install import install
from firmware_bridge.slots import Slots

RATE = 16_000
MODEL, OTHER = "enhance-mono", "enhance-hearing-aid"


def shipped_slots(tmp_path: Path, *confirmed: str, unconfirmed: str | None = None) -> Slots:
    """Slots of a device that trusts everybody, with these shipped models installed one after the other."""
    folder = tmp_path / "device"
    folder.mkdir()
    folder.chmod(0o755)
    slots = Slots(folder)
    for name in confirmed:
        install(slots, find_model(name))
        slots.confirm()
    if unconfirmed is not None:
        install(slots, find_model(unconfirmed))
    return slots


def active_model(slots: Slots) -> str | None:
    """The model in the active slot."""
    bundle = slots.bundle(state := slots.state(), state.active)
    return None if bundle is None else bundle.manifest.name


def noise(seconds: float) -> NDArray[np.int16]:
    """Noise at -26 dB, 16 bit."""
    rng = np.random.default_rng(0)
    return np.round(2**15 * 0.05 * rng.standard_normal(int(seconds * RATE))).astype(np.int16)


def write_wav(path: Path, samples: NDArray[np.int16]) -> Path:
    with wave.open(os.fspath(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def unhurried(tmp_path: Path) -> list[object]:
    """Options of a stream that takes ten minutes of noise as fast as it can: no block is ever late, however busy the
    machine."""
    source = write_wav(tmp_path / "in.wav", np.tile(noise(1.0), 600))
    return ["--", "--capture", source, "--playback", tmp_path / "out.wav", "--priority", "0"]


def speech_like(seconds: float) -> NDArray[np.int16]:
    """Harmonics of 150 Hz in syllables, four a second."""
    t = np.arange(int(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    return np.round(2**15 * 0.1 * voice * (np.sin(2 * np.pi * 4 * t) > 0)).astype(np.int16)


def shipped(name: str) -> Bundle:
    """A bundle that comes with edge-sdk."""
    return read_bundle(find_model(name))

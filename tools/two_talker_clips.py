"""The recordings of two people at four microphones that the examples separate, made of the two voices beside them.

    python -m tools.two_talker_clips [--out examples/audio]

A woman and a man talk at once in a room that is simulated by the image method, at a ReSpeaker 4-mic array on a table.
Writes what the microphones hear, and what a perfect separation would give: each voice at the first microphone, with the
reflections of its first 50 ms. The seed was chosen among the first twelve, by where people would sit; how much
`array4-2spk` gains on it is in the middle of the twelve. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile

from edge_sdk.audio.arrays import load_array
from models.data.rooms import RoomConfig
from models.data.simulation import simulate_room
from models.data.spatial import Seating, SpatialConfig, seat, talkers_heard

RATE_HZ, ARRAY = 16_000, "respeaker-4mic"
LEVEL_DB = -26.0  # root mean square of both together at the first microphone, full scale = 0
SENSOR_NOISE_DB = -50.0  # of each microphone for itself, against the talkers
VOICES = ("woman", "man")
ROOM = RoomConfig(
    length_m=(5.0, 5.0),
    width_m=(4.0, 4.0),
    height_m=(2.6, 2.6),
    rt60_s=(0.25, 0.25),
    positions=2,
    distance_m=(1.0, 1.5),
    separation_deg=90.0,
)
SEED = 8


class OneRoom:
    """The room of the recording, as a store of rooms."""

    sample_rate = RATE_HZ

    def __init__(self) -> None:
        self.array = load_array(ARRAY)
        self.mics = self.array.mics
        self.room = simulate_room(ROOM, self.array, RATE_HZ, SEED, 0)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> object:
        return self.room


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("examples/audio"), help="folder with the voices")
    folder = parser.parse_args().out
    rng = np.random.default_rng(SEED)
    voices = [soundfile.read(folder / f"speech-{voice}.flac", dtype="float32")[0] for voice in VOICES]
    samples = min(map(len, voices))
    dry = np.stack([voice[:samples] / np.sqrt(np.mean(voice[:samples] ** 2)) for voice in voices])
    seating: Seating = seat(OneRoom(), 2, ROOM.separation_deg, rng)  # type: ignore[arg-type]
    images, targets = talkers_heard(dry, seating, 0, SpatialConfig(target="early"), RATE_HZ)
    # As loud as each other where they are heard.
    gains = 1 / np.sqrt(np.mean(images[:, 0] ** 2, axis=-1))
    heard = np.sum(gains[:, None, None] * images, axis=0)
    heard += 10 ** (SENSOR_NOISE_DB / 20) * rng.standard_normal(heard.shape)
    level = 10 ** (LEVEL_DB / 20) / np.sqrt(np.mean(heard[0] ** 2))
    signals = {"4mic": heard, **dict(zip(VOICES, gains[:, None] * targets, strict=True))}
    for name, signal in signals.items():
        soundfile.write(folder / f"two-talkers-{name}.flac", level * np.atleast_2d(signal).T, RATE_HZ, subtype="PCM_16")
    print(seating.about())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Rooms whose responses are a few echoes, so that what comes out can be said exactly; and how they are mixed in."""

from pathlib import Path

import numpy as np

from edge_sdk.audio.arrays import MicArray, load_array
from models.data.corpus import load_corpus
from models.data.mixing import MixConfig, Mixtures
from models.data.rirs import Room
from tests.models.recordings import RATE

DIRECT, EARLY, LATE = 20, 160, 800  # samples: of the first position's direct path, and of echoes after it (20, 100 ms)
TAPS = DIRECT + LATE + 40


class EchoRooms:
    """Every microphone hears the direct path two samples later than the one before it, and two echoes of it."""

    sample_rate = RATE

    def __init__(self, array: str = "respeaker-4mic", positions: int = 6, count: int = 3) -> None:
        self.array: MicArray = load_array(array)
        self.mics, self.positions, self.count = self.array.mics, positions, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Room:
        rirs = np.zeros((self.positions, self.mics, TAPS), np.float32)
        for position in range(self.positions):
            for mic in range(self.mics):
                begin = DIRECT + position + 2 * mic
                rirs[position, mic, [begin, begin + EARLY, begin + LATE]] = 1.0, 0.5, 0.25
        around = np.linspace(-np.pi, np.pi, self.positions, endpoint=False)
        direct = DIRECT + np.arange(self.positions) + 2.0 * self.array.reference
        flat, metres = np.zeros(self.positions), np.full(self.positions, 1.5)
        return Room(index, rirs, direct, around, flat, metres, rt60_s=0.3)


def mixtures(root: Path, cache: Path, seed: int = 1, rooms: EchoRooms | None = None, **changes: object) -> Mixtures:
    """Mixtures of a second of the test corpus."""
    speech, noise = (load_corpus(root, (kind,), RATE, cache) for kind in ("speech", "noise"))
    config = MixConfig(**{"seconds": 1.0, "babble_talkers": 2, **changes})  # type: ignore[arg-type]
    return Mixtures(speech, noise, config, RATE, seed, rooms)

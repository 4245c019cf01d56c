"""Talkers in noise in simulated rooms, as an array hears them: what spatial filters are measured on."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_sdk.audio.arrays import MicArray
from models.data.corpus import Corpus, load_corpus
from models.data.example import Example
from models.data.mixing import MixConfig, Mixtures
from models.data.rirs import Room
from models.data.rooms import RoomConfig
from models.data.simulation import simulate_room
from models.data.spatial import SpatialConfig
from models.runs import default_cache

EXAMPLES = Path(__file__).resolve().parent.parent / "examples/audio"
RATE = 16_000
SNR_DB = {1: (0.0, 15.0), 2: (15.0, 25.0)}


class DrawnRooms:
    """Rooms of a seed, computed at once."""

    sample_rate = RATE

    def __init__(self, array: MicArray, count: int, seed: int) -> None:
        config = RoomConfig(positions=4, separation_deg=20.0)
        self.array, self.mics = array, array.mics
        self.rooms = [simulate_room(config, array, RATE, seed, index) for index in range(count)]

    def __len__(self) -> int:
        return len(self.rooms)

    def __getitem__(self, index: int, /) -> Room:
        return self.rooms[index]


def recordings(data: Path | None, scratch: Path) -> tuple[Corpus, Corpus]:
    """Speech and noise; the folders that examples have not are made in `scratch`."""
    if data is not None:
        speech, noise = (load_corpus(data, (f"dev/{kind}",), RATE, default_cache()) for kind in ("speech", "noise"))
        return speech, noise
    for kind in ("speech", "noise"):
        for file in EXAMPLES.glob(f"{kind}-*.flac"):
            (folder := scratch / kind / file.stem).mkdir(parents=True)
            (folder / file.name).symlink_to(file)
    speech, noise = (load_corpus(scratch, (kind,), RATE, scratch / "cache") for kind in ("speech", "noise"))
    return speech, noise


def mixtures(args: argparse.Namespace, array: MicArray, talkers: int, corpora: tuple[Corpus, Corpus]) -> list[Example]:
    spatial = SpatialConfig(target=args.target, min_angle_deg=20.0, sensor_noise_db=(-50.0, -50.0))
    mix = MixConfig(
        seconds=args.seconds,
        sources=talkers,
        snr_db=SNR_DB[talkers],
        level_db=(-25.0, -25.0),
        between_talkers_db=(-3.0, 3.0),
        second_noise=0.0,
        babble=0.0,
        colour=0.0,
        spatial=spatial,
    )
    made = Mixtures(*corpora, mix, RATE, args.seed, DrawnRooms(array, args.rooms, args.seed))
    return [made.example(index) for index in range(args.mixtures)]

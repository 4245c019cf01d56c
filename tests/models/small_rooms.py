"""A few small rooms, stored."""

from pathlib import Path

from edge_sdk.audio.arrays import load_array
from models.data.rirs import RoomStore
from models.data.rooms import RoomConfig
from models.data.simulation import ROOMS_PER_SHARD, simulate_rooms

SMALL = RoomConfig(length_m=(3, 4), width_m=(3, 4), rt60_s=(0.1, 0.2), positions=2)
COUNT, SEED, RATE = 2 * ROOMS_PER_SHARD + 1, 7, 8_000


def simulate(folder: Path, **changes: object) -> RoomStore:
    arguments = {"array": load_array("respeaker-2mic"), "config": SMALL, "count": COUNT, "seed": SEED}
    return simulate_rooms(folder, **{**arguments, "sample_rate": RATE, "workers": 0, **changes})

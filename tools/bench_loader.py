"""Hours of two-talker mixtures that one core makes in an hour, without rooms and with stored rooms of four microphones.

    python tools/bench_loader.py [--data DIR] [--mixtures N] [--json]

Mixtures are those of a training: 3 s at 16 kHz, noise, a random filter on half of the signals; with rooms also 0.2 to
0.6 s of reverberation. Without --data the recordings are made up, in a temporary folder; with it they are those that
recipes/enhance-mono.toml names. Counts processor time, so that other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from edge_sdk.audio.arrays import load_array
from models.data.corpus import load_corpus
from models.data.mixing import MixConfig, Mixtures
from models.data.rooms import RoomConfig
from models.data.simulation import simulate_rooms

RATE = 16_000
ARRAY, ROOMS = "respeaker-4mic", 8
TARGETS = {"without rooms": 40, "with rooms": 20}  # hours in an hour, of one core
WARM_UP = 5  # mixtures, in which files and tables are read


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with train/speech and train/noise (default: made up)")
    parser.add_argument("--mixtures", type=int, default=200, help="of each kind (default: 200)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root, cache = args.data or write_recordings(Path(folder) / "data"), Path(folder) / "cache"
        speech, noise = (load_corpus(root, (f"train/{kind}",), RATE, cache) for kind in ("speech", "noise"))
        rooms = simulate_rooms(Path(folder) / "rooms", load_array(ARRAY), RoomConfig(), ROOMS)
        config = MixConfig(sources=2)
        found = {
            "without rooms": hours_per_hour(Mixtures(speech, noise, config, RATE, 1), args.mixtures),
            "with rooms": hours_per_hour(Mixtures(speech, noise, config, RATE, 1, rooms), args.mixtures),
        }
    if args.json:
        print(json.dumps({name: round(hours, 1) for name, hours in found.items()}))
    for name, hours in found.items() if not args.json else ():
        each_ms = 1000 * config.seconds / hours
        print(f"{name:14}{hours:6.0f} h of mixtures per hour and core ({each_ms:.1f} ms each), target {TARGETS[name]}")
    return 0


def hours_per_hour(mixtures: Mixtures, count: int) -> float:
    for i in range(WARM_UP):
        mixtures[i]
    begin = time.process_time()
    for i in range(WARM_UP, WARM_UP + count):
        mixtures[i]
    return count * mixtures.config.seconds / (time.process_time() - begin)


def write_recordings(root: Path) -> Path:
    """Ten speakers and ten noises, as long as those of a corpus; what they sound like costs nothing."""
    rng = np.random.default_rng(0)
    for kind, seconds in (("speech", 14), ("noise", 25)):
        for n in range(10):
            file = root / "train" / kind / f"{kind}{n}" / "take.wav"
            file.parent.mkdir(parents=True)
            soundfile.write(file, 0.1 * rng.standard_normal(seconds * RATE), RATE)
    return root


if __name__ == "__main__":
    raise SystemExit(main())

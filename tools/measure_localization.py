"""How far off talkers are located, in simulated rooms and in the open: the figures of `edge-sdk localize`.

    python -m tools.measure_localization [--array NAME ...] [--rt60 0.3 0] [--talkers 1] [--rooms 20] [--data DIR]

In each room the array stands at a random place, turned at random, with talkers around it at any height, and runs as a
stream. Every moment after the first second counts, pauses included: the error is that of the track, each talker with
the track that fits best; "missed" is the share of talkers without a track, "extra" that of tracks without a talker.
Reverberation of 0 s means the same places without walls. Talkers are made up, or recordings of a folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve, lfilter

from edge_sdk.audio.arrays import MicArray, load_array
from edge_sdk.audio.wav import read_wav
from edge_sdk.beamforming.grid import azimuth_grid, wrapped
from edge_sdk.beamforming.localizer import FINDERS, Localizer, LocalizerConfig
from edge_sdk.errors import EdgeError
from models.data.corpus import find_recordings
from models.data.image_source import LEAD, responses
from models.data.rooms import RoomConfig, check_rooms, draw_scene

RATE = 16_000
SETTLING_S = 1.0  # of which nothing is asked
NO_WALLS = 50.0  # loss per wall that leaves nothing
LIKE_ROOMS_OF_S = 0.3  # places in the open are drawn as in these
LEVEL = 0.05  # of each talker at the reference microphone
FORMANTS_HZ = ((500, 80), (1500, 120), (2500, 160), (3800, 300), (5500, 600))  # middle and width

Speech = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Figures:
    """Errors in degrees over all moments of all rooms, and shares of moments."""

    array: str
    method: str
    rt60_s: float
    talkers: int
    rooms: int
    median_deg: float
    p90_deg: float
    missed: float
    extra: float


def measure(
    array: MicArray,
    config: LocalizerConfig,
    rt60_s: float,
    talkers: int,
    rooms: int,
    seconds: float = 5.0,
    snr_db: float = 30.0,
    seed: int = 0,
    speech: Speech | None = None,
) -> Figures:
    """Figures over rooms, which are always the same for a seed."""
    errors: list[float] = []
    missed = extra = 0
    for room in range(rooms):
        x, azimuths = recording(array, rt60_s, talkers, seconds, snr_db, [seed, room], speech or speech_like)
        for moment in Localizer(array, config).process(x):
            if moment.time_s > SETTLING_S:
                found = [talker.azimuth_rad for talker in moment.talkers if talker is not None]
                errors += apart_deg(found, azimuths)
                missed += max(0, talkers - len(found))
                extra += max(0, len(found) - talkers)
    expected = len(errors) + missed
    middle, high = np.percentile(errors, [50, 90]) if errors else (np.nan, np.nan)
    return Figures(
        array.name,
        config.method,
        rt60_s,
        talkers,
        rooms,
        float(middle),
        float(high),
        missed / expected,
        extra / expected,
    )


def recording(
    array: MicArray, rt60_s: float, talkers: int, seconds: float, snr_db: float, key: list[int], speech: Speech
) -> tuple[np.ndarray, list[float]]:
    """What the array hears of a room, `[mics, n]`, and the azimuths of its talkers, folded to the side that an array on
    a line gives."""
    lasting = rt60_s or LIKE_ROOMS_OF_S
    config = RoomConfig(rt60_s=(lasting, lasting), positions=talkers, separation_deg=min(45.0, 180 / talkers))
    check_rooms(config, array)
    scene, rng = draw_scene(config, array, *key), np.random.default_rng([*key, 1])
    loss, taps = (scene.loss, LEAD + round(rt60_s * RATE)) if rt60_s else (NO_WALLS, 2 * LEAD + 160)
    rirs, _ = responses(scene.room_m, loss, scene.positions_m, scene.mics_m, taps, RATE, rng)
    n = round(seconds * RATE)
    x = np.zeros((array.mics, n))
    for heard in rirs:
        image = fftconvolve(speech(rng, n)[np.newaxis], heard, axes=1)[:, :n]
        x += LEVEL * image / np.sqrt((image[array.reference] ** 2).mean())
    x += LEVEL * 10 ** (-snr_db / 20) * rng.standard_normal(x.shape)
    seen = scene.positions_m - scene.centre_m
    azimuths = np.arctan2(seen[:, 1], seen[:, 0]) - scene.turned_rad
    return x.astype(np.float32), [on_its_side(array, float(a)) for a in azimuths]


def on_its_side(array: MicArray, azimuth_rad: float) -> float:
    """The azimuth, or its mirror image where the array is a line, which cannot tell the two apart."""
    grid = azimuth_grid(array)
    start = float(grid.azimuths_rad[0])
    return azimuth_rad if grid.circular else start + abs(wrapped(azimuth_rad - start))


def apart_deg(found: list[float], azimuths: list[float]) -> list[float]:
    """Angles between tracks and talkers, paired so that their sum is least; as many as there are pairs."""
    few, many = sorted((found, azimuths), key=len)
    pairings = (
        [abs(wrapped(a - b)) for a, b in zip(few, chosen, strict=True)] for chosen in permutations(many, len(few))
    )
    return [float(np.rad2deg(angle)) for angle in min(pairings, key=sum)]


def speech_like(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Four syllables a second, `[n]`, some of them pauses: pulses of a wandering pitch, or breath, through formants."""
    seconds = samples / RATE
    syllables = 2 + int(4 * seconds)

    def wandering(points: np.ndarray) -> np.ndarray:
        return np.interp(np.linspace(0, 1, samples), np.linspace(0, 1, len(points)), points)

    pitch = wandering(rng.uniform(90, 250) * np.exp(rng.uniform(-0.3, 0.3, syllables)))
    pulses = np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0.0)
    voiced = wandering((rng.random(2 * syllables) > 0.3).astype(float))
    source = 12 * pulses * voiced + (0.05 + 0.5 * (1 - voiced)) * rng.standard_normal(samples)
    spoken = np.zeros(samples)
    for middle, width in FORMANTS_HZ:
        radius, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * middle * rng.uniform(0.75, 1.3) / RATE
        spoken += lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], source)
    loudness = rng.random(4 * syllables) ** 2 * (rng.random(4 * syllables) > 0.25)
    return spoken * wandering(loudness)


def recorded(folder: Path) -> Speech:
    """Speech of the recordings in a folder, one after the other as chance has it."""
    paths = find_recordings(folder, (".",))

    def speech(rng: np.random.Generator, samples: int) -> np.ndarray:
        parts: list[np.ndarray] = []
        while sum(map(len, parts)) < samples:
            parts.append(read_wav(paths[rng.integers(len(paths))], RATE)[0][0])
        return np.concatenate(parts)[:samples]

    return speech


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--array", nargs="+", default=["respeaker-4mic", "respeaker-6mic"], metavar="NAME")
    parser.add_argument("--method", nargs="+", choices=list(FINDERS), default=["srp-phat"])
    parser.add_argument("--rt60", type=float, nargs="+", default=[0.3, 0.0], metavar="S", help="0: no walls")
    parser.add_argument("--talkers", type=int, nargs="+", default=[1], choices=range(1, 5), help="at once")
    parser.add_argument("--look-for", type=int, default=2, metavar="N", help="at most so many (default: 2)")
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0, help="in each room (default: 5)")
    parser.add_argument("--snr", type=float, default=30.0, help="of the microphones' own noise, dB (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of speech at any depth (default: made up)")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each row")
    args = parser.parse_args(argv)
    if args.seconds < 2 * SETTLING_S:
        parser.error(f"--seconds {args.seconds:g}: expected at least {2 * SETTLING_S:g}")
    try:
        speech = None if args.data is None else recorded(args.data)
        if not args.json:
            print(
                f"{'array':22}{'method':10}{'RT60 s':>7}{'talkers':>9}{'median':>8}{'90 %':>8}{'missed':>8}{'extra':>7}"
            )
        for name in args.array:
            for method in args.method:
                for rt60_s in args.rt60:
                    for talkers in args.talkers:
                        config = LocalizerConfig(max(args.look_for, talkers), method)
                        size = args.rooms, args.seconds, args.snr, args.seed
                        report(measure(load_array(name), config, rt60_s, talkers, *size, speech), args.json)
    except EdgeError as error:
        print(f"edge-sdk: {error}", file=sys.stderr)
        return 1
    return 0


def report(f: Figures, as_json: bool) -> None:
    if as_json:
        row = {name: None if value != value else value for name, value in asdict(f).items()}  # JSON has no NaN
        print(json.dumps(row), flush=True)
        return
    shares = f"{f.missed:8.0%}{f.extra:7.0%}"
    print(
        f"{f.array:22}{f.method:10}{f.rt60_s:7.1f}{f.talkers:9}{f.median_deg:8.2f}{f.p90_deg:8.2f}{shares}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())

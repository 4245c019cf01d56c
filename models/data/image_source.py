"""Impulse responses of a shoebox room, as every microphone of an array hears them.

The image source method (Allen & Berkley, 1979) in full for as long as images arrive one by one. From the time on at
which they come faster than `DENSITY` per sample, a random choice of them stands for all, each as much louder as there
are fewer, with a random sign: the late part of a response is noise to every listener. A chosen image is one place in
space for all microphones and loses energy at the walls between it and the array, so the late part keeps the coherence
between microphones and the directions of decay of the full method; a room takes a tenth of a second instead of many
seconds. pyroomacoustics (Scheibler et al., 2018) turns arrivals into samples.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from edge_sdk.audio.arrays import SPEED_OF_SOUND
from edge_sdk.errors import EdgeError

DENSITY = 2.0  # arrivals per sample, beyond which nobody tells one from another
FILTER = 81  # taps of the windowed sinc that a fractional delay is made of, as in pyroomacoustics
LEAD = FILTER // 2  # samples from the start of a response to the direct path at the nearest microphone
TABLE = 100  # steps between two samples in the table of the sinc; 20, the default, puts errors at -50 dB
HIGH_PASS_HZ = 50.0  # arrivals are all positive: below this they would add up to what no room has
DIRECTIONS = 500  # over which the decay of a room is averaged


def responses(
    room_m: np.ndarray,
    loss: float,
    talkers_m: np.ndarray,
    mics_m: np.ndarray,
    taps: int,
    rate: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """`[talkers, mics, taps]` and arrivals of the direct paths in samples, `[talkers, mics]`.

    Places in metres from a corner of the room, `[n, 3]`; amplitude falls as exp(-loss) at each wall and as 1 / metres.
    """
    from scipy.signal import butter, sosfilt

    builder, centre = pyroomacoustics().libroom.rir_builder, mics_m.mean(axis=0)
    per_s = DENSITY * rate
    # Images lie one per volume of the room: their shells hold 4 pi c^3 t^2 / V of them per second.
    mixing_s = math.sqrt(per_s * room_m.prod() / (4 * math.pi * SPEED_OF_SOUND**3))
    farthest_m = np.linalg.norm(talkers_m - centre, axis=1).max()
    mixing_s = max(
        mixing_s, farthest_m / SPEED_OF_SOUND + 1e-3
    )  # in a booth too, the direct path is no matter of chance
    out = np.zeros((len(talkers_m), len(mics_m), taps), np.float32)
    to_mics = np.linalg.norm(talkers_m[:, None] - mics_m, axis=-1) / SPEED_OF_SOUND * rate
    skipped = np.floor(to_mics.min(axis=1))
    for talker, place in enumerate(talkers_m):
        end_s = (skipped[talker] + taps) / rate
        early, walls = images(room_m, place, centre, SPEED_OF_SOUND * min(mixing_s, end_s))
        late, gains = late_arrivals(room_m, loss, centre, mixing_s, end_s, per_s, rng)
        places, strengths = np.concatenate([early, late]), np.concatenate([np.exp(-loss * walls), gains])
        for mic, listener in enumerate(mics_m):
            metres = np.linalg.norm(places - listener, axis=1)
            samples = metres / SPEED_OF_SOUND * rate - skipped[talker] + LEAD
            heard = (samples >= LEAD) & (samples < taps)
            arrivals, loudness = samples[heard] / rate, strengths[heard] / metres[heard]
            response = np.zeros(taps + FILTER, np.float32)
            builder(response, arrivals.astype(np.float32), loudness.astype(np.float32), rate, FILTER, TABLE, 1)
            out[talker, mic] = response[:taps]
    high_pass = butter(2, HIGH_PASS_HZ, "highpass", fs=rate, output="sos")
    return sosfilt(high_pass, out).astype(np.float32), to_mics - skipped[:, None] + LEAD


def images(room_m: np.ndarray, talker: np.ndarray, centre: np.ndarray, reach_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Places of all images of a talker within reach of the array, `[n, 3]`, and how many walls are between."""
    axes, counts = [], []
    for length, x, c in zip(room_m, talker, centre, strict=True):
        cell = np.arange(math.floor((c - reach_m) / length) - 1, math.ceil((c + reach_m) / length) + 2)
        axes.append(cell * length + np.where(cell % 2 == 0, x, length - x))
        counts.append(np.abs(cell))
    squares = [(places - c) ** 2 for places, c in zip(axes, centre, strict=True)]
    near = np.nonzero(np.add.outer(np.add.outer(squares[0], squares[1]), squares[2]) < reach_m**2)
    places = np.stack([axis[n] for axis, n in zip(axes, near, strict=True)], axis=1)
    return places, sum(count[n] for count, n in zip(counts, near, strict=True))


def late_arrivals(
    room_m: np.ndarray,
    loss: float,
    centre: np.ndarray,
    begin_s: float,
    end_s: float,
    per_s: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Random places for the images that arrive after `begin_s`, evenly in time, `[n, 3]`, and strengths at 1 m."""
    n = max(0, math.ceil((end_s - begin_s) * per_s))
    metres = SPEED_OF_SOUND * (begin_s + (np.arange(n) + rng.random(n)) / per_s)
    directions = rng.standard_normal((n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    places = centre + metres[:, None] * directions
    walls = np.abs(np.floor(places / room_m)).sum(axis=1)
    thinned = metres * math.sqrt(4 * math.pi * SPEED_OF_SOUND / (room_m.prod() * per_s))  # root of images per arrival
    return places, rng.choice([-1.0, 1.0], n) * thinned * np.exp(-loss * walls)


def loss_for(rt60_s: float, room_m: np.ndarray) -> float:
    """The loss per wall that gives a room its reverberation time (T30), `responses` takes it.

    Energy from a direction falls as exp(-2 loss k t) with k walls per second on the way; summed over all directions
    this is the decay of image sources (Lehmann & Johansson, 2008), flutter along the long side included, which
    Sabine's formula leaves out: with it rooms of 0.5 s come out at up to 0.6 s. It depends on loss and time by their
    product alone, so the time for a loss of one tells all.
    """
    walls_per_s = SPEED_OF_SOUND * (np.abs(directions()) / room_m).sum(axis=1)
    time = np.linspace(0, 40 / walls_per_s.mean(), 500)
    left = (np.exp(-2 * walls_per_s[:, None] * time) / walls_per_s[:, None]).mean(axis=0)
    level = 10 * np.log10(left / left[0])
    fitted = (level <= -5) & (level >= -35)
    return float(-60 / np.polyfit(time[fitted], level[fitted], 1)[0]) / rt60_s


@lru_cache
def directions() -> np.ndarray:
    """Unit vectors spread evenly over the sphere along a golden spiral, `[n, 3]`."""
    n = np.arange(DIRECTIONS) + 0.5
    z, turn = 1 - 2 * n / DIRECTIONS, math.pi * (1 + math.sqrt(5)) * n
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


def pyroomacoustics() -> Any:
    """The package, which only simulation needs."""
    try:
        import pyroomacoustics as package
    except ImportError as error:
        raise EdgeError(
            "rooms are simulated with pyroomacoustics, which is not here: pip install 'edge-sdk[train]'"
        ) from error
    return package

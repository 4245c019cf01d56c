"""Noises that nobody recorded, as different from one another as formulas allow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import fft
from scipy.signal import lfilter

TABLE = 2048  # samples of one period


def synthetic_noise(rng: np.random.Generator, samples: int, sample_rate: int) -> tuple[np.ndarray, str]:
    """A random noise `[n]` float32 at no particular level, and its kind."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    return kind(rng, samples, sample_rate).astype(np.float32, copy=False), kind.__name__


def coloured(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Gaussian noise whose spectrum falls by 0 to 9 dB per octave, or rises by up to 3."""
    bins = samples // 2 + 1
    spectrum = rng.standard_normal((bins, 2), dtype=np.float32).view(np.complex64)[:, 0]
    slope = rng.uniform(-0.5, 1.5)  # power as frequency to the -2 slope: -0.5 blue, 0 white, 0.5 pink, 1 brown
    octaves = np.log2(np.arange(bins, dtype=np.float32) + samples * 50 / sample_rate)  # flat below 50 Hz
    return fft.irfft(spectrum * np.exp2(np.float32(-slope) * (octaves - octaves[-1])), samples)


def modulated(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Coloured noise that swells and fades 0.3 to 12 times a second, regularly (engines, waves) or not (wind)."""
    rate_hz, depth = math.exp(rng.uniform(math.log(0.3), math.log(12))), rng.uniform(0.5, 1.0)
    if rng.random() < 0.5:
        swell = 0.5 + 0.5 * regular(rng, samples, rate_hz / sample_rate) ** int(rng.choice([1, 3, 9]))
    else:
        points = max(3, math.ceil(2 * rate_hz * samples / sample_rate) + 1)
        swell = np.interp(np.linspace(0, points - 1, samples), np.arange(points), rng.random(points))
    return coloured(rng, samples, sample_rate) * (1 - depth + depth * swell)


def resonances(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Noise in one to six bands, some as narrow as a tone: rails, fans, a whistling wind, water in a pipe."""
    bins = samples // 2 + 1
    hz = np.arange(bins, dtype=np.float32) * np.float32(sample_rate / samples)
    shape = np.full(bins, 10 ** (rng.uniform(-50, -20) / 20), np.float32)
    for _ in range(int(rng.integers(1, 7))):
        centre = math.exp(rng.uniform(math.log(80), math.log(0.45 * sample_rate)))
        half_width = centre * math.exp(rng.uniform(math.log(0.001), math.log(0.2)))
        strength = 10 ** (rng.uniform(-15, 0) / 20) * math.sqrt(80 / half_width)  # narrow bands as strong as wide ones
        shape += np.float32(strength) / np.sqrt(1 + np.square((hz - np.float32(centre)) / np.float32(half_width)))
    spectrum = rng.standard_normal((bins, 2), dtype=np.float32).view(np.complex64)[:, 0]
    return fft.irfft(spectrum * shape, samples)


def trills(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Crickets, cicadas, birds, a telephone: one to three high tones that pulse many times a second, in bursts."""
    total = np.zeros(samples, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        knots = max(3, math.ceil(rng.uniform(1, 20) * samples / sample_rate))
        bend = rng.uniform(0, 0.02) * rng.uniform(-1, 1, knots)
        centre = math.exp(rng.uniform(math.log(1200), math.log(0.47 * sample_rate)))
        pitch = centre / sample_rate * (1 + np.interp(np.linspace(0, knots - 1, samples), np.arange(knots), bend))
        pulses = 0.5 + 0.5 * regular(rng, samples, rng.uniform(8, 120) / sample_rate)
        bursts = 0.5 + 0.5 * regular(rng, samples, rng.uniform(0.3, 4) / sample_rate)
        gate = np.clip((bursts - rng.uniform(-0.3, 0.8)) * rng.uniform(5, 50), 0, 1)  # some never pause
        strength = 10 ** (rng.uniform(-15, 0) / 20)
        total += strength * wave(pitch, rng.random(), sine_table()) * pulses ** rng.uniform(0.3, 3) * gate
    return total + 10 ** (rng.uniform(-60, -25) / 20) * rng.standard_normal(samples, dtype=np.float32)


def hum(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """The mains or a motor: a fundamental that wanders a little, with up to 40 harmonics of random strength."""
    mains = rng.random() < 0.6
    fundamental = rng.choice([50.0, 60.0]) if mains else math.exp(rng.uniform(math.log(25), math.log(400)))
    count = max(1, int(min(rng.integers(3, 41), 0.45 * sample_rate / fundamental)))
    harmonics = np.zeros(TABLE // 2 + 1, np.complex64)
    strength = np.arange(1, count + 1) ** -rng.uniform(0.3, 2.0) * 10 ** (rng.uniform(-12, 12, count) / 20)
    harmonics[1 : count + 1] = strength * np.exp(2j * np.pi * rng.random(count))
    wander = rng.uniform(0, 0.002 if mains else 0.05)
    knots = 1 + wander * rng.uniform(-1, 1, 5)
    pitch = fundamental / sample_rate * np.interp(np.linspace(0, 4, samples), np.arange(5), knots)
    return wave(pitch, rng.random(), fft.irfft(harmonics, TABLE))


def clicks(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Impulses that ring, 1 to 40 a second: keys, dishes, rain, a bad contact."""
    count = max(1, round(math.exp(rng.uniform(0, math.log(40))) * samples / sample_rate))
    impulses = np.zeros(samples, np.float32)
    impulses[rng.integers(samples, size=count)] = rng.choice([-1.0, 1.0], count) * 10 ** (
        rng.uniform(-20, 0, count) / 20
    )
    ring_s = math.exp(rng.uniform(math.log(3e-4), math.log(0.03)))
    pole = math.exp(-1 / (ring_s * sample_rate))
    angle = 2 * math.pi * rng.uniform(200, 0.4 * sample_rate) / sample_rate
    return lfilter([1.0, -1.0], [1.0, -2 * pole * math.cos(angle), pole * pole], impulses)


def tones(rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    """Beeps, chirps, sirens and ringing: a tone that jumps, glides or stays, with pauses or without."""
    top = 0.4 * sample_rate
    events = max(1, round(rng.uniform(0.5, 8) * samples / sample_rate))
    knots = np.exp(rng.uniform(math.log(150), math.log(top), events + 1))
    if rng.random() < 0.4:  # two notes that alternate
        knots = np.where(np.arange(events + 1) % 2, knots[0], knots[-1])
    place = np.linspace(0, events, samples, endpoint=False)
    glides = rng.random() < 0.5
    pitch = np.interp(place, np.arange(events + 1), knots) if glides else knots[place.astype(int)]
    harmonics = np.zeros(TABLE // 2 + 1, np.complex64)
    count = max(1, min(int(rng.integers(1, 6)), int(0.49 * sample_rate / pitch.max())))
    harmonics[1 : count + 1] = rng.random(count) * np.exp(2j * np.pi * rng.random(count))
    tone = wave(pitch / sample_rate, rng.random(), fft.irfft(harmonics, TABLE))
    if rng.random() < 0.6:
        # Ramps of 3 ms or more, so that a beep has no click of its own.
        share, ramp = rng.uniform(0.2, 0.9), max(0.003 * sample_rate * events / samples, 0.02)
        tone = tone * np.clip(np.minimum(place % 1, share - place % 1) / ramp, 0, 1)
    return tone


def wave(cycles: np.ndarray, phase: float, table: np.ndarray) -> np.ndarray:
    """A period `[TABLE]` read at so many cycles per sample, `[n]`; the nearest entry is within -60 dB of a sine."""
    turns = np.cumsum(cycles) + phase
    return table[((turns - np.floor(turns)) * len(table)).astype(np.int64) % len(table)]


def regular(rng: np.random.Generator, samples: int, cycles: float) -> np.ndarray:
    """A sine of so many cycles per sample from a random phase on, `[n]`."""
    return wave(np.full(samples, cycles), rng.random(), sine_table())


def sine_table() -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(TABLE) / TABLE)


Kind = Callable[[np.random.Generator, int, int], np.ndarray]
KINDS: tuple[Kind, ...] = (coloured, modulated, resonances, hum, clicks, tones, trills)

"""A small corpus: harmonic voices and coloured noises, written as the formats that training reads."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 8000


def voice(seed: int, seconds: float = 2.5) -> np.ndarray:
    """A gliding harmonic tone with pauses, as different from noise as speech is."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = rng.uniform(100, 250) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tones = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 9))
    return (0.1 * tones * (np.sin(2 * np.pi * rng.uniform(1, 3) * time) > -0.5)).astype(np.float32)


def write_corpus(root: Path) -> Path:
    """Four speakers in `speech`, two others in `dev/speech`, and noises in `noise`."""
    for speaker in range(6):
        folder = root / ("speech" if speaker < 4 else "dev/speech") / f"speaker{speaker}"
        folder.mkdir(parents=True)
        for take, suffix in enumerate(("wav", "flac")):
            soundfile.write(folder / f"take{take}.{suffix}", voice(10 * speaker + take), RATE)
    (root / "noise").mkdir()
    for n in range(3):
        rng = np.random.default_rng(100 + n)
        soundfile.write(root / "noise" / f"noise{n}.wav", 0.1 * rng.standard_normal(3 * RATE).astype(np.float32), RATE)
    return root


RECIPE = """
name = "tiny"
seed = 3
[network]
architecture = "tasnet"
sources = {sources}
sample_rate = 8000
[network.filterbank]
window = 32
hop = 16
filters = 32
[network.separator]
bottleneck = 16
hidden = 24
skip = 16
blocks = 3
repeats = 1
[data]
speech = ["speech"]
noise = ["noise"]
[mix]
seconds = 0.5
sources = {sources}
babble_talkers = 2
[fit]
steps = {steps}
batch = 4
learning_rate = 3e-3
warmup = 5
workers = {workers}
checkpoint_every = 5
dev_every = 10
[fit.loss]
spectral_weight = 0.0
[dev]
count = 3
[dev.data]
speech = ["dev/speech"]
noise = ["noise"]
[dev.mix]
seconds = 0.5
sources = {sources}
babble = 0.0
"""


def write_recipe(path: Path, steps: int = 20, sources: int = 1, workers: int = 0) -> Path:
    path.write_text(RECIPE.format(steps=steps, sources=sources, workers=workers))
    return path


def edit(path: Path, old: str, new: str) -> None:
    """Change the first place where a recipe says `old`, which it must."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

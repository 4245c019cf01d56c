"""Run the shipped models on one interpreter and keep what comes out.

usage: run_backend.py BACKEND OUT.npz

`make test-backends` runs it in one environment per backend, each with that interpreter alone.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from edge_sdk import Separator

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("enhance-mono", "enhance-mono-float32")
# Name of the backend, and the package that must be the only interpreter in its environment.
PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime", "tensorflow": "tensorflow"}
# Any n is allowed; a prime shares no factor with a hop, so block edges fall everywhere.
BLOCK = 997


def example_mixture() -> tuple[np.ndarray, int]:
    """All recordings of examples/audio added up, `[n]`, and their rate."""
    paths = sorted((ROOT / "examples" / "audio").glob("*.flac"))
    if not paths:
        sys.exit(f"no .flac in {ROOT / 'examples' / 'audio'}")
    read = [soundfile.read(path, dtype="float32", always_2d=True) for path in paths]
    rates = {rate for _, rate in read}
    if len(rates) != 1:
        sys.exit(f"recordings of examples/audio differ in rate: {sorted(rates)} Hz; keep them at one")
    samples = min(len(audio) for audio, _ in read)
    mixture = np.sum([audio[:samples, 0] for audio, _ in read], axis=0, dtype=np.float32)
    return np.asarray(mixture * (0.5 / np.abs(mixture).max()), dtype=np.float32), int(rates.pop())


def main(backend: str, out: Path) -> int:
    present = {name for name, package in PACKAGES.items() if find_spec(package)}
    if present != {backend}:
        sys.exit(f"this environment has {sorted(present) or 'no interpreter'}, expected {backend} alone")
    mixture, rate_hz = example_mixture()
    outputs: dict[str, Any] = {"mixture": mixture[None]}
    for name in MODELS:
        separator = Separator.open(name, backend=backend)
        if separator.sample_rate != rate_hz:
            sys.exit(f"{name} runs at {separator.sample_rate} Hz, the recordings have {rate_hz} Hz")
        x = np.repeat(mixture[None], separator.mics, axis=0)
        blocks = [separator.process(x[:, start : start + BLOCK]) for start in range(0, x.shape[1], BLOCK)]
        outputs[name] = np.concatenate([*blocks, separator.flush()], axis=1)
    np.savez(out, **outputs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))

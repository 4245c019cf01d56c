"""Check that every interpreter gave the output of the first one.

usage: compare_backends.py REFERENCE.npz OTHER.npz ...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

# Float kernels differ in the order of their sums alone; 80 dB is also the floor of the export's parity gate.
FLOAT_FLOOR_DB = 80.0
# Dynamic int8 rounds every activation to 8 bit. Where two kernels differ in the last bit of a float, the rounding may
# fall the other way, and a step of 1/127 enters the state.
# Measured for enhance-mono on this mixture: 52.2 dB (tflite-runtime) and 53.5 dB (TensorFlow) from ai-edge-litert,
# where int8 itself is 43 dB from float32 (x86-64, make test-backends, 2026-11-21). 6 dB are left for other processors.
INT8_FLOOR_DB = 46.0


def sdr_db(reference: np.ndarray, y: np.ndarray) -> float:
    """Signal-to-distortion ratio in dB over all sources, infinite when equal."""
    distortion = float(np.sum(np.square(reference - y, dtype=np.float64)))
    signal = float(np.sum(np.square(reference, dtype=np.float64)))
    return float("inf") if distortion == 0 else 10 * np.log10(signal / distortion)


def difference(model: str, reference: np.ndarray, y: np.ndarray) -> tuple[bool, str]:
    """Whether two outputs `[sources, n]` of a model are equal, and how near they are."""
    if reference.shape != y.shape:
        return False, f"shape {y.shape}, expected {reference.shape}"
    floor_db = FLOAT_FLOOR_DB if model.endswith("-float32") else INT8_FLOOR_DB
    near_db = sdr_db(reference, y)
    return bool(near_db >= floor_db), f"{near_db:.1f} dB, floor {floor_db:.0f} dB"


def main(paths: list[Path]) -> int:
    outputs = {path.stem: dict(np.load(path)) for path in paths}
    first, *others = outputs
    if not others:
        sys.exit("usage: compare_backends.py REFERENCE.npz OTHER.npz ...")
    passed = failed = 0
    for model, reference in outputs[first].items():
        if not np.isfinite(reference).all() or not reference.any():
            failed += 1
            print(f"FAILED  {model} on {first}: silent or not finite")
            continue
        for other in others:
            # "mixture" is the input: it must be the same to the last bit, or the rest compares nothing.
            if model == "mixture":
                equal, near = np.array_equal(reference, outputs[other][model]), "the input, bit for bit"
            else:
                equal, near = difference(model, reference, outputs[other][model])
            passed, failed = passed + equal, failed + (not equal)
            print(f"{'ok    ' if equal else 'FAILED'}  {model}: {other} against {first} ({near})")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main([Path(arg) for arg in sys.argv[1:]]))

"""What a board does with its package: check a signed bundle, install it, and run every shipped model on a clip.

usage: on_board.py BACKEND BUNDLE TRUST OUT.npz

Run by `run.py` under emulation, and once on this machine for comparison. It needs the device package alone.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

import edge_sdk
from edge_sdk import Separator
from edge_sdk.cli import main as command
from edge_sdk.library import shipped_models

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from run_backend import BLOCK, example_mixture

SECONDS = 2.0  # of the mixture, because emulation is slow


def said(*words: object) -> tuple[int, str]:
    """Exit status of an `edge-sdk` command, and what it complained of."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as complaint:
        return command([str(word) for word in words]), complaint.getvalue()


def check_signatures(bundle: Path, trust: Path, folder: Path) -> None:
    """A signed bundle is taken, and one with a changed bit is not."""
    assert said("verify", bundle, "--trust", trust) == (0, "")
    changed = bytearray(bundle.read_bytes())
    changed[len(changed) // 2] ^= 1
    (folder / "changed.edge").write_bytes(changed)
    status, complaint = said("verify", folder / "changed.edge", "--trust", trust)
    assert status == 1 and "damaged" in complaint, complaint


def check_install(bundle: Path, trust: Path, folder: Path) -> None:
    """It is verified, tried in a process of its own, and installed."""
    slots = folder / "slots"
    slots.mkdir(mode=0o755)
    assert said("install", bundle, "--slots", slots, "--trust", trust) == (0, "")
    assert said("confirm", "--slots", slots) == (0, "")


def outputs(backend: str) -> dict[str, Any]:
    """What every shipped model makes of the mixture, `[sources, n]`, and the mixture itself."""
    mixture, rate_hz = example_mixture()
    mixture = mixture[: int(SECONDS * rate_hz)]
    found: dict[str, Any] = {"mixture": mixture[None]}
    for name in shipped_models():
        separator = Separator.open(name, backend=backend)
        x = np.repeat(mixture[None], separator.mics, axis=0)
        blocks = [separator.process(x[:, start : start + BLOCK]) for start in range(0, x.shape[1], BLOCK)]
        found[name] = np.concatenate([*blocks, separator.flush()], axis=1)
    return found


def main(backend: str, bundle: Path, trust: Path, out: Path) -> int:
    print(f"{platform.machine()}: {edge_sdk.__file__}, NumPy {np.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        check_signatures(bundle, trust, Path(folder))
        print("signatures are checked", flush=True)
        check_install(bundle, trust, Path(folder))
        print("a bundle is installed", flush=True)
    np.savez(out, **outputs(backend))
    print(f"ran {', '.join(shipped_models())}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(Path, sys.argv[2:])))

"""Run the device package in emulated ARM user spaces and compare what comes out with this machine.

usage: run.py [NAME ...]    of aarch64 and armv7l; both by default

`make test-arm` runs it. Emulated times say nothing about boards, so none is shown but how long this takes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from roots import MACHINES, Arm, install_wheels, make_root, missing_programs, write_python

from edge_sdk.library import find_model
from firmware_bridge.bundle import sign_bundle
from firmware_bridge.provision_wheels import pack_ours
from tests.edge_sdk.signing import RELEASE, ROOT, key, trust, trust_file

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[2]
FOLDER = CHECKOUT / "build" / "arm"
MODEL = "enhance-mono"


def built_wheel(folder: Path) -> Path:
    """This distribution, as provisioning builds it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pack_ours(folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def signed_bundle(folder: Path) -> tuple[Path, Path]:
    """A shipped model signed with a test key, and the trust file that names it."""
    bundle, trusted = folder / "signed.edge", folder / "trust.json"
    sign_bundle(find_model(MODEL), bundle, [key(RELEASE)])
    trusted.write_bytes(trust_file(trust(), ROOT))
    return bundle, trusted


def on_board(python: Path | str, runtime: str, name: str) -> Path:
    """What the models gave there, after all checks have passed."""
    out = FOLDER / f"{name}.npz"
    words = [python, HERE / "on_board.py", runtime, *signed_bundle(FOLDER), out]
    if status := subprocess.run([str(word) for word in words], cwd=FOLDER).returncode:
        sys.exit(f"{name}: on_board.py ends with {status}")
    return out


def main(names: list[str]) -> int:
    machines: list[Arm] = [arm for arm in MACHINES if not names or arm.name in names]
    if unknown := set(names) - {arm.name for arm in MACHINES}:
        sys.exit(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(arm.name for arm in MACHINES)}")
    if missing := missing_programs():
        sys.exit(f"needs {', '.join(missing)}; on Debian: apt-get install {' '.join(missing)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = [on_board(sys.executable, "ai-edge-litert", "here")]
    wheel = built_wheel(FOLDER / "dist")
    for arm in machines:
        start, folder = time.monotonic(), FOLDER / arm.name
        make_root(arm, folder)
        install_wheels(arm, folder, wheel)
        print(f"{arm.name}: installed in {time.monotonic() - start:.0f} s", flush=True)
        found.append(on_board(write_python(arm, folder), arm.runtime, arm.name))
        print(f"{arm.name}: {time.monotonic() - start:.0f} s in all", flush=True)
    return subprocess.run([sys.executable, str(HERE.parent / "compare_backends.py"), *map(str, found)]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The wheels for a board, gathered on this machine, so that the board needs no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.provision import ProvisionError, Target

SOURCE = Path(__file__).resolve().parent.parent  # of a checkout
PARTS = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "edge_sdk", "firmware_bridge", "models", "quantization")
OURS = "edge_sdk-"
OLDEST_MANYLINUX = 17  # of glibc 2
SAME_TIMES = {"SOURCE_DATE_EPOCH": "315532800"}  # 1980, as early as zip can: the same sources make the same wheel
ALSA = "pyalsaaudio>=0.11"  # older ones hide that samples were lost; PyPI has its source alone, which setuptools builds
FAST_CHECKS = "cryptography>=42"  # signatures are checked without it, too


def pip(*words: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *words]


def gather(target: Target, runtime: str, folder: Path) -> list[Path]:
    """What a board needs, in a folder. What is from others stays there from the first time on, ours is made anew."""
    if not (SOURCE / "pyproject.toml").exists():
        raise ProvisionError("this edge-sdk is not a checkout, it cannot be packed for a board; give --wheels DIR")
    if not folder.exists():
        aside = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        pack_ours(aside)
        for command in downloads(target, runtime, aside):
            run_here(command, folder)
        aside.rename(folder)
    else:
        for old in folder.glob(f"{OURS}*.whl"):
            old.unlink()
        pack_ours(folder)
    return wheels_in(folder)


def pack_ours(folder: Path) -> None:
    """Put the wheel of this checkout there; made from a copy, because setuptools leaves and reuses a folder `build`."""
    with tempfile.TemporaryDirectory() as name:
        for part in PARTS:
            if (SOURCE / part).is_dir():
                shutil.copytree(SOURCE / part, Path(name, part), ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(SOURCE / part, name)
        run_here(pip("wheel", "--no-deps", "-w", str(folder), name), folder)


def downloads(target: Target, runtime: str, folder: Path) -> list[list[str]]:
    """What fills a folder that our wheel is in: pip, asked for another machine than this one."""
    there = ["--only-binary=:all:", "--implementation=cp", "--python-version={}.{}".format(*target.python)]
    there += [f"--platform=manylinux_2_{minor}_{target.cpu}" for minor in range(OLDEST_MANYLINUX, target.glibc[1] + 1)]
    there += [f"--platform=manylinux2014_{target.cpu}"]
    if runtime == "tflite-runtime":  # what it needs comes from the distribution
        wanted = ["--no-deps", "tflite-runtime==2.14.0"]
    else:
        wanted = [*(f"{wheel}[device]" for wheel in folder.glob(f"{OURS}*.whl")), FAST_CHECKS]
    wanted += ["setuptools"]
    if target.python < (3, 11):  # pip takes "python_version < '3.11'" for a question about this machine
        wanted += ["tomli>=2"]
    into = ["-d", str(folder)]
    return [
        pip("download", *into, *there, *wanted),
        pip("download", *into, "--no-deps", "--no-binary=:all:", ALSA),
    ]


def run_here(command: Sequence[str], folder: Path) -> None:
    """Run pip; `ProvisionError` where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **SAME_TIMES})
    if done.returncode:
        why = (re.findall("ERROR: (.*)", done.stderr) or ["pip failed"])[-1]
        raise ProvisionError(f"{folder}: {why}; gather the wheels yourself and give them with --wheels DIR")


def wheels_in(folder: Path) -> list[Path]:
    """All that is to be installed, each package once, ours last."""
    files = [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]
    found = sorted(files, key=lambda path: (path.name.startswith(OURS), path.name))
    names = [re.split(r"-\d", path.name)[0].lower().replace("-", "_") for path in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ProvisionError(f"{folder}: holds more than one {twice[0]}; leave one of them there")
    if not found or not found[-1].name.startswith(OURS):
        raise ProvisionError(f"{folder}: holds no {OURS}*.whl; make one: pip wheel --no-deps CHECKOUT -w {folder}")
    return found

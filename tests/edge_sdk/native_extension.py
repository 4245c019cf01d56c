"""The C extension, built from the sources of this tree, whether or not one is installed."""

import os
import shutil
import subprocess
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).parents[2] / "native"
FLAGS = ("-std=c11", "-O3", "-fvisibility=hidden", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")


def build(folder: Path) -> Path:
    """The compiled module in that folder; skips where there is no compiler. More flags: EDGE_SDK_NATIVE_CFLAGS."""
    compiler, include = shutil.which("cc"), sysconfig.get_path("include")
    if compiler is None or not Path(include, "Python.h").exists():
        pytest.skip("no C compiler, or no headers of this Python (apt-get install build-essential python3-dev)")
    path = folder / f"edge_sdk_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    more = os.environ.get("EDGE_SDK_NATIVE_CFLAGS", "").split()
    command = [compiler, *FLAGS, *more, f"-I{include}", *sorted(map(str, SOURCES.glob("*.c"))), "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


def load(path: Path) -> Any:
    """The module in a file."""
    spec = spec_from_file_location("edge_sdk_native", path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

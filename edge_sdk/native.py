"""The optional C extension, `pip install ./native`: found, checked, and set up for a model.

It computes what `edge_sdk.blocks.NumpyBlocks` does, in one call per block. Where caches are cold, as between the blocks
of a live stream, the interpreter's bytecode and NumPy's dispatch cost more than the arithmetic of a small block.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from edge_sdk.audio.levels import LOUDEST

if TYPE_CHECKING:
    from edge_sdk.contract import Manifest
    from edge_sdk.interpreter import StepInterpreter
    from edge_sdk.windows import Windows

log = logging.getLogger(__name__)
MODULE, SWITCH = "edge_sdk_native", "EDGE_SDK_NATIVE"
INTERFACE = 1  # that of native/module.c
INSTALL = "pip install --force-reinstall ./native"


@dataclass(frozen=True)
class Found:
    """module: the extension, None where NumPy takes its place; why: empty where it is used. refused: it is installed,
    but cannot be used."""

    module: Any = None
    why: str = ""
    refused: bool = False


def found() -> Found:
    """The extension, if it is to be used: `EDGE_SDK_NATIVE=0` switches it off, for streams that open from then on."""
    if os.environ.get(SWITCH) == "0":
        return Found(why=f"switched off by {SWITCH}=0")
    return installed()


@cache
def installed() -> Found:
    """The extension as it is installed; one that does not fit is refused, with one line in the log."""
    if find_spec(MODULE) is None:
        return Found(why="not installed")
    try:
        module = import_module(MODULE)
    except (ImportError, OSError, SystemError) as error:
        return refuse(f"it does not load ({' '.join(str(error).split())})")
    interface = getattr(module, "INTERFACE", None)
    if interface != INTERFACE:
        return refuse(f"it has interface {interface}, expected {INTERFACE}")
    return Found(module)


def refuse(why: str) -> Found:
    log.warning("%s: %s; NumPy goes on without it; %s from the same edge-sdk", MODULE, why, INSTALL)
    return Found(why=why, refused=True)


def blocks_for(extension: Any, m: Manifest, interpreter: StepInterpreter, windows: Windows) -> Any:
    """The `edge_sdk.blocks.Blocks` of the extension for a model. Its rings' memory is the interpreter's."""
    rings = tuple((ring.memory, taps, rows, ring.reads, ring.writes) for ring, taps, rows in interpreter.delays)
    carries = tuple(interpreter.carries)
    return extension.Blocks(windows.model, windows.frames, windows.windows, m.hop, rings, carries, LOUDEST)

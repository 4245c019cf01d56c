"""External delegates of TFLite: shared libraries that take over a part of a graph.

The interface is `tflite_plugin_create_delegate` and `tflite_plugin_destroy_delegate`, as in TensorFlow's
`delegates/external`; makers of accelerators hand out such libraries (`libvx_delegate.so`, `libedgetpu.so.1`).
"""

from __future__ import annotations

import ctypes
from typing import Any

from edge_sdk.accelerators.accelerator import Accelerator
from edge_sdk.errors import BackendError

ENTRIES = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")


def load_delegate(interpreters: Any, accelerator: Accelerator) -> Any:
    """The delegate, as the `Interpreter` of that module takes it. `BackendError` says what the library is not."""
    library = accelerator.library
    try:
        loaded = ctypes.CDLL(library)
    except OSError as error:
        raise BackendError(f"{error}; give --delegate the path of a delegate library for this machine") from error
    if missing := [entry for entry in ENTRIES if not hasattr(loaded, entry)]:
        raise BackendError(f"{library} is no TFLite delegate (it has no {missing[0]}); give --delegate one")
    try:
        return interpreters.load_delegate(library, dict(accelerator.options))
    except ValueError as error:
        why = " ".join(str(error).partition("\n")[2].split()) or "without a reason"
        raise BackendError(f"{library} refuses ({why}); see --delegate-option") from error

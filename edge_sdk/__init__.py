"""Neural speech separation, one block at a time, on small boards.

    from edge_sdk import Separator
    separator = Separator.open("enhance-mono")

Names are loaded when they are first used, so that importing this package costs neither NumPy nor an interpreter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_sdk.contract import Bundle, Manifest, read_bundle
    from edge_sdk.errors import AudioError, BackendError, BundleError, EdgeError, ManifestError
    from edge_sdk.library import find_model, shipped_models
    from edge_sdk.separator import Separator

__all__ = [
    "AudioError",
    "BackendError",
    "Bundle",
    "BundleError",
    "EdgeError",
    "Manifest",
    "ManifestError",
    "Separator",
    "find_model",
    "read_bundle",
    "shipped_models",
]

HOME = {
    **dict.fromkeys(("Bundle", "Manifest", "read_bundle"), "edge_sdk.contract"),
    **dict.fromkeys(("AudioError", "BackendError", "BundleError", "EdgeError", "ManifestError"), "edge_sdk.errors"),
    **dict.fromkeys(("find_model", "shipped_models"), "edge_sdk.library"),
    "Separator": "edge_sdk.separator",
}


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(HOME[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""What `quantization` adds to the `edge-sdk` command, listed where the packages it needs are installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    if any(find_spec(package) is None for package in ("torch", "safetensors", "soundfile", "soxr", "rich")):
        return
    from quantization.commands import card, compare, compress, evaluate, export, prune, qat, report, sensitivity

    evaluate.register(commands)
    card.register(commands)
    prune.register(commands)
    if find_spec("litert_torch") is not None and find_spec("ai_edge_quantizer") is not None:
        export.register(commands)
        compare.register(commands)
        compress.register(commands)
        qat.register(commands)
        sensitivity.register(commands)
        report.register(commands)

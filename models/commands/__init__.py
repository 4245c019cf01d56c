"""What `models` adds to the `edge-sdk` command: one module per subcommand, listed where its packages are installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""
    if find_spec("torch") is None or find_spec("safetensors") is None:
        return
    from models.commands import import_, presets, simulate, train

    import_.register(commands)
    presets.register(commands)
    simulate.register(commands)
    train.register(commands)

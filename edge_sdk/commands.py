"""Subcommands of this package."""

from __future__ import annotations

from typing import Any


def register(commands: Any) -> None:
    """Add the commands that this installation can run."""

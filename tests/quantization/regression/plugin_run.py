"""How a test run of a user's repository gets the plugin."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

MODULE = "quantization.regression.plugin"


def plugin_options() -> list[str]:
    """None where the plugin is installed, for then pytest finds it by its entry point."""
    installed = any(point.value == MODULE for point in entry_points(group="pytest11"))
    return [] if installed else ["-p", MODULE]


def run(repository: pytest.Pytester, *words: str) -> pytest.RunResult:
    return repository.runpytest_inprocess("-p", MODULE, "-p", "no:cacheprovider", *words)

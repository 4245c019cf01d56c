"""Importing the package costs little and pulls nothing that a board may not have."""

import subprocess
import sys

import pytest

import edge_sdk

HEAVY = {"numpy", "torch", "ai_edge_litert", "tflite_runtime", "tensorflow", "soundfile", "soxr", "litert_torch"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after the statement."""
    script = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import edge_sdk",
        "import edge_sdk.contract, edge_sdk.errors, edge_sdk.library",
        "from edge_sdk import EdgeError, Manifest, find_model, read_bundle",
        "import firmware_bridge.bundle, firmware_bridge.commands",
        "import edge_sdk.commands, edge_sdk.cli",
        "from edge_sdk.cli import parser; parser()",
    ],
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_a_separator_needs_numpy_but_no_interpreter_until_it_is_opened() -> None:
    assert loaded_by("from edge_sdk import Separator") & HEAVY == {"numpy"}


def test_every_public_name_is_there() -> None:
    for name in edge_sdk.__all__:
        assert getattr(edge_sdk, name).__name__ == name
        assert name in dir(edge_sdk)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Seperator'"):
        edge_sdk.Seperator  # noqa: B018

"""Fixtures of the tests of `edge_sdk`: commands as somebody types them, and the C extension beside NumPy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk import native
from edge_sdk.audio.wav import write_wav
from edge_sdk.cli import main
from tests.edge_sdk.native_extension import build, load

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output and standard error of a command, what native libraries print included."""

    def run_command(*args: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return code, out, err

    return run_command


@pytest.fixture(params=["tiny", "carry"])
def model(request: pytest.FixtureRequest, exported_bundle: Callable[[str], Path]) -> Path:
    return exported_bundle(request.param)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    x = 0.1 * np.random.default_rng(0).standard_normal((1, 20_000))
    write_wav(tmp_path / "talk.wav", x.astype(np.float32), 16_000, "FLOAT")
    return tmp_path / "talk.wav"


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Built from this tree."""
    return load(build(tmp_path_factory.mktemp("native")))


@pytest.fixture(params=["NumPy", "C"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that open in the test compute blocks with NumPy, and once more in C."""
    module = None if request.param == "NumPy" else request.getfixturevalue("extension")
    monkeypatch.setattr(native, "found", lambda: native.Found(module))


def one_line(code: int, out: str, err: str) -> str:
    assert code == 1 and not out and err.count("\n") == 1 and err.startswith("edge-sdk: ")
    return err

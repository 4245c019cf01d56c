"""The C extension for the tests that compare it with NumPy."""

from typing import Any

import pytest

from edge_sdk import native
from tests.edge_sdk.native_extension import build, load


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Built from this tree."""
    return load(build(tmp_path_factory.mktemp("native")))


@pytest.fixture(params=["NumPy", "C"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that open in the test compute blocks with NumPy, and once more in C."""
    module = None if request.param == "NumPy" else request.getfixturevalue("extension")
    monkeypatch.setattr(native, "found", lambda: native.Found(module))

"""The C extension is used where it is installed and fits; where not, one line says so and NumPy goes on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_sdk import native
from tests.edge_sdk.native_extension import SOURCES


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As in a process that has not looked for the extension yet."""
    native.installed.cache_clear()
    monkeypatch.delenv(native.SWITCH, raising=False)
    monkeypatch.delitem(sys.modules, native.MODULE, raising=False)
    yield
    native.installed.cache_clear()
    sys.modules.pop(native.MODULE, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("INTERFACE = 2", "it has interface 2, expected 1"),
        ("", "it has interface None, expected 1"),
        ("raise ImportError('undefined symbol:\\n_Py_NoOne')", "it does not load (undefined symbol: _Py_NoOne)"),
    ],
)
def test_an_extension_that_does_not_fit_is_refused_in_one_line(
    fresh: Any, tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{native.MODULE}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        assert native.found() == native.Found(why=said, refused=True)
    (record,) = caplog.records
    assert said in record.message and "NumPy goes on without it" in record.message and "\n" not in record.message


def test_a_file_that_is_no_extension_is_refused(
    fresh: Any, extension: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / Path(extension.__file__).name).write_bytes(b"\x7fELF" + bytes(100))
    monkeypatch.syspath_prepend(tmp_path)
    assert native.found().refused


def test_the_extension_is_used_where_it_is_installed_unless_it_is_switched_off(extension: Any) -> None:
    """In a process of its own, which finds it as an installed one is found."""
    script = "from edge_sdk import Separator; print(type(Separator.open('enhance-mono')._blocks).__module__)"
    for switch, expected in (("", "edge_sdk_native"), ("0", "edge_sdk.blocks")):
        environment = {**os.environ, "PYTHONPATH": str(Path(extension.__file__).parent), native.SWITCH: switch}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.stdout.strip() == expected, done.stderr


def test_the_interface_that_is_asked_for_is_that_of_the_sources(extension: Any) -> None:
    assert extension.INTERFACE == native.INTERFACE


def test_the_package_holds_all_sources() -> None:
    about = (SOURCES / "pyproject.toml").read_text() + (SOURCES / "MANIFEST.in").read_text()
    for path in (*SOURCES.glob("*.c"), *SOURCES.glob("*.h")):
        assert path.name in about

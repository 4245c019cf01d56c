"""A repository may have packages of the names of ours: one line says which of the two is in the way, and of whom."""

import sys
from pathlib import Path

import pytest

from quantization.regression.names import OURS, hidden, hiding
from tests.quantization.regression.plugin_run import MODULE

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("name", ["models", "quantization"])
def test_a_package_of_theirs_that_is_found_first_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hiding(f"{name}.not_there") == ""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    said = hiding(f"{name}.not_there")
    assert said.startswith(f"{tmp_path / name} hides the package {name} of edge-sdk; ") and "\n" not in said


@pytest.mark.parametrize("missing", ["torch", "models_of_mine.x", "", None])
def test_what_is_not_installed_is_nobodys_fault(missing: str | None) -> None:
    assert hiding(missing) == ""


def test_their_package_that_the_plugin_hides_is_named_and_a_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "quantization").mkdir()
    assert hidden(OURS, tmp_path, tmp_path / "src") == ""
    (tmp_path / "quantization" / "__init__.py").touch()
    assert hidden(tmp_path).startswith(f"{tmp_path / 'quantization'} cannot be imported in this run")


def test_a_run_in_such_a_repository_warns_once(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]")
    pytester.mkpydir("quantization")
    pytester.makepyfile("def test_theirs(): pass")
    found = pytester.runpytest_inprocess("-p", MODULE, "-p", "no:cacheprovider")
    found.assert_outcomes(passed=1, warnings=1)
    found.stdout.fnmatch_lines(["*edge-sdk: */quantization cannot be imported in this run*pytest -p no:edge-sdk*"])

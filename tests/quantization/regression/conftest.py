"""A user's repository with a test of quality: a small network at 16 kHz on six pairs of sound files."""

from __future__ import annotations

from pathlib import Path

import matplotlib.figure  # noqa: F401 - before pytester, which forgets what a run imports first: it would come twice
import pytest

import quantization.regression.clips  # noqa: F401 - for the same reason: SciPy cannot come twice
from models.checkpoint import save_network
from tests.quantization.clips import write_clips
from tests.quantization.networks import network
from tests.quantization.regression.plugin_run import run

TEST = """
from quantization.regression import Budget

def test_quality(assert_within):
    assert_within(Budget(mean_db=0.15, worst_db=0.5))
"""
INI = """[pytest]
edge_sdk_model = model.safetensors
edge_sdk_set = clips
"""


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("set") / "clips")


@pytest.fixture
def repository(pytester: pytest.Pytester, clips: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A repository with a test of quality, a checkpoint and clips."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take seconds
    pytester.makepyfile(test_quality=TEST)
    pytester.path.joinpath("pytest.ini").write_text(INI)
    pytester.path.joinpath("clips").symlink_to(clips)
    save_network(pytester.path / "model.safetensors", network(mask="complex", sources=1, skip=0), {})
    return pytester


@pytest.fixture
def baseline(repository: pytest.Pytester) -> Path:
    """Where the repository's baseline is, just written."""
    run(repository, "--update-baseline").assert_outcomes(passed=1)
    return repository.path / "baselines" / "model.json"

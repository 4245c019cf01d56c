"""What each view tells apart is sorted by how the talkers lie to it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge_sdk.audio.arrays import load_array
from edge_sdk.errors import EdgeError
from models.checkpoint import save_network
from models.data.mixing import MixConfig
from models.data.simulation import simulate_rooms
from models.multichannel import SpatialConfig
from models.recipe import DataConfig, SetConfig
from models.tasnet import TasNet
from tests.models.recordings import RATE, write_corpus
from tests.models.test_views import CONFIG
from tests.test_recipes import DEAD
from tools.measure_views import apart, main, measure


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_corpus(tmp_path_factory.mktemp("recordings"))
    simulate_rooms(root / "rooms", load_array("respeaker-4mic"), DEAD, 2, 0, RATE, workers=0)
    return root


def chosen(rooms: tuple[str, ...] = ("rooms",)) -> SetConfig:
    return SetConfig(DataConfig(("speech",), ("noise",), rooms), MixConfig(seconds=1.0, sources=2, babble=0.0), count=5)


@pytest.mark.parametrize(("azimuths", "expected"), [((180, 0), 2), ((90, -90), 0), ((30, -30), 0), ((90, 180), 1)])
def test_talkers_are_apart_towards_a_microphone_or_not(azimuths: tuple[float, float], expected: float) -> None:
    """The first microphone is at 180 degrees, the second at 90."""
    array = load_array("respeaker-4mic")
    assert apart(list(azimuths), array, 0) == pytest.approx(expected, abs=1e-9)
    turned = [azimuth - 90 for azimuth in azimuths]
    assert apart(turned, array, 1) == pytest.approx(expected, abs=1e-9)


def test_rows_add_up_to_all_mixtures(data: Path, capsys: pytest.CaptureFixture) -> None:
    """An untouched network passes its reference, so that nothing is gained in any view."""
    measure(TasNet(replace(CONFIG, sample_rate=RATE)).eval(), chosen(), data)
    head, *rows, whole = capsys.readouterr().out.splitlines()
    assert head.split() == ["apart", "mixtures", "view", "1", "view", "2", "both"]
    assert sum(int(row.split()[3]) for row in rows) == int(whole.split()[3]) == 5
    assert all(abs(float(gain)) < 0.01 for row in [*rows, whole] for gain in row.split()[4:])


def test_what_has_no_views_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(EdgeError, match="a network of 4 microphones: expected a set with rooms of as many"):
        measure(TasNet(replace(CONFIG, sample_rate=RATE)).eval(), chosen(rooms=()), data)
    one = TasNet(replace(CONFIG, spatial=SpatialConfig(4, combine="filter-and-sum")))
    torch.manual_seed(0)
    save_network(tmp_path / "one.safetensors", one, {})
    recipe = "recipes/array4-2spk.toml"
    monkeypatch.setattr(
        sys, "argv", ["measure_views", str(tmp_path / "one.safetensors"), "--set", recipe, "--data", str(data)]
    )
    assert main() == 1
    assert "a network of one view; expected several" in capsys.readouterr().err

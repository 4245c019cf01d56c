"""Faults of microphones are put where they belong, and what they take is told."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.errors import EdgeError
from models.data.example import Example
from models.data.mixing import MixConfig
from models.data.simulation import simulate_rooms
from models.recipe import DataConfig, SetConfig
from tests.models.recordings import RATE, write_corpus
from tests.test_recipes import DEAD
from tools.measure_faults import louder, measure

OFF = ("louder", "quieter")


@dataclass
class Hearing:
    """Twice the reference microphone; noise if any microphone is silent."""

    mics: int = 4
    sample_rate: int = RATE
    needs_all: bool = True

    def separate(self, x: np.ndarray) -> np.ndarray:
        if x.any(axis=1).all() or not self.needs_all:
            return np.repeat(x[:1], 2, axis=0)
        return np.random.default_rng(0).standard_normal((2, x.shape[1]))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_corpus(tmp_path_factory.mktemp("recordings"))
    simulate_rooms(root / "rooms", load_array("respeaker-4mic"), DEAD, 2, 0, RATE, workers=0)
    return root


def chosen(rooms: tuple[str, ...] = ("rooms",)) -> SetConfig:
    return SetConfig(DataConfig(("speech",), ("noise",), rooms), MixConfig(seconds=1.0, sources=2, babble=0.0), count=3)


def test_every_fault_has_a_row_and_what_loses_too_much_is_marked(data: Path, capsys: pytest.CaptureFixture) -> None:
    assert not measure(Hearing(), chosen(), data)  # type: ignore[arg-type]
    rows = {line[:20].strip(): line[20:].split() for line in capsys.readouterr().out.splitlines()[1:]}
    dead = [f"microphone {mic} dead" for mic in (1, 2, 3, 4)]
    assert list(rows) == ["none", "two swapped", *(f"one 6 dB {off}" for off in OFF), *dead]
    assert rows["none"][1] == "0.00" and rows["one 6 dB louder"][1] in ("0.00", "-0.00")
    for fault in dead:
        assert float(rows[fault][1]) > 3 and rows[fault][2] == "!"
    assert measure(Hearing(needs_all=False), chosen(), data)  # type: ignore[arg-type]


def test_one_microphone_of_each_mixture_is_louder_in_its_turn() -> None:
    examples = [Example(np.ones((3, 4), np.float32), np.ones((2, 4)), np.ones((2, 3, 4))) for _ in range(4)]
    for index, made in enumerate(louder(iter(examples), 20.0)):
        expected = np.where(np.arange(3) == index % 3, 10.0, 1.0)
        np.testing.assert_allclose(made.mixture, np.repeat(expected[:, None], 4, axis=1), rtol=1e-6)


def test_a_model_of_another_array_is_refused(data: Path) -> None:
    with pytest.raises(EdgeError, match="a model of 6 microphones and a set of 4 microphones"):
        measure(Hearing(mics=6), chosen(), data)  # type: ignore[arg-type]
    with pytest.raises(EdgeError, match="and a set of one microphone"):
        measure(Hearing(), chosen(rooms=()), data)  # type: ignore[arg-type]

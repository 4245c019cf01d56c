"""Scores are of the model as it is on disk and of its microphones in their order, however the work was spread."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk.audio.arrays import MicArray, load_array
from models.checkpoint import save_network
from models.evaluation.scores import Score
from models.tasnet import TasNet
from models.zoo import build, preset
from quantization.scoring import Model, Task, check_fits, open_model, outputs, score_set, takes
from tests.conftest import small_network
from tests.models.recordings import write_corpus
from tests.quantization.two_talkers import network_at_8_khz, write_two_talkers


@dataclass
class Heard:
    """What a set says of its mixtures."""

    array: MicArray
    sources: int

    @property
    def mics(self) -> int:
        return self.array.mics


@pytest.fixture(scope="module")
def network() -> TasNet:
    return network_at_8_khz()


@pytest.fixture(scope="module")
def task(network: TasNet, tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("task")
    save_network(folder / "carry.safetensors", network, {})
    recipe, data = write_two_talkers(folder / "tiny.toml"), write_corpus(folder / "corpus")
    return Task(str(folder / "carry.safetensors"), recipe, data, folder / "cache")


def scored(task: Task, **how: object) -> list[Score]:
    return score_set(task, **how)  # type: ignore[arg-type]


def test_scores_do_not_depend_on_how_the_work_was_spread(task: Task) -> None:
    threads = torch.get_num_threads()
    assert scored(task, workers=2) == scored(task, workers=0)
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_scores_of_a_ray_cluster_are_those_of_this_process(task: Task) -> None:
    pytest.importorskip("ray")
    assert scored(task, workers=2, cluster="local") == scored(task, workers=0)


def test_a_model_changed_on_disk_is_opened_anew(task: Task, network: TasNet, tmp_path: Path) -> None:
    path, network, found = tmp_path / "net.safetensors", copy.deepcopy(network), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        for parameter in network.separator.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        save_network(path, network, {})
        found.append(scored(Task(str(path), task.set, task.data, task.cache), workers=0)[0].after["si_sdr"])
    assert found[0] != found[1]


def test_a_network_of_up_to_so_many_microphones_is_scored_on_fewer():
    fasnet, array = build(preset("fasnet-tac-edge")), build(preset("array4-2spk-edge"))
    assert [takes(fasnet, mics) for mics in (4, 8, 9)] == [True, True, False]
    assert [takes(array, mics) for mics in (2, 4)] == [False, True]


@pytest.mark.parametrize(("name", "warned"), [("respeaker-4mic", False), ("respeaker-usb-v2", True)])
def test_a_set_of_other_microphones_than_the_model_was_trained_for_is_scored_with_a_warning(
    task: Task, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, warned: bool
) -> None:
    network = small_network("array")
    save_network(tmp_path / "ring.safetensors", network, {"array": "respeaker-4mic"})
    model = open_model(str(tmp_path / "ring.safetensors"), "auto")
    check_fits(replace(task, model="ring.safetensors"), model, Heard(load_array(name), network.config.sources))
    lines = [record.getMessage() for record in caplog.records]
    said = "ring.safetensors was trained for respeaker-4mic; microphones of respeaker-usb-v2 are up to"
    assert [line.startswith(said) for line in lines] == [True] * warned


def test_a_model_gets_its_microphones_in_their_order_whichever_is_the_reference() -> None:
    heard = []
    model = Model(lambda x: heard.append(x) or x[:1], 16_000, 3, 1, "", (3).__eq__)  # type: ignore[func-returns-value]
    reference_first = np.array([[2.0], [0.0], [1.0]])
    outputs(model, reference_first, 2)
    np.testing.assert_array_equal(heard[0][:, 0], [0, 1, 2])
    mono = Model(lambda x: heard.append(x) or x, 16_000, 1, 1, "", (1).__eq__)  # type: ignore[func-returns-value]
    outputs(mono, reference_first, 2)
    np.testing.assert_array_equal(heard[1], [[2.0]])

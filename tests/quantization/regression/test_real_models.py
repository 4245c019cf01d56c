"""The gate on the shipped model and real speech: what runs is the interpreter, on files that were changed for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import ModelT, TensorType

from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from quantization.artifact import Artifact, write_artifact
from quantization.regression import Budget
from quantization.regression.baseline import Scores
from quantization.regression.clips import score_clips
from quantization.regression.verdict import Verdict, judge
from tests.quantization.flatbuffers import edited, set_values, values

CLIPS = Path(__file__).parents[3] / "examples" / "quant_regression" / "clips"


@pytest.fixture(scope="module")
def shipped() -> Artifact:
    bundle = read_bundle(find_model("enhance-mono"))
    return Artifact(bundle.manifest, bundle.model)


@pytest.fixture(scope="module")
def baseline() -> Scores:
    return score_clips("enhance-mono", CLIPS)


def shaken(model: ModelT, seed: int, by: int) -> None:
    """Every int8 weight is so many steps off, up or down: another model of the same quality where it is one."""
    rng = np.random.default_rng(seed)
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if tensor.type == TensorType.INT8 and data is not None and len(data):
            numbers = values(model, tensor)
            steps = by * rng.choice([-1, 1], numbers.shape)
            set_values(model, tensor, np.clip(numbers + steps, -127, 127))


def verdict(shipped: Artifact, baseline: Scores, folder: Path, seed: int, by: int) -> Verdict:
    changed = edited(shipped.model, lambda model: shaken(model, seed, by))
    path = write_artifact(shipped.with_model(changed, "dynamic_int8", "enhance-mono"), folder / f"{seed}")
    return judge(baseline.clips, score_clips(str(path), CLIPS).clips, Budget(mean_db=0.15, worst_db=0.5))


@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 20), marks=pytest.mark.slow)])
def test_models_that_differ_in_the_last_bit_of_some_weights_pass(
    shipped: Artifact, baseline: Scores, tmp_path: Path, seeds: range
) -> None:
    for seed in seeds:
        found = verdict(shipped, baseline, tmp_path, seed, by=1)
        assert found.passed and found.mean_db != 0, found


def test_a_model_that_lost_a_few_tenths_of_a_decibel_is_caught(
    shipped: Artifact, baseline: Scores, tmp_path: Path
) -> None:
    found = verdict(shipped, baseline, tmp_path, 0, by=3)
    assert found.mean_exceeds and 0.15 < found.mean_db < 0.5, found

"""The allow-list is what our exporter writes: every recipe of small networks, and every preset where there is time."""

import numpy as np
import pytest

from edge_sdk.contract import Bundle
from edge_sdk.verifier import verify_model
from edge_sdk.verifier.operators import OPTIONS, RULES
from edge_sdk.verifier.tflite import read_graph
from models.zoo import PRESETS, build, preset
from quantization.artifact import Artifact
from quantization.calibration import Calibration, calibrate
from quantization.export import export
from quantization.quantize import quantize
from quantization.recipes import RECIPES
from tests.models.families import FAMILIES, family

STATIC = ("static_int8", "int16x8")


def calibration(artifact: Artifact) -> Calibration:
    m = artifact.manifest
    noise = 0.1 * np.random.default_rng(0).standard_normal((m.mics, 5 * m.sample_rate))
    return calibrate(artifact, [("noise", noise.astype(np.float32))])


def passes(artifact: Artifact, recipe: str) -> set[tuple[int, int]]:
    """The operators of the model that a recipe makes, which has to pass."""
    if recipe != "float32":
        ranges = calibration(artifact) if recipe in STATIC else None
        artifact = quantize(artifact, recipe, "quantized", calibration=ranges)
    verify_model(artifact.model, artifact.manifest)
    return {(op.code, op.version) for op in read_graph(artifact.model, OPTIONS).operators}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_of_a_small_network_passes(tiny: Bundle, recipe: str) -> None:
    assert passes(Artifact(tiny.manifest, tiny.model), recipe) <= set(RULES)


@pytest.mark.slow
def test_every_family_passes_and_the_list_has_nothing_that_none_needs() -> None:
    found: set[tuple[int, int]] = set()
    for name in FAMILIES:
        artifact = export(family(name).eval(), name)
        for recipe in ("float32", "float16", "dynamic_int8", "static_int8"):
            found |= passes(artifact, recipe)
    found |= passes(export(build(preset("conv-tasnet-paper")).eval(), "paper"), "float32")  # a cumulative norm
    assert found == set(RULES)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_passes(name: str) -> None:
    artifact = export(build(preset(name)).eval(), name)
    for recipe in ("float32", "dynamic_int8"):
        passes(artifact, recipe)

"""The shipped models are what their cards say: small, quick to answer, their network, and better than the noise."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator, find_model, read_bundle
from models.checkpoint import load_network
from models.evaluation.scores import evaluate, summarize
from models.recipe import load_recipe, load_set
from models.runs import evaluation_set
from quantization.artifact import Artifact
from quantization.parity import check

ROOT = Path(__file__).parents[1]
RECIPE, CHECKPOINT = ROOT / "recipes/enhance-mono.toml", ROOT / "checkpoints/enhance-mono.safetensors"
BUNDLES = {"enhance-mono": "dynamic_int8", "enhance-mono-float32": "float32"}
MAX_MB = {"enhance-mono": 2.0, "enhance-mono-float32": 6.0}
LEAST_GAIN_DB = 4.0  # SI-SDR on the development set
MOST_LOST_DB = 0.3  # of it, to int8


@pytest.mark.parametrize("name", BUNDLES)
def test_a_shipped_bundle_is_its_checkpoint_under_its_recipe(name: str) -> None:
    bundle = read_bundle(find_model(name))
    network, about = load_network(CHECKPOINT)
    assert bundle.manifest.recipe == BUNDLES[name]
    assert network.config == load_recipe(RECIPE).network
    assert bundle.manifest.provenance["commit"] == about["commit"]
    check(network, Artifact(bundle.manifest, bundle.model))


@pytest.mark.parametrize("name", BUNDLES)
def test_a_shipped_bundle_is_small_and_answers_within_eight_milliseconds(name: str) -> None:
    manifest = read_bundle(find_model(name)).manifest
    assert find_model(name).stat().st_size < MAX_MB[name] * 1e6
    assert manifest.latency <= 0.008 * manifest.sample_rate


def test_the_card_and_the_readme_show_the_figures_of_the_bundles() -> None:
    card = (ROOT / "edge_sdk/shipped/enhance-mono.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for name, recipe in BUNDLES.items():
        manifest = read_bundle(find_model(name)).manifest
        assert manifest.quality["si_sdr_improvement"] >= LEAST_GAIN_DB
        (row,) = [line for line in card.splitlines() if line.startswith(f"| {recipe} |")]
        assert f"{manifest.quality['si_sdr_improvement']:.2f}" in row
        assert row in readme


@pytest.mark.skipif("EDGE_SDK_DATA" not in os.environ, reason="EDGE_SDK_DATA names no recordings to score on; CI does")
def test_int8_improves_the_development_set_as_much_as_its_manifest_says(tmp_path: Path) -> None:
    examples = evaluation_set(load_set(RECIPE), Path(os.environ["EDGE_SDK_DATA"]), 16_000, tmp_path)
    gains = {}
    for name in BUNDLES:
        separator = Separator.open(name)
        scores = evaluate(separator.separate, examples, 16_000, ("si_sdr",))
        gains[name] = float(summarize(scores)["si_sdr_improvement"])
        # 0.05 dB: kernels of another processor round otherwise.
        assert gains[name] == pytest.approx(separator.manifest.quality["si_sdr_improvement"], abs=0.05)
    assert gains["enhance-mono"] >= LEAST_GAIN_DB
    assert gains["enhance-mono"] >= gains["enhance-mono-float32"] - MOST_LOST_DB


@pytest.mark.parametrize("name", BUNDLES)
def test_silence_stays_silent_and_extremes_stay_finite(name: str) -> None:
    separator = Separator.open(name)
    assert np.abs(separator.separate(np.zeros((1, 16_000), np.float32))).max() < 1e-4
    rng = np.random.default_rng(0)
    for level in (1e-6, 1.0, 100.0):
        y = separator.separate(np.clip(level * rng.standard_normal((1, 16_000)), -1, 1).astype(np.float32))
        assert np.isfinite(y).all()
        assert np.abs(y).max() < 4


def test_the_recipe_and_the_card_are_of_the_same_run() -> None:
    provenance = json.loads(json.dumps(read_bundle(find_model("enhance-mono")).manifest.provenance))
    recipe = load_recipe(RECIPE)
    assert (provenance["recipe"], provenance["seed"]) == (recipe.name, recipe.seed)
    assert provenance["step"] <= recipe.fit.steps

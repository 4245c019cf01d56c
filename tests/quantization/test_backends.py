"""Networks of every family give on the other interpreters what they give on ai-edge-litert.

`make test-backends` makes the environments, one for each interpreter, and compares the shipped models in them. Here the
models are those of tiny networks, exported first; `EDGE_SDK_ENVIRONMENTS` names another folder than .venv.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_sdk import Separator
from firmware_bridge.bundle import write_bundle
from quantization.calibration import calibrate
from quantization.export import export
from quantization.parity import difference_db
from quantization.quantize import quantize
from quantization.recipes import not_on
from tests.models.families import FAMILIES, family

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("EDGE_SDK_ENVIRONMENTS", ROOT / ".venv"))
# As for shipped models, `tests/environments/compare_backends.py`: sums in another order; and for int8 a last bit of
# them that rounds an activation to the next of 255 steps, more of the whole where nothing is trained.
FLOORS_DB = {"float32": 80.0, "dynamic_int8": 40.0}


# Weights alone as float arithmetic has it. Fixed scales round what goes between layers, where a last bit of a sum makes
# a whole step of 255, or of 65535: measured on tflite-runtime 27 and 76 dB.
RECIPES_DB = {"float16": 80.0, "weight_int8": 80.0, "dynamic_int4": 40.0, "static_int8": 20.0, "int16x8": 60.0}


def noise(mics: int, samples: int) -> np.ndarray:
    """A mixture at a usual level, `[mics, n]`."""
    return (0.1 * np.random.default_rng(1).standard_normal((mics, samples))).astype(np.float32)


def other_interpreters() -> dict[str, Path]:
    """The Python of each environment that is there; a test without any is skipped."""
    pythons = {b: ENVIRONMENTS / f"backend-{b}/bin/python" for b in ("tflite-runtime", "tensorflow")}
    present = {backend: python for backend, python in pythons.items() if python.exists()}
    if not present:
        pytest.skip(f"{ENVIRONMENTS} has no environment of another interpreter; make test-backends makes them")
    return present


def elsewhere(backend: str, python: Path, bundle: Path, folder: Path) -> np.ndarray | None:
    """The sources of `mixture.npy` in a folder as another interpreter gives them; None where it refuses the model."""
    out = folder / f"{backend}.npy"
    words = [python, ROOT / "tests/environments/run_bundle.py", backend, bundle, folder / "mixture.npy", out]
    done = subprocess.run([*map(str, words)], check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return None if done.returncode else np.load(out)


def bundles(name: str, folder: Path) -> dict[str, Path]:
    """The untrained network as float32 and as int8, packed."""
    network = family(name).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    exported, made = export(network, name, 2), {}
    for recipe in FLOORS_DB:
        artifact = exported if recipe == "float32" else quantize(exported, recipe, f"{name}-int8")
        made[recipe] = folder / f"{recipe}.edge"
        write_bundle(made[recipe], artifact.manifest, artifact.model)
    return made


@pytest.mark.backends
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_gives_the_same_on_every_interpreter(name: str, tmp_path: Path) -> None:
    present, mixture = other_interpreters(), noise(family(name).mics, 8000)
    np.save(tmp_path / "mixture.npy", mixture)
    for recipe, bundle in bundles(name, tmp_path).items():
        want = Separator.open(bundle).separate(mixture)
        for backend, python in present.items():
            found = elsewhere(backend, python, bundle, tmp_path)
            assert found is not None
            near_db = difference_db(want, found)
            print(f"{name} {recipe} on {backend}: {near_db:.1f} dB")
            assert near_db >= FLOORS_DB[recipe]


@pytest.mark.backends
@pytest.mark.parametrize("recipe", RECIPES_DB)
def test_a_recipe_gives_the_same_on_every_interpreter_but_those_it_is_not_for(recipe: str, tmp_path: Path) -> None:
    present, network, mixture = other_interpreters(), family("conv-tasnet").eval(), noise(1, 8000)
    np.save(tmp_path / "mixture.npy", mixture)
    exported = export(network, "whole", 2)
    calibration = calibrate(exported, ((f"noise {n}", noise(1, 80_000)) for n in range(12)))
    artifact, bundle = quantize(exported, recipe, "model", calibration=calibration), tmp_path / "model.edge"
    write_bundle(bundle, artifact.manifest, artifact.model)
    want = Separator.open(bundle).separate(mixture)
    for backend, python in present.items():
        found = elsewhere(backend, python, bundle, tmp_path)
        same = found is not None and difference_db(want, found) >= RECIPES_DB[recipe]  # NaN is not the same
        assert same != (backend in not_on(recipe)), f"{recipe} on {backend}"

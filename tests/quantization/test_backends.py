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
from quantization.export import export
from quantization.parity import difference_db
from quantization.quantize import quantize
from tests.models.families import FAMILIES, family

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("EDGE_SDK_ENVIRONMENTS", ROOT / ".venv"))
# As for shipped models, `tests/environments/compare_backends.py`: sums in another order; and for int8 a last bit of
# them that rounds an activation to the next of 255 steps, more of the whole where nothing is trained.
FLOORS_DB = {"float32": 80.0, "dynamic_int8": 40.0}


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
    pythons = {b: ENVIRONMENTS / f"backend-{b}/bin/python" for b in ("tflite-runtime", "tensorflow")}
    present = {backend: python for backend, python in pythons.items() if python.exists()}
    if not present:
        pytest.skip(f"{ENVIRONMENTS} has no environment of another interpreter; make test-backends makes them")
    mixture = (0.1 * np.random.default_rng(1).standard_normal((family(name).mics, 8000))).astype(np.float32)
    np.save(tmp_path / "mixture.npy", mixture)
    for recipe, bundle in bundles(name, tmp_path).items():
        want = Separator.open(bundle).separate(mixture)
        for backend, python in present.items():
            words = [python, ROOT / "tests/environments/run_bundle.py", backend, bundle, tmp_path / "mixture.npy"]
            out = tmp_path / f"{backend}.npy"
            subprocess.run([*map(str, words), str(out)], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
            near_db = difference_db(want, np.load(out))
            print(f"{name} {recipe} on {backend}: {near_db:.1f} dB")
            assert near_db >= FLOORS_DB[recipe]

"""Single bytes changed: what still passes the verifier harms no interpreter."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.contract import Bundle
from edge_sdk.verifier import ModelError, verify_model
from tools.mutants import structure

RUN = """
import sys
from pathlib import Path
from ai_edge_litert.interpreter import Interpreter
for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
    interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
print("done")
"""


def passing(bundle: Bundle, places: list[int], rng: random.Random) -> list[bytes]:
    """The mutants that the verifier takes; whatever it does, it does it by `ModelError`."""
    found = []
    for at in places:
        value = rng.choice([bundle.model[at] ^ 1 << rng.randrange(8), 0, 1, 0x7F, 0x80, 0xFF])
        mutant = bundle.model[:at] + bytes([value]) + bundle.model[at + 1 :]
        if mutant == bundle.model:
            continue
        try:
            verify_model(mutant, bundle.manifest)
        except ModelError:
            continue
        found.append(mutant)
    return found


def check(bundle: Bundle, places: list[int], folder: Path) -> float:
    """The share of mutants that passed, all of which ran."""
    mutants = passing(bundle, places, random.Random(1))
    for n, mutant in enumerate(mutants):
        (folder / f"{n:06}.tflite").write_bytes(mutant)
    done = subprocess.run([sys.executable, "-c", RUN, str(folder)], capture_output=True, text=True, timeout=300)
    assert done.stdout == "done\n", f"status {done.returncode}: {done.stderr[-300:]}"
    return len(mutants) / len(places)


def test_changed_structure_is_refused_or_harmless(tiny: Bundle, tmp_path: Path) -> None:
    places = structure(tiny.model)
    share = check(tiny, places[:: max(1, len(places) // 400)], tmp_path)
    # Free is the slope of a leaky ReLU, which of two tensors of one shape is meant, and what the converter is called.
    assert share < 0.02


@pytest.mark.slow
def test_every_byte_of_structure_is_refused_or_harmless(tiny: Bundle, tmp_path: Path) -> None:
    check(tiny, structure(tiny.model), tmp_path)

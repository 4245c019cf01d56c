"""Hostile models are refused by the rule that they break; what we export passes."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import OperatorT

from edge_sdk.contract import Bundle, read_bundle
from edge_sdk.library import shipped_models
from edge_sdk.verifier import Budget, ModelError, verify_model
from edge_sdk.verifier.model import finite
from quantization.artifact import Artifact
from quantization.quantize import quantize
from tests.edge_sdk.verifier.hostile import HOSTILE, HOSTILE_INT8, Edit, graph, set_input
from tests.quantization.flatbuffers import edited


def refused(model: bytes, about: Bundle | None = None) -> str:
    """The rule by which a model is refused."""
    with pytest.raises(ModelError) as caught:
        verify_model(model, about.manifest if about else None)
    message = str(caught.value)
    assert message.startswith(f"model refused: {caught.value.rule}: ") and "\n" not in message and len(message) < 600
    return caught.value.rule


@pytest.fixture(scope="module")
def int8(tiny: Bundle) -> bytes:
    """The small network with int8 weights."""
    return quantize(Artifact(tiny.manifest, tiny.model), "dynamic_int8", "tiny-int8").model


@pytest.mark.parametrize("path", shipped_models().values(), ids=lambda path: path.stem)
def test_shipped_models_pass(path: Any) -> None:
    bundle = read_bundle(path)
    verified = verify_model(bundle.model, bundle.manifest)
    steps = bundle.manifest.sample_rate / bundle.manifest.block
    # What is not a product of weights: norms and the like, and where weights are stored as int8, making them float.
    assert 1 <= verified.work * steps / bundle.manifest.macs < 1.4


@pytest.mark.parametrize("kind", ["tiny", "carry", "array"])
def test_small_exports_pass_with_and_without_an_edit_that_changes_nothing(
    kind: str, request: pytest.FixtureRequest
) -> None:
    bundle: Bundle = request.getfixturevalue(kind)
    again = edited(bundle.model, lambda model: None)
    assert verify_model(again, bundle.manifest) == verify_model(bundle.model, bundle.manifest)


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_models_are_refused_by_the_rule_that_they_break(how: str, tiny: Bundle) -> None:
    rule, edit = HOSTILE[how]
    assert refused(edited(tiny.model, edit)).startswith(rule)


@pytest.mark.parametrize("how", HOSTILE_INT8)
def test_hostile_scales_are_refused(how: str, int8: bytes) -> None:
    rule, edit = HOSTILE_INT8[how]
    assert refused(edited(int8, edit)) == rule


def test_no_operator_takes_what_is_made_later(tiny: Bundle) -> None:
    """Every operator in turn gets an input that is made after it."""

    def late(n: int) -> Edit:
        return lambda m: set_input(m, int(graph(m).operators[-1].outputs[0]), n)

    for n in range(0, 100, 9):
        assert refused(edited(tiny.model, late(n))) == "order"


def test_what_takes_too_much_is_refused(tiny: Bundle) -> None:
    verified = verify_model(tiny.model)
    assert verify_model(tiny.model, budget=Budget(verified.memory, verified.work)) == verified
    for small in (Budget(verified.memory - 1, verified.work), Budget(verified.memory, verified.work - 1)):
        with pytest.raises(ModelError, match="budget"):
            verify_model(tiny.model, budget=small)


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": "other"},
        {"frames": "other"},
        {"output": "other"},
        {"mics": 2},
        {"sources": 2},
        {"delays": ()},
        {"frames_per_step": 2, "latency": 80},
    ],
)
def test_a_model_that_its_manifest_does_not_describe_is_refused(tiny: Bundle, changes: dict[str, Any]) -> None:
    if "frames_per_step" in changes:
        changes = {**changes, "latency": tiny.manifest.latency + tiny.manifest.hop}
    other = Bundle(replace(tiny.manifest, **changes), tiny.model)
    assert refused(tiny.model, other) == "interface"


def test_models_cut_short_or_with_something_behind_are_refused(tiny: Bundle) -> None:
    size = len(tiny.model)
    for length in [*range(64), *range(64, size, 499), *range(size - 64, size)]:
        assert refused(tiny.model[:length])
    for more in (b"\1", bytes(64), bytes(100) + b"\1", tiny.model):
        assert refused(tiny.model + more) == "flatbuffer"


@pytest.mark.slow
def test_models_cut_short_anywhere_are_refused(tiny: Bundle) -> None:
    for length in range(len(tiny.model)):
        assert refused(tiny.model[:length])


@pytest.mark.parametrize("model", [b"", b"TFL3", bytes(100), b"\4\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 100])
def test_what_is_no_model_is_refused(model: bytes) -> None:
    assert refused(model) == "flatbuffer"


def test_the_empty_operator_is_refused(tiny: Bundle) -> None:
    assert refused(edited(tiny.model, lambda m: graph(m).operators.append(OperatorT())))


@pytest.mark.parametrize(("kind", "number", "bits"), [(0, np.float32, np.uint32), (1, np.float16, np.uint16)])
def test_finite_is_what_numpy_calls_finite(kind: int, number: type, bits: type) -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        # Of every second, all bits but a few of the exponent, so that half of them are on the edge.
        x = rng.integers(0, np.iinfo(bits).max, rng.integers(1, 4), bits, endpoint=True)
        x = (x | (np.array(np.inf, number).view(bits) & ~bits(rng.choice([0, 1 << rng.integers(8, 16)])))).view(number)
        assert finite(memoryview(x.tobytes()), kind) == bool(np.isfinite(x).all())


def test_the_verifier_needs_nothing_but_the_standard_library() -> None:
    script = "import sys; from edge_sdk.verifier import verify_model; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & {"numpy", "flatbuffers", "ai_edge_litert"}

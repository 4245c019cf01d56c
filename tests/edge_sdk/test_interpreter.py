"""A model runs only where it fits its manifest, and a missing interpreter is named with what to install."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_sdk import backends
from edge_sdk.backends import BACKENDS, choose_backend
from edge_sdk.contract import Bundle, DelayLine, DelayLines
from edge_sdk.errors import BackendError, ManifestError
from edge_sdk.interpreter import StepInterpreter


def steps(interpreter: StepInterpreter, frames: np.ndarray) -> np.ndarray:
    """Sources of one step after another."""
    out = []
    for block in frames:
        interpreter.inputs["frames"][...] = block
        interpreter.step()
        out.append(interpreter.output.copy())
    return np.stack(out)


def random_frames(interpreter: StepInterpreter, count: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((count, *interpreter.inputs["frames"].shape)).astype(
        np.float32
    )


@pytest.mark.parametrize("name", ["tiny", "carry"])
def test_reset_brings_back_the_beginning(name: str, request: pytest.FixtureRequest) -> None:
    bundle: Bundle = request.getfixturevalue(name)
    interpreter = StepInterpreter(bundle.manifest, bundle.model)
    frames = random_frames(interpreter, 40)
    first, later = steps(interpreter, frames), steps(interpreter, frames)
    assert not np.array_equal(first, later)  # it has a memory
    interpreter.reset()
    np.testing.assert_array_equal(steps(interpreter, frames), first)


def test_two_interpreters_of_a_model_share_nothing(carry: Bundle) -> None:
    one, other = (StepInterpreter(carry.manifest, carry.model) for _ in range(2))
    frames = random_frames(one, 20)
    want = steps(one, frames)
    steps(one, frames[:3])
    np.testing.assert_array_equal(steps(other, frames), want)


def test_a_step_allocates_no_tensors(carry: Bundle) -> None:
    interpreter = StepInterpreter(carry.manifest, carry.model)
    interpreter.step()
    tracemalloc.start()
    for _ in range(10):
        interpreter.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024


def test_the_views_stay_where_they_are(carry: Bundle) -> None:
    interpreter = StepInterpreter(carry.manifest, carry.model)
    index = interpreter._interpreter._get_full_signature_list()["step"]["inputs"]["frames"]
    interpreter.step()
    interpreter.inputs["frames"][...] = 0.25
    assert (interpreter._interpreter.get_tensor(index) == 0.25).all()


LINES = DelayLines("taps", "rows", 16, (DelayLine(3, 1), DelayLine(3, 2)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signature": "serving_default"}, "its signatures are"),
        ({"frames": "mixture"}, "its inputs are"),
        ({"output": "out"}, "its outputs are"),
        ({"carries": ()}, "its inputs are"),
        ({"mics": 2}, "frames is float32"),
        ({"context": 1}, "frames is float32"),
        ({"sources": 3}, "sources_out is float32"),
        ({"delays": (LINES,)}, "taps is float32"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(carry: Bundle, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ManifestError, match=f"carry: the model does not fit its manifest, {said}"):
        StepInterpreter(replace(carry.manifest, **change), carry.model)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"filter_and_sum": None, "schema": 1, "latency": 144}, "its inputs are"),
        ({"windows": "windows"}, "its inputs are"),
        ({"shares": "weights"}, "its inputs are"),
        ({"mics": 3}, "frames is float32"),
        ({"context": 41, "window": 96}, "frames is float32"),
        ({"context": 136, "window": 48, "hop": 48, "latency": 103}, "frames is float32"),
        ({"sources": 1}, "filters is float32"),
    ],
)
def test_filters_that_do_not_fit_are_refused(array: Bundle, change: dict[str, Any], said: str) -> None:
    m = array.manifest
    assert m.filter_and_sum is not None
    inside = {name: change.pop(name) for name in ("windows", "shares") if name in change}
    filters = replace(m.filter_and_sum, **inside)
    with pytest.raises(ManifestError, match=f"array: the model does not fit its manifest, {said}"):
        StepInterpreter(replace(m, **{"filter_and_sum": filters, **change}), array.model)


def test_bytes_that_are_no_model_are_refused(tiny: Bundle) -> None:
    with pytest.raises(BackendError, match="ai-edge-litert refuses the model"):
        StepInterpreter(tiny.manifest, b"\x1c\0\0\0TFL3" + bytes(100))


@pytest.mark.parametrize("threads", [0, -1, 65, 10**11])
def test_threads_are_as_many_as_a_machine_has(tiny: Bundle, threads: int) -> None:
    with pytest.raises(ValueError, match=r"expected 1 to 64$"):
        StepInterpreter(tiny.manifest, tiny.model, threads=threads)


def test_an_unknown_backend_gets_the_list() -> None:
    with pytest.raises(BackendError, match="unknown backend 'onnx'; expected auto or one of ai-edge-litert"):
        choose_backend("onnx")


@pytest.mark.parametrize("name", list(BACKENDS))
def test_a_missing_backend_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda package: None)
    with pytest.raises(BackendError, match=rf"backend {name} is not installed; pip install"):
        choose_backend(name)
    with pytest.raises(BackendError, match="no interpreter is installed; pip install"):
        choose_backend()


def test_auto_takes_the_first_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"tflite_runtime", "tensorflow"}
    monkeypatch.setattr(backends, "find_spec", lambda package: package if package in there else None)
    assert choose_backend() == "tflite-runtime"


def test_tflite_runtime_with_numpy_2_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(BackendError, match="needs numpy < 2, this is 2.4.6"):
        backends.load_model(b"", "tflite-runtime", 1)


@pytest.mark.parametrize("recipe", ["dynamic_int4", "dynamic_int8+dynamic_int4"])
def test_4_bit_weights_are_refused_where_they_give_nan(
    tiny: Bundle, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_sdk.interpreter.choose_backend", lambda name: "tflite-runtime")
    with pytest.raises(
        BackendError, match=r"tflite-runtime gives NaN for 4-bit weights .*; quantize it with dynamic_int8"
    ):
        StepInterpreter(replace(tiny.manifest, recipe=recipe), tiny.model, "tflite-runtime")


def test_a_damaged_backend_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = replace(BACKENDS["ai-edge-litert"], module="edge_sdk.no_such_module")
    monkeypatch.setitem(backends.BACKENDS, "ai-edge-litert", damaged)
    with pytest.raises(BackendError, match="ai-edge-litert is damaged"):
        backends.load_model(b"", "ai-edge-litert", 1)

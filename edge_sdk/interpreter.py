"""One step of a model: frames in, frames out, its memory kept between steps."""

from __future__ import annotations

import ctypes
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.accelerators.accelerator import CPU, Accelerator
from edge_sdk.accelerators.fallback import FallingBack
from edge_sdk.backends import AUTO, choose_backend, load_model
from edge_sdk.contract import Manifest
from edge_sdk.errors import BackendError, ManifestError
from edge_sdk.rings import Rings, whole_rows

log = logging.getLogger(__name__)
Tensor = NDArray[np.float32]
Shape = tuple[int, ...]
MAX_THREADS = 64  # far above, the interpreters fail with an error that holds the whole model


class StepInterpreter:
    """Runs the step that a manifest describes, in place: fill `inputs`, call `step()`, read `output`.

    inputs: by name, output: the one there is, in the shapes of the manifest; views of the interpreter's own memory.
    Memory starts at zero; `reset()` goes back there. Not for use from several threads at once.
    delays: rings, each with the taps that it fills and the new rows that it keeps; carries: a memory as it goes in, and
    as it comes out. Whoever moves these by other means calls `invoke` in place of `step`, for a whole stream.
    accelerator: what computes now, the CPU once another one has failed, while it was loaded or in a step; failure: why,
    empty until then. `edge_sdk.accelerators.choice` finds out beforehand whether one is any good.
    """

    def __init__(
        self,
        manifest: Manifest,
        model: bytes,
        backend: str = AUTO,
        threads: int = 1,
        accelerator: Accelerator = CPU,
    ) -> None:
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"threads = {threads}: expected 1 to {MAX_THREADS}")
        self.backend = choose_backend(backend)
        if self.backend == "tflite-runtime" and "int4" in manifest.recipe:
            raise BackendError(
                f"{manifest.name}: tflite-runtime gives NaN for 4-bit weights ({manifest.recipe}); quantize it with "
                "dynamic_int8, or install ai-edge-litert"
            )
        self.accelerator, self.failure = accelerator, ""
        self._interpreter: Any = self._load(model, threads)
        rings = [Rings(group, manifest.frames_per_step) for group in manifest.delays]
        inputs, outputs = self._tensors(manifest, rings)
        self.inputs, self.output = {name: inputs[name] for name in manifest.inputs}, outputs[manifest.output]
        self._everything = list(inputs.values())
        self.carries = [(inputs[carry.input], outputs[carry.output]) for carry in manifest.carries]
        self.delays = [
            (ring, inputs[group.taps], outputs[group.rows]) for ring, group in zip(rings, manifest.delays, strict=True)
        ]
        self._rings = [(ring, whole_rows(taps), whole_rows(rows)) for ring, taps, rows in self.delays]
        self.reset()

    def step(self) -> None:
        """One step over what was filled in."""
        for ring, taps, _ in self._rings:
            ring.read(taps)
        self.invoke()
        for ring, _, rows in self._rings:
            ring.write(rows)
        for before, after in self.carries:
            before[...] = after

    def invoke(self) -> None:
        """The model alone; `step` is what keeps its memory."""
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise BackendError(f"backend {self.backend} failed in a step ({error}); try another --backend") from error

    def reset(self) -> None:
        """Forget everything. The interpreter itself leaves its inputs uninitialized."""
        for tensor in self._everything:
            tensor.fill(0)
        for ring, _, _ in self._rings:
            ring.reset()

    def _load(self, model: bytes, threads: int) -> Any:
        """The model on the accelerator, or on the CPU where that refuses."""

        def load_cpu() -> Any:
            return load_model(model, self.backend, threads)

        if self.accelerator == CPU:
            return load_cpu()
        try:
            return FallingBack(load_model(model, self.backend, threads, self.accelerator), load_cpu, self._leave)
        except BackendError as error:
            self._leave(str(error))
            return load_cpu()

    def _leave(self, why: str) -> None:
        """Note that the accelerator has failed."""
        log.warning("%s: %s; the CPU goes on", self.accelerator, why)
        self.accelerator, self.failure = CPU, why

    def _tensors(self, manifest: Manifest, rings: list[Rings]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Views of the inputs and outputs by name, all of them as the manifest says."""
        signatures: dict[str, Any] = self._interpreter._get_full_signature_list()
        if manifest.signature not in signatures:
            raise misfit(manifest, f"its signatures are {sorted(signatures)}, not {manifest.signature!r}")
        found, views = signatures[manifest.signature], []
        details = {d["index"]: d for d in self._interpreter.get_tensor_details()}
        for kind, expected in zip(("inputs", "outputs"), expected_shapes(manifest, rings), strict=True):
            if set(found[kind]) != set(expected):
                raise misfit(manifest, f"its {kind} are {sorted(found[kind])}, not {sorted(expected)}")
            for name, shape in expected.items():
                tensor = details[found[kind][name]]
                given: Shape = tuple(int(size) for size in tensor["shape"])
                if given != shape or tensor["dtype"] is not np.float32:
                    raise misfit(
                        manifest, f"{name} is {np.dtype(tensor['dtype'])} {list(given)}, not float32 {list(shape)}"
                    )
            views.append({name: view(self._interpreter.tensor(found[kind][name])()) for name in expected})
        if shared := set(found["inputs"].values()) & set(found["outputs"].values()):
            # Copying one memory on would overwrite another that has not been copied yet.
            raise misfit(manifest, f"tensors {sorted(shared)} are input and output at once")
        return views[0], views[1]


def expected_shapes(manifest: Manifest, rings: list[Rings]) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Shapes of inputs and outputs by name."""
    inputs, outputs = dict(manifest.inputs), dict(manifest.outputs)
    for carry in manifest.carries:
        inputs[carry.input] = outputs[carry.output] = carry.shape
    for ring, group in zip(rings, manifest.delays, strict=True):
        inputs[group.taps] = (ring.taps, group.width)
        outputs[group.rows] = (ring.new_rows, group.width)
    return inputs, outputs


def misfit(manifest: Manifest, what: str) -> ManifestError:
    return ManifestError(f"{manifest.name}: the model does not fit its manifest, {what}; export and pack it again")


def view(tensor: Tensor) -> Tensor:
    """The same memory as an array that the interpreter does not know of.

    While an array made by an interpreter lives, it refuses to run. The address stays the same until tensors are
    allocated anew, which nobody does after loading.
    """
    address: int = tensor.__array_interface__["data"][0]
    memory = (ctypes.c_char * tensor.nbytes).from_address(address)
    return np.frombuffer(memoryview(memory), np.float32).reshape(tensor.shape)

"""An accelerator that may fail in any step: from there on the CPU computes, in the same stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FallingBack:
    """An interpreter whose steps go to the CPU once the accelerator has failed in one.

    All memory of a model is in tensors on the host, and a step that failed has changed none of its inputs: the CPU
    repeats it, and nothing is lost of the stream. on_failure: is told why, once.
    """

    def __init__(self, first: Any, load_cpu: Callable[[], Any], on_failure: Callable[[str], None]) -> None:
        self._first, self._load_cpu, self._on_failure = first, load_cpu, on_failure
        self._cpu: Any = None
        self._get_full_signature_list = first._get_full_signature_list
        self.get_tensor_details = first.get_tensor_details
        self.tensor = first.tensor

    def invoke(self) -> None:
        if self._cpu is None:
            try:
                self._first.invoke()
                return
            except RuntimeError as error:
                self._on_failure(f"failed in a step ({' '.join(str(error).split())})")
                self._cpu = self._load_cpu()
        for there, here in self._pairs("inputs"):
            self._cpu.set_tensor(here, self._first.tensor(there)())
        self._cpu.invoke()
        for there, here in self._pairs("outputs"):
            self._first.tensor(there)()[...] = self._cpu.get_tensor(here)

    def _pairs(self, kind: str) -> list[tuple[int, int]]:
        """Numbers of the same tensor there and on the CPU."""
        there, here = (next(iter(i._get_full_signature_list().values()))[kind] for i in (self._first, self._cpu))
        return [(there[name], index) for name, index in here.items()]

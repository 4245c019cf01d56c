"""What a model runs on: the CPU alone, a GPU, or whatever a delegate library drives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["cpu", "gpu", "delegate"]


@dataclass(frozen=True)
class Accelerator:
    """gpu: through LiteRT's CompiledModel. delegate: an external TFLite delegate, which takes of the graph what it can.

    library: of the delegate, a path or a name that the loader of shared libraries finds. options: names and values for
    the library, in its own words.
    """

    kind: Kind = "cpu"
    library: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("cpu", "gpu", "delegate"):
            raise ValueError(f"kind = {self.kind!r}: expected cpu, gpu or delegate")
        if (self.kind == "delegate") != bool(self.library) or (self.options and not self.library):
            raise ValueError(
                f"{self}: expected a library, with or without options, for a delegate and for nothing else"
            )
        names = [name for name, _ in self.options]
        if len(set(names)) < len(names) or not all(names):
            raise ValueError(f"options {names}: expected names, each of them once")

    def __str__(self) -> str:
        return f"delegate {Path(self.library).name}" if self.kind == "delegate" else self.kind


CPU = Accelerator()
GPU = Accelerator("gpu")

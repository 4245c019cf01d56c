"""The separators a TasNet can be made with: from features `[B, T, inputs]` to masks `[B, T, outputs]`, streaming.

A new one is a file with a frozen configuration, whose field `kind: Literal["its name"] = "its name"` is what recipes
and checkpoints call it, and a `Streaming` layer made as `Layer(config, inputs, outputs, quiet_start)`; it is added to
both names below, and its exported form to `quantization.step_graph.separators`. One that also has a form for whole
signals names the parts of it that need the future in `config.future`.
"""

from __future__ import annotations

from typing import TypeAlias

from models.layers.dual_path import DualPath, DualPathConfig
from models.layers.recurrent import StackedLSTM, StackedLSTMConfig
from models.layers.skim import SkiM, SkiMConfig
from models.layers.tcn import TCN, TCNConfig
from models.layers.tdcn import TDCN, TDCNConfig
from models.streaming import Streaming

# The first is meant where plain data names no kind: older checkpoints do not.
SeparatorConfig: TypeAlias = TCNConfig | StackedLSTMConfig | DualPathConfig | SkiMConfig | TDCNConfig

SEPARATORS: dict[type, type[Streaming]] = {
    TCNConfig: TCN,
    StackedLSTMConfig: StackedLSTM,
    DualPathConfig: DualPath,
    SkiMConfig: SkiM,
    TDCNConfig: TDCN,
}


def make_separator(
    config: SeparatorConfig, inputs: int, outputs: int, sources: int = 1, quiet_start: bool = False
) -> Streaming:
    """The separator of a configuration. With `quiet_start` its last layer starts at zero.

    The outputs are the masks of the sources, one source after the other.
    """
    if isinstance(config, DualPathConfig):
        return DualPath(config, inputs, outputs, quiet_start, branches=sources)
    return SEPARATORS[type(config)](config, inputs, outputs, quiet_start)


def future_parts(config: SeparatorConfig) -> tuple[str, ...]:
    """The parts of a separator that need the future, in words."""
    return config.future if isinstance(config, TCNConfig | StackedLSTMConfig | DualPathConfig) else ()

"""Which form a separator is exported in."""

from __future__ import annotations

from models.layers.dual_path import DualPath
from models.layers.recurrent import StackedLSTM
from models.layers.skim import SkiM
from models.layers.tcn import TCN
from models.layers.tdcn import TDCN
from models.streaming import Streaming
from quantization.step_graph.dual_path import DualPathStep
from quantization.step_graph.form import StepForm
from quantization.step_graph.recurrent import StackedLSTMStep
from quantization.step_graph.skim import SkiMStep
from quantization.step_graph.tcn import TCNStep
from quantization.step_graph.tdcn import TDCNStep

STEP_FORMS: dict[type[Streaming], type[StepForm]] = {
    TCN: TCNStep,
    StackedLSTM: StackedLSTMStep,
    DualPath: DualPathStep,
    SkiM: SkiMStep,
    TDCN: TDCNStep,
}


def separator_step(separator: Streaming, frames: int, streams: int = 1) -> StepForm:
    """The separator's step over `frames` frames; `ValueError` where nothing here can export it.

    streams: how many streams share it, of a TCN alone; the rows of a frame are next to each other.
    """
    if isinstance(separator, TCN):
        return TCNStep(separator, frames, streams)
    form = STEP_FORMS.get(type(separator))
    if form is None or streams > 1:
        raise ValueError(f"a separator of type {type(separator).__name__} has no exported form yet")
    return form(separator, frames)

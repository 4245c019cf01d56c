"""The step of running means beside features: the arithmetic of `Background`."""

from __future__ import annotations

from torch import Tensor

from edge_sdk.contract import Carry
from models.layers.background import Background
from quantization.step_graph.form import Memory, StepForm
from quantization.step_graph.parts import join
from quantization.step_graph.running_means import running_mean_weights


class BackgroundStep(StepForm):
    """Features `[T, C]` to them and their running means, `[T, (1 + horizons) * C]`; a row of memory per horizon."""

    def __init__(self, background: Background, frames: int) -> None:
        super().__init__()
        self.frames, self.horizons = frames, background.horizons
        self.carries = (
            Carry("background", "background_out", (len(background.horizons), background.channels)),
            Carry("background_count", "background_count_out", (1, 1)),
        )

    def forward(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        before, count = memory["background"], memory["background_count"]
        means = []
        for index, horizon in enumerate(self.horizons):
            decay, weights = running_mean_weights(count, self.frames, horizon)
            past = before[index : index + 1]
            if self.frames == 1:
                means.append(decay * past + weights[0] * x)
            else:
                means.append(decay.reshape(-1, 1) * past + (weights @ x[None]).reshape(x.shape))
        after = {
            "background_out": join([mean[-1:] for mean in means], 0),
            "background_count_out": (count + self.frames).clamp(max=max(self.horizons)),
        }
        return join([x, *means], 1), after

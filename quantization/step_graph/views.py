"""The step of a choice between two views: the arithmetic of `ViewChoice`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from edge_sdk.contract import Carry
from models.layers.views import CERTAINTY, FLOOR, HORIZON, PRODUCTS, SHARPNESS, STEEP, VIEWS
from quantization.step_graph.form import Memory, Remembering
from quantization.step_graph.parts import join
from quantization.step_graph.running_means import running_mean_weights


class ViewChoiceStep(Remembering):
    """Coefficients of two sources in each of two views to those of both together, `[T, N]` each."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.carries = (
            Carry("views", "views_out", (1, PRODUCTS)),
            Carry("views_count", "views_count_out", (1, 1)),
            Carry("views_order", "views_order_out", (1, VIEWS)),
        )

    def choose(self, first: Sequence[Tensor], second: Sequence[Tensor], memory: Memory) -> tuple[list[Tensor], Memory]:
        """The sources, of those of both views, and the memory that comes out."""
        means, after = self.means(products(*first, *second), memory)
        alike_1, alike_2, same = likenesses(means)
        best = ((alike_2 - alike_1) * STEEP + 0.5).clamp(-0.5, 0.5) + 0.5  # between 0 and 1 it would leave the delegate
        share = ((alike_2 - alike_1) * SHARPNESS).sigmoid()
        order, frames = memory["views_order"] + 1, list[Tensor]()
        for t in range(self.frames):
            held = (order * STEEP + 1).clamp(-1, 1)
            one, other = held[:, :1], held[:, 1:]
            by, like = best[t : t + 1], same[t : t + 1]
            order = torch.cat([by * one + (1 - by) * like * other, by * like * one + (1 - by) * other], dim=1)
            frames.append(order)
        kept = (join(frames, 0) + 1) * 0.5
        kept_1, kept_2 = share * kept[:, :1], (1 - share) * kept[:, 1:]
        left_1, left_2 = share - kept_1, 1 - share - kept_2
        sources = [
            kept_1 * first[s] + left_1 * first[1 - s] + (kept_2 * second[s] + left_2 * second[1 - s])
            for s in range(len(first))
        ]
        return sources, {**after, "views_order_out": order - 1}

    def means(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Running means `[T, 7]` of as many numbers a frame."""
        before, count = memory["views"], memory["views_count"]
        decay, weights = running_mean_weights(count, self.frames, HORIZON)
        if self.frames == 1:
            means = decay * before + weights[0] * x
        else:
            means = decay.reshape(-1, 1) * before + (weights @ x[None]).reshape(x.shape)
        return means, {"views_out": means[-1:], "views_count_out": (count + self.frames).clamp(max=HORIZON)}


def products(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Of two sources in each of two views, `[T, N]` each: what `models.layers.views.products` makes of them."""
    parts = [a * b, a * a, b * b, c * d, c * c, d * d, (a - b) * (c - d)]
    return join([part.sum(-1, keepdim=True) for part in parts], 1)


def likenesses(means: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How alike the sources of each view are, and how surely the views have one order, `[T, 1]` each."""
    between_1, a, b, between_2, c, d, differences = (means[:, i : i + 1] for i in range(PRODUCTS))
    same = (differences * (2 * CERTAINTY) / (a + b + c + d + FLOOR**0.5)).tanh()
    return between_1.abs() * torch.rsqrt(a * b + FLOOR), between_2.abs() * torch.rsqrt(c * d + FLOOR), same

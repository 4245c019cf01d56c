"""Several views of one array, of which the one that tells two talkers apart better comes out.

A network that separates talkers by where they are puts them in some order of places, in front before behind for one,
and fails where that order has no answer: where both are equally far in front. No order of two places on a circle is
continuous (unordered pairs of places are a Moebius strip), so every network of this kind fails somewhere; but with the
array turned it fails elsewhere. So it looks at a symmetric array in several orders of the microphones, which are views
from several sides. Where a view fails, its two outputs are alike: their correlation so far says which view to take.

Each view has an order of the talkers of its own. The view that is taken keeps the order it has, and another is put in
the order that resembles it, so talkers do not change places where one view takes over from another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.layers.running_means import running_means
from models.streaming import State, Streaming

VIEWS = SOURCES = 2
PRODUCTS = 7  # of the coefficients of a frame: between the sources in each view, and between the views
HORIZON = 250  # frames, 2 s at a hop of 8 ms
SHARPNESS = 10.0  # what a difference of correlations is multiplied with, in the share of a view
CERTAINTY = 20.0  # the same of a likeness between two orders
STEEP = 1e9  # a product with it, clamped, is a choice that stays in the delegate
FLOOR = 1e-20  # of products of powers: below what 16 bits resolve


class ViewChoice(Streaming):
    """Sources of two views to those of both together, each view by how well it has told them apart lately.

    Shape: coefficients `[V, B, T, S, N]` of two views and sources to `[B, T, S, N]`. State: running means of products
    between them `[B, 7]`, frames so far `[B, 1]`, and by how much the order of each view is from the one it started in,
    `[B, 2]`: 0 for the same, -2 for the other.
    """

    horizon = HORIZON

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("nothing", torch.zeros(1, PRODUCTS), persistent=False)

    def init_state(self, batch: int = 1) -> State:
        start = self.nothing.expand(batch, -1)
        return start, start[:, :1], start[:, :VIEWS]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        before, count, turned = state
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.nothing.dtype)
            means = running_means(products(x), before, count, self.horizon)
            alike, same = likenesses(means)
            order, frames = turned + 1, []
            for of_frame in torch.stack([best(alike), same], dim=-1).unbind(1):
                order = orders(order, *of_frame.chunk(2, dim=-1))
                frames.append(order)
            first = ((alike[..., 1:] - alike[..., :1]) * SHARPNESS).sigmoid()
            shares = torch.cat([first, 1 - first], dim=-1)[..., None, None]  # [B, T, V, 1, 1]
            kept = (1 + torch.stack(frames, dim=1))[..., None, None] / 2
            views = x.permute(1, 2, 0, 3, 4)  # [B, T, V, S, N]
            y = (shares * (kept * views + (1 - kept) * views.flip(-2))).sum(2)
        return y, (means[:, -1], (count + x.shape[2]).clamp(max=self.horizon), order - 1)


def products(x: Tensor) -> Tensor:
    """Of the coefficients of every frame `[V, B, T, S, N]`, `[B, T, 7]`: between the sources of the first view, with
    themselves, the same of the second view, and how much more the views are alike as they are than with one turned."""
    (a, b), (c, d) = (view.unbind(-2) for view in x)
    pairs = ((a, b), (a, a), (b, b), (c, d), (c, c), (d, d), (a - b, c - d))
    return torch.stack([(p * q).sum(-1) for p, q in pairs], dim=-1)


def likenesses(means: Tensor) -> tuple[Tensor, Tensor]:
    """How alike the sources of each view are, 0 to 1, `[..., 2]`, and how surely the views have one order, -1 to 1."""
    between, own = means[..., [0, 3]], means[..., [1, 4]] * means[..., [2, 5]]
    power = means[..., [1, 2, 4, 5]].sum(-1)
    return between.abs() * (own + FLOOR).rsqrt(), (2 * CERTAINTY * means[..., 6] / (power + FLOOR**0.5)).tanh()


def best(alike: Tensor) -> Tensor:
    """1 where the first view tells its sources apart at least as well as the second, else 0, of `[..., 2]`."""
    return ((alike[..., 1] - alike[..., 0]) * STEEP + 0.5).clamp(-0.5, 0.5) + 0.5


def orders(before: Tensor, first: Tensor, same: Tensor) -> Tensor:
    """The order of each view in a frame, 1 as it is to -1 turned, after those of the frame before, `[B, 2]`.

    first: 1 where the first view is the one to go by, and 0 where the second is, `[B, 1]`. It keeps its order, and the
    other gets one that resembles it, in between where neither does. same: whether both have one order, `[B, 1]`.
    """
    held = (before * STEEP + 1).clamp(-1, 1)
    one, other = held.chunk(2, dim=-1)
    return torch.cat([first * one + (1 - first) * same * other, first * same * one + (1 - first) * other], dim=-1)

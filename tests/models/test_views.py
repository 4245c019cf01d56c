"""Two views of an array: the one that tells two talkers apart comes out, in the order that came out before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from edge_sdk.audio.arrays import load_array
from edge_sdk.errors import CheckpointError
from models.checkpoint import save_network, start_from
from models.contract import check_latency, verify_contract
from models.data.example import Example
from models.layers.filterbanks import FilterbankConfig
from models.layers.narrow_band import NarrowBandConfig
from models.layers.recurrent import StackedLSTMConfig
from models.layers.tcn import TCNConfig
from models.layers.views import ViewChoice
from models.multichannel import SpatialConfig
from models.tasnet import TasNet, TasNetConfig
from models.training.views import OneViewEach, SuitedToViews, apart

VIEWS = ((0, 1, 2, 3), (1, 2, 3, 0))
SPATIAL = SpatialConfig(4, combine="filter-and-sum", views=VIEWS)
CONFIG = TasNetConfig(
    mask="complex",
    filterbank=FilterbankConfig(window=16, hop=8, context=16, filters=34, start="stft"),
    separator=TCNConfig(bottleneck=6, hidden=8, skip=4, blocks=3, repeats=1),
    spatial=SPATIAL,
    narrow_band=NarrowBandConfig(context=3, hidden=5),
)


def lively(config: TasNetConfig) -> TasNet:
    torch.manual_seed(1)
    network = TasNet(config)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def talkers(frames: int) -> Tensor:
    """The coefficients of two people who talk by turns, sometimes both, `[T, S, N]`."""
    generator = torch.Generator().manual_seed(3)
    loud = torch.rand(frames // 5 + 1, 2, 1, generator=generator).repeat_interleave(5, dim=0)[:frames] ** 3
    return loud * torch.randn(frames, 2, 34, generator=generator)


def unsure(sources: Tensor) -> Tensor:
    """What a view gives that cannot tell the talkers apart: all of it in both."""
    return sources.sum(-2, keepdim=True).expand_as(sources) / 2


def choose(first: Tensor, second: Tensor) -> Tensor:
    return ViewChoice()(torch.stack([first, second])[:, None])[0]


@pytest.mark.parametrize("better", [0, 1])
def test_the_view_that_tells_them_apart_comes_out(better: int) -> None:
    wanted = talkers(200)
    views = [wanted, unsure(wanted)] if better == 0 else [unsure(wanted), wanted]
    y = choose(*views)
    torch.testing.assert_close(y[50:], wanted[50:], rtol=0, atol=1e-3 * float(wanted.abs().max()))


def test_views_that_are_equally_good_are_averaged_in_one_order() -> None:
    wanted = talkers(200)
    noise = 0.1 * torch.randn(2, 200, 2, 34, generator=torch.Generator().manual_seed(4))
    y = choose(wanted + noise[0], (wanted + noise[1]).flip(-2))
    error = min((y - w)[20:].square().sum() for w in (wanted, wanted.flip(-2)))  # the order is whichever came first
    alone = noise[0, 20:].square().sum()
    assert error < 0.7 * alone, "a mean has half of what each adds"


@pytest.mark.parametrize("turned", [False, True])
def test_talkers_stay_where_they_are_when_the_other_view_takes_over(turned: bool) -> None:
    """They move, slowly enough for both views to be of use meanwhile."""
    wanted = talkers(1500)
    fade = torch.linspace(2, -1, 1500).clamp(0, 1)[:, None, None]
    second = fade.flip(0)
    views = [f * wanted + (1 - f) * unsure(wanted) for f in (fade, second)]
    y = choose(views[0], views[1].flip(-2) if turned else views[1])
    for part in (slice(100, 300), slice(650, 850), slice(1300, 1500)):
        kept, swapped = ((y[part] - w[part]).square().sum() for w in (wanted, wanted.flip(-2)))
        assert kept < 0.2 * swapped, "half of each view being of both, (1/4)^2 to (3/4)^2 between"


def test_silence_and_the_start_of_a_stream_decide_nothing() -> None:
    wanted = talkers(200)
    views = torch.stack([unsure(wanted), wanted.flip(-2)])[:, None]
    silence = torch.zeros_like(views)
    y = ViewChoice()(torch.cat([silence, views], dim=2))[0]
    assert torch.isfinite(y).all() and not y[:200].any()
    torch.testing.assert_close(y[200:].abs(), ViewChoice()(views)[0].abs(), rtol=0, atol=1e-2)


@pytest.mark.parametrize("level", [1e-2, 30.0])
def test_loud_and_soft_are_chosen_between_alike(level: float) -> None:
    wanted = talkers(200)
    views = (unsure(wanted), wanted)
    torch.testing.assert_close(choose(*(level * v for v in views)) / level, choose(*views), rtol=0, atol=1e-4)


def test_a_network_of_two_views_streams_as_it_declares() -> None:
    network = lively(CONFIG).double()
    x = torch.randn(2, 4, network.hop * 20, dtype=torch.float64)
    verify_contract(network, x, axis=-1, unit=network.hop)
    check_latency(network, x[:1])


def test_each_view_has_its_share_of_a_batch() -> None:
    """A mixture goes to the view of its place in the batch, and the others change nothing of what comes out."""
    trained = OneViewEach(lively(CONFIG))
    x = torch.randn(4, 4, 8 * 20)
    with torch.no_grad():
        y = trained(x)
        torch.testing.assert_close(trained(x[[1, 0, 2, 3]])[[1, 0, 2, 3]], y)
        turned = trained(x[[2, 3, 0, 1]])[[2, 3, 0, 1]]
    assert all(not torch.allclose(turned[i], y[i]) for i in range(4))


def test_a_network_goes_on_with_a_second_view_and_the_first_is_as_it_was(tmp_path: Path) -> None:
    one = lively(replace(CONFIG, spatial=replace(SPATIAL, views=())))
    save_network(tmp_path / "one.safetensors", one, {})
    both = TasNet(CONFIG).eval()
    start_from(both, tmp_path / "one.safetensors")
    x = torch.randn(1, 4, 30 * one.hop)
    with torch.no_grad():
        y = OneViewEach(both)(x.repeat(2, 1, 1))
        torch.testing.assert_close(y[:1], one(x))
    assert y[1].isfinite().all() and not torch.allclose(y[1], y[0])


def test_the_second_view_starts_with_the_same_mask_at_the_reference(tmp_path: Path) -> None:
    """Where all microphones hear the same, what a filter of all passes is their sum, wherever the reference stands."""
    one = lively(replace(CONFIG, spatial=replace(SPATIAL, views=())))
    save_network(tmp_path / "one.safetensors", one, {})
    both = TasNet(CONFIG).eval()
    start_from(both, tmp_path / "one.safetensors")
    x = torch.randn(1, 1, 30 * one.hop).expand(2, 4, -1)
    with torch.no_grad():
        first, second = OneViewEach(both)(x)
    torch.testing.assert_close(second, first, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("views", "hidden"),
    [(VIEWS, 6), (VIEWS[::-1], 5), (((0, 3, 2, 1), VIEWS[1]), 5)],
    ids=["another size", "the turned view first", "a mirrored view first"],
)
def test_what_the_first_view_does_not_see_alike_is_not_taken(
    views: tuple[tuple[int, ...], ...], hidden: int, tmp_path: Path
) -> None:
    save_network(tmp_path / "one.safetensors", TasNet(replace(CONFIG, spatial=replace(SPATIAL, views=()))), {})
    other = replace(CONFIG, spatial=replace(SPATIAL, views=views), narrow_band=NarrowBandConfig(3, hidden))
    with pytest.raises(CheckpointError, match="make them equal or start anew"):
        start_from(TasNet(other), tmp_path / "one.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": 3}, "expected 2 sources"),
        ({"narrow_band": None}, "a narrow_band"),
        ({"background": (4,)}, "no background"),
        ({"separator": StackedLSTMConfig()}, "a TCN"),
        ({"spatial": replace(SPATIAL, combine="reference")}, "filter-and-sum"),
    ],
)
def test_what_cannot_have_views_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"views: .*{message}"):
        replace(CONFIG, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("views", [((0, 1, 2, 3),), ((0, 1, 2, 3), (0, 1, 2, 2)), ((0, 1, 2, 3), (0, 1, 2))])
def test_views_are_orders_of_all_microphones(views: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="view"):
        SpatialConfig(4, combine="filter-and-sum", views=views)


SIDEWAYS, AHEAD = [80.0, -80.0], [10.0, 170.0]  # of the first microphone, which stands at 0 degrees
ACROSS = replace(
    load_array("respeaker-4mic"), positions_m=((0.04, 0.0, 0.0), (0.0, 0.04, 0.0), (-0.04, 0.0, 0.0), (0.0, -0.04, 0.0))
)


class Placed:
    """Mixtures of which nothing is known but their numbers, and the places of their talkers."""

    seed, rooms = 5, SimpleNamespace(array=ACROSS)

    def __init__(self, *places: list[float]) -> None:
        self.places = places

    def example(self, number: int) -> Example:
        about = {"azimuths_deg": self.places[number]} if self.places[number] else {}
        return Example(np.full((4, 3), number), np.zeros((2, 3)), np.zeros((2, 4, 3)), about)


def batch(share: float, *places: list[float]) -> list[int]:
    """The numbers of mixtures with these places, in the order of a batch."""
    loaded = SuitedToViews(Placed(*places), (0, 1), share).__getitems__(list(range(len(places))))
    return [int(mixture[0, 0]) for mixture, _ in loaded]


def test_talkers_are_apart_towards_a_microphone_that_one_is_nearer_to() -> None:
    assert apart([0.0, 180.0], ACROSS, 0) == pytest.approx(2) and apart([0.0, 180.0], ACROSS, 1) == pytest.approx(0)
    assert apart([60.0, 90.0], ACROSS, 0) == pytest.approx(0.5) and apart([30.0, -30.0], ACROSS, 1) == pytest.approx(1)


def test_a_view_gets_the_mixtures_whose_talkers_it_can_order() -> None:
    assert batch(1.0, SIDEWAYS, AHEAD, SIDEWAYS, AHEAD) == [1, 3, 0, 2]
    assert batch(1.0, SIDEWAYS, [], AHEAD) == [2, 1, 0]  # places that are not known are neither
    assert batch(0.0, SIDEWAYS, AHEAD) == [0, 1]


def test_so_many_batches_are_sorted_as_are_asked_for_and_the_same_ones_always() -> None:
    mixtures = SuitedToViews(Placed(*[SIDEWAYS, AHEAD] * 400), (0, 1), 0.8)
    once, again = ([mixtures.__getitems__([n, n + 1]) for n in range(0, 800, 2)] for _ in range(2))
    turned = [first[0, 0] > second[0, 0] for (first, _), (second, _) in once]
    assert 0.74 < np.mean(turned) < 0.86
    assert turned == [first[0, 0] > second[0, 0] for (first, _), (second, _) in again]

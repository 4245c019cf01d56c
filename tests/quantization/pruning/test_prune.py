"""How many channels stay where, what fitting behind them gains, and what is refused."""

import numpy as np
import pytest
import torch

from models.layers.dual_path import DualPathConfig
from models.layers.recurrent import StackedLSTMConfig
from models.network import Network
from models.zoo import build, preset
from quantization.pruning import PruneConfig, prune
from quantization.pruning.dimensions import hidden_dimensions
from quantization.pruning.importance import norm_importance
from quantization.pruning.reconstruction import reconstruct
from quantization.pruning.selection import keep_globally, keep_layers
from quantization.pruning.surgery import shrink
from tests.quantization.pruning.networks import COMPLEX, SEPARATORS, TINY, network
from tests.quantization.pruning.test_importance import mixtures
from tests.quantization.pruning.test_surgery import halves, silence

SIX = [f"separator.blocks.{index}" for index in range(6)]


def fine(**settings: object) -> PruneConfig:
    """For networks of a few channels."""
    return PruneConfig(**{"importance": "norm", "multiple": 1, "minimum": 1, **settings})


@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.parametrize("importance", ["norm", "activation", "taylor"])
def test_half_of_the_channels_go(name: str, importance: str) -> None:
    pruned = prune(network(SEPARATORS[name]), mixtures(), fine(ratio=0.5, importance=importance))
    assert pruned.config.separator.hidden == 4
    assert torch.isfinite(pruned(torch.from_numpy(mixtures()[0][0])[None])).all()


def test_filters_go_too_and_an_stft_start_becomes_learned_rows() -> None:
    pruned = prune(network(TINY, COMPLEX, "complex"), mixtures(), fine(ratio=0.0, filters=0.5))
    assert (pruned.config.filterbank.filters, pruned.config.filterbank.start) == (8, "random")
    assert pruned.config.separator == TINY


@pytest.mark.parametrize(
    ("ratio", "multiple", "width"), [(0.5, 16, 192), (0.3, 16, 272), (0.99, 16, 16), (0.5, 1, 192)]
)
def test_every_layer_keeps_the_same_number_in_multiples(ratio: float, multiple: int, width: int) -> None:
    net = build(preset("enhance-mono")).eval()
    pruned = prune(net, [], PruneConfig(ratio, importance="norm", multiple=multiple))
    assert (pruned.config.separator.hidden, pruned.config.separator.widths) == (width, ())


def test_the_most_important_channels_of_all_layers_stay() -> None:
    dimensions = hidden_dimensions(network(TINY))
    generator = torch.Generator().manual_seed(0)
    scores = {d.name: torch.rand(8, generator=generator) for d in dimensions}
    kept = keep_globally(dimensions, scores, fine(ratio=0.5, importance="taylor"), [])
    chosen = torch.cat([scores[name][channels] for name, channels in kept.items()])
    assert sum(map(len, kept.values())) == 24
    assert chosen.min() >= torch.cat(list(scores.values())).sort(descending=True).values[24 + 6]  # one each must stay
    assert all(torch.equal(channels, channels.sort().values) for channels in kept.values())


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.75])
def test_widths_of_ranked_layers_are_multiples_and_no_less_than_the_minimum(ratio: float) -> None:
    dimensions = hidden_dimensions(build(preset("enhance-mono")))
    scores = {d.name: torch.rand(d.width) * (1 + index) for index, d in enumerate(dimensions)}
    kept = keep_globally(dimensions, scores, PruneConfig(ratio, importance="taylor", scope="global", minimum=32), [])
    widths = [len(channels) for channels in kept.values()]
    assert all(width % 16 == 0 and width >= 32 for width in widths) and len(set(widths)) > 1
    assert sum(widths) == pytest.approx((1 - ratio) * sum(d.width for d in dimensions), abs=16)


def test_whole_blocks_count_in_the_ratio() -> None:
    pruned = prune(network(TINY), mixtures(), fine(ratio=0.5, blocks=2))
    widths = pruned.config.separator.widths
    assert widths.count(0) == 2 and set(widths) == {0, 6}  # half of 48, in four blocks
    dimensions = hidden_dimensions(network(TINY))
    kept = keep_layers(dimensions, {name: torch.rand(8) for name in SIX}, fine(ratio=0.1), SIX[:2])
    assert [len(kept[name]) for name in SIX] == [0, 0, 8, 8, 8, 8], "what is gone already is not taken twice"


def error(net: Network, other: Network) -> float:
    """Mean square of the difference of outputs on a mixture that nothing was fitted to."""
    x = torch.from_numpy(mixtures(3)[2][0])[None]
    with torch.no_grad():
        return float((net(x) - other(x)).square().mean())


@pytest.mark.parametrize("name", ["tcn", "tcn without skip path", "tdcn", "dual-path", "skim", "lstm"])
def test_layers_fitted_behind_pruned_channels_bring_the_output_closer(name: str) -> None:
    net = network(SEPARATORS[name])
    config = fine(ratio=0.5, blocks=2) if name.startswith("tcn") else fine(ratio=0.5)
    dimensions = hidden_dimensions(net)
    fitted = prune(net, mixtures(2), config)
    gone = [] if not config.blocks else [SIX[i] for i, w in enumerate(fitted.config.separator.widths) if not w]
    copied = shrink(net, dimensions, keep_layers(dimensions, norm_importance(net, dimensions), config, gone))
    assert fitted.config == copied.config
    assert error(net, fitted) < 0.7 * error(net, copied)


@pytest.mark.parametrize("name", ["tcn", "tcn without skip path", "tdcn", "dual-path"])
def test_where_nothing_of_value_went_fitting_changes_nothing(name: str) -> None:
    net = network(SEPARATORS[name])
    dimensions = hidden_dimensions(net)
    kept = halves(dimensions)
    silence(net, dimensions, kept)
    copied, fitted = shrink(net, dimensions, kept), shrink(net, dimensions, kept)
    reconstruct(fitted, net, dimensions, kept, mixtures())
    for key, tensor in fitted.state_dict().items():
        torch.testing.assert_close(tensor, copied.state_dict()[key], rtol=0, atol=1e-4)  # float32 errors over the ridge


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ratio": 1.0}, "ratio = 1.0: expected a share"),
        ({"ratio": -0.1}, "ratio = -0.1: expected a share"),
        ({"ratio": float("nan")}, "ratio = nan: expected a share"),
        ({"filters": 1.5}, "filters = 1.5: expected a share"),
        ({"ratio": 0.0}, "nothing to prune"),
        ({"multiple": 0}, "multiple = 0"),
        ({"importance": "magic"}, "importance 'magic': expected one of activation, taylor, norm"),
        ({"scope": "block"}, "scope 'block': expected one of layer, global"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PruneConfig(**settings)


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("tcn", fine(ratio=0.9), "ratio = 0.9 leaves separator.blocks.0 with its 8 channels empty"),
        ("tcn", fine(ratio=0.9, scope="global", minimum=4), "at least 4 channels in each layer: at most 0.50 can go"),
        ("tcn", fine(ratio=0.5, blocks=6), "blocks = 6 of 6: expected to keep one"),
        ("tcn", PruneConfig(0.5, importance="norm"), "takes nothing from layers of 8 channels"),
        ("tdcn", fine(ratio=0.5, blocks=1), "blocks = 1 with a separator of kind 'tdcn'"),
        ("skim", fine(ratio=0.5, scope="global"), "scope 'global' with a separator of kind 'skim'"),
        ("dual-path", fine(ratio=0.5, scope="global"), "scope 'global' with a separator of kind 'dual-path'"),
    ],
)
def test_what_a_network_cannot_lose_is_refused(name: str, config: PruneConfig, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        prune(network(SEPARATORS[name]), mixtures(), config)


def test_networks_without_parts_that_pruning_knows_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="network of type FaSNetTAC has no parts that pruning knows"):
        prune(build(preset("fasnet-tac-edge")).eval(), [], fine())
    for separator in (DualPathConfig(causal=False, hidden=6), StackedLSTMConfig(causal=False, hidden=6)):
        with pytest.raises(ValueError, match="LSTMs of both directions"):
            prune(network(separator), [], fine())
    for name, reason in (("array4-2spk-edge", "several microphones"), ("separate-2spk-hearing-aid", "gammatone")):
        with pytest.raises(ValueError, match=reason):
            prune(build(preset(name)).eval(), [], fine(filters=0.5))


def test_importance_that_is_measured_needs_mixtures() -> None:
    with pytest.raises(ValueError, match="importance 'taylor' is found out on mixtures, and there are none"):
        prune(network(TINY), [], fine(importance="taylor"))
    with pytest.raises(ValueError, match="which block to do without is found out on mixtures"):
        prune(network(TINY), [], fine(blocks=1))


def test_the_same_mixtures_prune_the_same_way() -> None:
    one, other = (prune(network(TINY), mixtures(), fine(importance="taylor")) for _ in range(2))
    assert all(torch.equal(t, other.state_dict()[name]) for name, t in one.state_dict().items())
    assert np.isfinite(error(one, other))

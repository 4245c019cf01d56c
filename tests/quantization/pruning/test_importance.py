"""What counts as important is what it says."""

import numpy as np
import pytest
import torch

from models.network import Network
from models.recipe import LossConfig
from models.training.losses import Separation
from quantization.pruning.blocks import dispensable_blocks, mean_loss, silenced
from quantization.pruning.dimensions import Dimension, filter_dimension, hidden_dimensions
from quantization.pruning.importance import activation_importance, norm_importance, taylor_importance
from tests.quantization.pruning.networks import COMPLEX, SEPARATORS, TINY, network

LOSS = Separation(LossConfig(spectral_weight=0.0))


def mixtures(count: int = 2, samples: int = 4 * 150) -> list[tuple[np.ndarray, np.ndarray]]:
    """Noise and what it is a sum of."""
    rng = np.random.default_rng(0)
    sources = [0.2 * rng.standard_normal((2, samples)).astype(np.float32) for _ in range(count)]
    return [(s.sum(0, keepdims=True), s) for s in sources]


@torch.no_grad()
def scaled(net: Network, dimension: Dimension, channel: int, factor: float) -> None:
    """Multiply the weights by which a channel leaves."""
    weights = dict(net.named_parameters())
    for part in dimension.slices:
        if part.leaving:
            weights[part.tensor].movedim(part.axis, 0)[channel :: dimension.width] *= factor


@pytest.mark.parametrize("name", SEPARATORS)
def test_taylor_is_the_slope_of_the_loss_along_the_removal_of_a_channel(name: str) -> None:
    net, given, step = network(SEPARATORS[name], COMPLEX, "complex"), mixtures(1), 0.02
    for dimension in (hidden_dimensions(net)[-1], filter_dimension(net)):
        scores = taylor_importance(net, [dimension], given, LOSS)[dimension.name]
        channel = int(scores.argmax())
        with torch.no_grad():
            scaled(net, dimension, channel, 1 + step)
            above = mean_loss(net, given, LOSS)
            scaled(net, dimension, channel, (1 - step) / (1 + step))
            below = mean_loss(net, given, LOSS)
        # The loss in dB has an error of about 1e-5 in float32, and its third derivative is left out.
        assert abs(above - below) / (2 * step) == pytest.approx(float(scores[channel]), rel=0.02, abs=1e-3)


@pytest.mark.parametrize("name", SEPARATORS)
def test_a_channel_that_goes_nowhere_is_the_least_important_by_taylor_and_activation(name: str) -> None:
    net = network(SEPARATORS[name])
    dimensions = hidden_dimensions(net)
    for d in dimensions:
        scaled(net, d, 3, 0.0)
    for scores in (
        taylor_importance(net, dimensions, mixtures(), LOSS),
        activation_importance(net, dimensions, mixtures()),
    ):
        for values in scores.values():
            assert values[3] == 0 and values.argmin() == 3 and (values > 0).sum() == len(values) - 1


def test_norm_is_that_of_all_weights_of_a_channel() -> None:
    net = network(TINY)
    block, name = net.separator.blocks[1], "separator.blocks.1"
    weights = [
        block.expand.weight[2],
        block.expand.bias[2:3],
        block.depthwise.weight[:, 2],
        block.depthwise.bias[2:3],
        block.project.weight[:, 2],
    ]
    found = norm_importance(net, hidden_dimensions(net))[name][2]
    torch.testing.assert_close(found, torch.cat(weights).norm().detach())


def test_activation_is_the_mean_size_of_what_a_channel_adds() -> None:
    net, (mixture, _) = network(TINY), mixtures(1)[0]
    seen = []
    hook = net.separator.blocks[0].project.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net(torch.from_numpy(mixture)[None])
    hook.remove()
    expected = seen[0].abs().mean((0, 1)) * net.separator.blocks[0].project.weight.norm(dim=0)
    found = activation_importance(net, hidden_dimensions(net), [(mixture, mixture)])["separator.blocks.0"]
    torch.testing.assert_close(found, expected.detach())


def test_the_block_to_do_without_is_the_one_without_which_the_loss_is_least() -> None:
    net, given = network(TINY), mixtures()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    gone = dispensable_blocks(net, 2, given, LOSS)
    assert len(set(gone)) == 2
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    with torch.no_grad():
        losses = {}
        for index, block in enumerate(net.separator.blocks):
            with silenced([block]):
                losses[f"separator.blocks.{index}"] = mean_loss(net, given, LOSS)
    assert gone[0] == min(losses, key=losses.__getitem__)

"""Asteroid's FasNetTAC as our FaSNet-TAC with dual-path blocks.

Theirs filters the mixture's frames from before its beginning to after its end; of these it does not keep the outer
ones, but its norms have seen them. Ours sees the same frames of a mixture with `context_ms` of silence less one hop
before it and `context_ms` and a window after it. Similarities of windows below -98 dB of full scale, in theirs those of
rounding noise, fade to zero in ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.fasnet import FaSNetTACConfig
from models.importing.contents import Arguments, Weights
from models.importing.dprnn_tasnet import BLOCK_NORMS, read_recurrence, take_block
from models.importing.folding import Norm, ratio, take_layer, take_norm, under
from models.layers.dual_path import DualPathConfig
from models.layers.filter_and_sum import FilterAndSumConfig

MICS = 8  # theirs takes any number; of ours one has to be said


def convert(arguments: Arguments, weights: Weights) -> tuple[FaSNetTACConfig, dict[str, Tensor]]:
    """Our configuration and its weights."""
    sources = arguments.whole("n_src")
    sample_rate = arguments.whole("sample_rate", 16_000)
    window = sample_rate * arguments.whole("window_ms", 4) // 1000
    context = sample_rate * arguments.whole("context_ms", 16) // 1000
    arguments.get("stride", None)  # it is half a window whatever this says
    chunk = arguments.whole("chunk_size", 50)
    arguments.expect("hop_size", (chunk // 2,), 25)
    arguments.expect("use_tac", (True,), True)
    both = read_recurrence(arguments)
    config = FaSNetTACConfig(
        sources=sources,
        sample_rate=sample_rate,
        mics=MICS,
        beamformer=FilterAndSumConfig(window=window, hop=window // 2, context=2 * context, alignment=context),
        encoder=arguments.whole("enc_dim", 64),
        tac=arguments.whole("tac_hidden_dim", 384),
        average=True,
        separator=DualPathConfig(
            bottleneck=arguments.whole("feature_dim", 64),
            hidden=arguments.whole("hidden_dim", 128),
            chunk=chunk,
            blocks=arguments.whole("n_layers", 4),
            causal=False,
            norm=arguments.choice("norm_type", BLOCK_NORMS, "gLN"),
        ),
    )
    arguments.done()
    return config, state(config, weights, both)


def state(config: FaSNetTACConfig, weights: Weights, both: bool) -> dict[str, Tensor]:
    """Our weights."""
    assert isinstance(config.separator, DualPathConfig)
    width, taps, features = config.separator.bottleneck, config.beamformer.taps, config.encoder
    encoder = weights.take("encoder.weight", features, 1, config.beamformer.frame)[:, 0]
    norm = take_norm(weights, "enc_LN", features)
    # The norm is that of the encoder's features; the similarities joined to them have none.
    joined = Norm(torch.cat([norm.gain, torch.ones(taps)]), torch.cat([norm.bias, torch.zeros(taps)]))
    bottleneck = take_layer(weights, "bottleneck", width, features + taps, 1, bias=False).after(joined)
    made = {"encoder.linear.weight": encoder * ratio(config.separator.norm), **bottleneck.named("separator.bottleneck")}
    for index in range(config.separator.blocks):
        block = take_block(weights, f"DPRNN_TAC.{index}.0", config.separator, both)
        exchange = take_exchange(weights, f"DPRNN_TAC.{index}.1", config)
        made |= under(f"separator.blocks.{index}", block) | under(f"separator.exchanges.{index}", exchange)
    # Where chunks overlap theirs takes the mean, ours the sum.
    output = take_layer(weights, "conv_2D.1", config.sources * width, width, 1, 1).times(0.5)
    return {
        **made,
        "separator.prelu.weight": weights.take("conv_2D.0.weight", 1),
        **output.named("separator.output"),
        **take_layer(weights, "tanh.0", taps, width, 1).named("filters.tap"),
        **take_layer(weights, "gate.0", taps, width, 1).named("filters.gate"),
    }


def take_exchange(weights: Weights, name: str, config: FaSNetTACConfig) -> dict[str, Tensor]:
    """The state of one of our exchanges between microphones."""
    width, hidden = config.separator.bottleneck, config.tac
    made: dict[str, Tensor] = {}
    for theirs, ours, outputs, inputs, factor in (
        ("input_tf", "transform", hidden, width, 1.0),
        ("avg_tf", "average", hidden, hidden, 1.0),
        ("concat_tf", "concatenate", width, 2 * hidden, ratio(config.separator.norm)),
    ):
        made |= take_layer(weights, f"{name}.{theirs}.0", outputs, inputs).times(factor).named(f"{ours}.0")
        made[f"{ours}.1.weight"] = weights.take(f"{name}.{theirs}.1.weight", 1)
    norm = take_norm(weights, f"{name}.norm", width)
    return {**made, "gain": norm.gain, "bias": norm.bias}

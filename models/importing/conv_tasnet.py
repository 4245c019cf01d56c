"""Asteroid's ConvTasNet, causal and not, as our TasNet with a TCN."""

from __future__ import annotations

from torch import Tensor

from models.importing.asteroid import filterbank_state, read_frontend, take_encoder
from models.importing.contents import Arguments, Weights
from models.importing.folding import NORMS, Layer, cat_layers, ratio, take_layer, take_norm, tcn_block, under
from models.layers.tcn import TCNConfig
from models.tasnet import TasNetConfig


def convert(arguments: Arguments, weights: Weights) -> tuple[TasNetConfig, dict[str, Tensor]]:
    """Our configuration and its weights."""
    frontend = read_frontend(arguments, filters=512)
    config = TCNConfig(
        bottleneck=arguments.whole("bn_chan", 128),
        hidden=arguments.whole("hid_chan", 512),
        skip=arguments.whole("skip_chan", 128) if arguments.get("skip_chan", 128) is not None else 0,
        kernel=arguments.whole("conv_kernel_size", 3),
        blocks=arguments.whole("n_blocks", 8),
        repeats=arguments.whole("n_repeats", 3),
        norm=arguments.choice("norm_type", NORMS, "gLN"),
        horizon=frontend.horizon,
        causal=arguments.choice("causal", {True: True, False: False}, False),
        shift=True,
    )
    arguments.done()
    sources, filters, width = frontend.sources, frontend.filters, config.bottleneck
    encoder, decoder = (take_encoder(weights, name, frontend) for name in ("encoder", "decoder"))
    bottleneck = take_layer(weights, "masker.bottleneck.1", width, filters, 1)
    state = {
        **filterbank_state(encoder, decoder, ratio(config.norm)),
        **bottleneck.after(take_norm(weights, "masker.bottleneck.0", filters)).named("separator.bottleneck"),
    }
    for index in range(config.blocks * config.repeats):
        state |= under(f"separator.blocks.{index}", take_block(weights, f"masker.TCN.{index}", config))
    output = take_layer(weights, "masker.mask_net.1", sources * filters, config.skip or width, 1)
    state |= {"separator.prelu.weight": weights.take("masker.mask_net.0.weight", 1), **output.named("separator.output")}
    return TasNetConfig(sources, frontend.sample_rate, frontend.mask, frontend.filterbank(), config), state


def take_block(weights: Weights, name: str, config: TCNConfig) -> dict[str, Tensor]:
    """The state of one of our blocks."""
    width, hidden, shared = config.bottleneck, config.hidden, f"{name}.shared_block"
    depthwise = f"{shared}.3.0" if config.causal else f"{shared}.3"  # a causal one is cut at its end by a second layer
    taps = weights.take(f"{depthwise}.weight", hidden, 1, config.kernel)[:, 0]
    outputs = [take_layer(weights, f"{name}.res_conv", width, hidden, 1)]
    if config.skip:
        outputs.append(take_layer(weights, f"{name}.skip_conv", config.skip, hidden, 1))
    return tcn_block(
        take_layer(weights, f"{shared}.0", hidden, width, 1),
        take_norm(weights, f"{shared}.2", hidden),
        Layer(taps, weights.take(f"{depthwise}.bias", hidden)),
        take_norm(weights, f"{shared}.5", hidden),
        cat_layers(*outputs),
        [weights.take(f"{shared}.{n}.weight", 1) for n in (1, 4)],
        config.norm,
    )

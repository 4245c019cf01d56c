"""Asteroid's dual-path blocks in terms of ours, and its DPRNNTasNet as our TasNet with a dual-path RNN."""

from __future__ import annotations

import torch
from torch import Tensor

from models.importing.asteroid import filterbank_state, read_frontend, take_encoder
from models.importing.contents import Arguments, Weights
from models.importing.folding import NORMS, Layer, ratio, take_layer, take_norm, under
from models.layers.dual_path import DualPathConfig
from models.tasnet import TasNetConfig

# Their cumulative norm knows no chunks.
BLOCK_NORMS = {name: ours for name, ours in NORMS.items() if name != "cgLN"}
LSTM = {"LSTM": None, "lstm": None}


def convert(arguments: Arguments, weights: Weights) -> tuple[TasNetConfig, dict[str, Tensor]]:
    """Our configuration and its weights."""
    frontend = read_frontend(arguments, filters=64)
    chunk = arguments.whole("chunk_size", 100)
    config = DualPathConfig(
        bottleneck=arguments.whole("bn_chan", 128),
        hidden=arguments.whole("hid_size", 128),
        chunk=chunk,
        blocks=arguments.whole("n_repeats", 6),
        causal=False,
        norm=arguments.choice("norm_type", BLOCK_NORMS, "gLN"),
    )
    arguments.expect("hop_size", (None, chunk // 2), None)
    arguments.expect("num_layers", (1,), 1)
    arguments.expect("use_mulcat", (False,), False)
    both = read_recurrence(arguments)
    arguments.done()
    sources, filters, width = frontend.sources, frontend.filters, config.bottleneck
    encoder, decoder = (take_encoder(weights, name, frontend) for name in ("encoder", "decoder"))
    bottleneck = take_layer(weights, "masker.bottleneck.1", width, filters, 1)
    state = {
        **filterbank_state(encoder, decoder, ratio(config.norm)),
        **bottleneck.after(take_norm(weights, "masker.bottleneck.0", filters)).named("separator.bottleneck"),
    }
    for index in range(config.blocks):
        state |= under(f"separator.blocks.{index}", take_block(weights, f"masker.net.{index}", config, both))
    state |= {
        "separator.masks.prelu.weight": weights.take("masker.first_out.0.weight", 1),
        **take_layer(weights, "masker.first_out.1", sources * width, width, 1, 1).named("separator.masks.split"),
        **take_layer(weights, "masker.net_out.0", width, width, 1).named("separator.masks.value"),
        **take_layer(weights, "masker.net_gate.0", width, width, 1).named("separator.masks.gate"),
        "separator.masks.output.weight": weights.take("masker.mask_net.weight", filters, width, 1)[:, :, 0],
    }
    return TasNetConfig(sources, frontend.sample_rate, frontend.mask, frontend.filterbank(), config), state


def read_recurrence(arguments: Arguments) -> bool:
    """Whether the recurrence across chunks has both directions; the one within them always has."""
    arguments.expect("rnn_type", LSTM, "LSTM")
    arguments.get("dropout", 0)  # of training alone
    return arguments.choice("bidirectional", {True: True, False: False}, True)


def take_block(weights: Weights, name: str, config: DualPathConfig, both: bool) -> dict[str, Tensor]:
    """The state of one of our blocks."""
    state: dict[str, Tensor] = {}
    for path, directions in (("intra", 2), ("inter", 2 if both else 1)):
        width, hidden = config.bottleneck, config.hidden
        lstm = take_lstm(weights, f"{name}.{path}_RNN.rnn", 0, width, hidden, directions)
        linear = take_layer(weights, f"{name}.{path}_linear", width, directions * hidden).times(ratio(config.norm))
        norm = take_norm(weights, f"{name}.{path}_norm", width)
        if directions == 1:  # a second direction that nobody hears
            lstm |= {f"{key}_reverse": torch.zeros_like(tensor) for key, tensor in lstm.items()}
            linear = Layer(torch.cat([linear.weight, torch.zeros_like(linear.weight)], dim=1), linear.bias)
        out = {**linear.named("linear"), "gain": norm.gain, "bias": norm.bias}
        state |= {**under(path, lstm), **under(f"{path}_out", out)}
    return state


def take_lstm(weights: Weights, name: str, layer: int, inputs: int, hidden: int, directions: int) -> dict[str, Tensor]:
    """The weights of one layer of a stack, as of a stack of one."""
    state: dict[str, Tensor] = {}
    for direction in ("", "_reverse")[:directions]:
        for kind, *shape in (("weight_ih", inputs), ("weight_hh", hidden), ("bias_ih",), ("bias_hh",)):
            given = weights.take(f"{name}.{kind}_l{layer}{direction}", 4 * hidden, *shape)
            state[f"{kind}_l0{direction}"] = given
    return state

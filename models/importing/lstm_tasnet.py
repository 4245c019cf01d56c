"""Asteroid's LSTMTasNet, of one direction and of both, as our TasNet with a gated encoder and stacked LSTMs."""

from __future__ import annotations

import torch
from torch import Tensor

from models.importing.asteroid import filterbank_state, read_frontend, take_encoder
from models.importing.contents import Arguments, Weights
from models.importing.dprnn_tasnet import take_lstm
from models.importing.folding import Layer, ratio, take_layer, take_norm, under
from models.layers.recurrent import StackedLSTMConfig
from models.tasnet import TasNetConfig


def convert(arguments: Arguments, weights: Weights) -> tuple[TasNetConfig, dict[str, Tensor]]:
    """Our configuration and its weights."""
    frontend = read_frontend(arguments, filters=64)
    both = arguments.choice("bidirectional", {True: True, False: False}, True)
    config = StackedLSTMConfig(
        hidden=arguments.whole("hid_size", 512),
        layers=arguments.whole("n_layers", 4),
        skip=False,
        causal=not both,
        norm="global" if both else "cumulative",
        horizon=frontend.horizon,
    )
    arguments.get("rnn_type", "lstm")  # it is an LSTM whatever this says
    arguments.get("dropout", 0)  # of training alone
    arguments.done()
    sources, filters, directions = frontend.sources, frontend.filters, 1 + both
    encoder = take_encoder(weights, "encoder.encoder_relu", frontend)
    gate = take_encoder(weights, "encoder.encoder_sig", frontend)
    if not torch.equal(
        encoder, weights.take("encoder.filterbank._filters", *encoder.shape[:1], 1, frontend.window)[:, 0]
    ):
        raise ValueError("encoder.filterbank._filters and encoder.encoder_relu.filterbank._filters differ: one tensor")
    state = {
        **filterbank_state(encoder, take_encoder(weights, "decoder", frontend), ratio(config.norm)),
        "filterbank.gate.weight": gate,
    }
    norm = take_norm(weights, "masker.bn_layer", filters)
    for layer in range(config.layers):
        inputs = directions * config.hidden if layer else filters
        lstm = take_lstm(weights, "masker.masker.0.rnn", layer, inputs, config.hidden, directions)
        for direction in ("", "_reverse")[:directions] if layer == 0 else ():
            weight, bias = f"weight_ih_l0{direction}", f"bias_ih_l0{direction}"
            folded = Layer(lstm[weight], lstm[bias]).after(norm)
            lstm |= {weight: folded.weight, bias: folded.bias}
        state |= under(f"separator.layers.{layer}" if both else f"separator.layers.{layer}.lstm", lstm)
    output = take_layer(weights, "masker.masker.1", sources * filters, directions * config.hidden)
    state |= output.named("separator.output")
    return TasNetConfig(sources, frontend.sample_rate, frontend.mask, frontend.filterbank("gated"), config), state

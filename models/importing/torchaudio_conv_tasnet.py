"""torchaudio's ConvTasNet as our TasNet with a TCN that is not causal.

Its checkpoints are weights alone. Sizes show in them; the activation of the masks, the number of blocks in a repeat and
the sample rate do not and have to be said. Its frames begin half a window before the mixture and end as far after it:
so do ours for a mixture with as much silence after it, as evaluation adds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.importing.asteroid import MASKS, filterbank_state
from models.importing.contents import Arguments, Weights
from models.importing.folding import Layer, cat_layers, ratio, take_layer, take_norm, tcn_block, under
from models.layers.filterbanks import FilterbankConfig
from models.layers.tcn import TCNConfig
from models.tasnet import TasNetConfig

UNSAID = ("msk_activate", "msk_num_layers", "sample_rate")
KERNEL = 3  # its padding fits no other


def convert(arguments: Arguments, weights: Weights) -> tuple[TasNetConfig, dict[str, Tensor]]:
    """Our configuration and its weights."""
    if missing := [name for name in UNSAID if name not in arguments.values]:
        raise ValueError(
            f"weights of torchaudio's ConvTasNet do not say {', '.join(missing)}; add what it was made with, such as "
            "--set msk_activate=relu --set msk_num_layers=8 --set sample_rate=8000 for CONVTASNET_BASE_LIBRI2MIX"
        )
    mask, blocks = arguments.choice("msk_activate", MASKS, None), arguments.whole("msk_num_layers")
    sample_rate = arguments.whole("sample_rate")
    filters, _, window = weights.shape("encoder.weight", 3)
    width = weights.shape("mask_generator.input_conv.weight", 3)[0]
    hidden = weights.shape("mask_generator.conv_layers.0.conv_layers.0.weight", 3)[0]
    outputs = weights.shape("mask_generator.output_conv.weight", 3)[0]
    total = len({name.split(".")[2] for name in weights.left if name.startswith("mask_generator.conv_layers.")})
    if not filters or outputs % filters or not blocks or total % blocks:
        raise ValueError(
            f"{outputs} masks of {filters} filters and {total} blocks, {blocks} in a repeat: do not divide"
        )
    for name, value in (
        ("num_sources", outputs // filters),
        ("enc_kernel_size", window),
        ("enc_num_feats", filters),
        ("msk_kernel_size", KERNEL),
        ("msk_num_feats", width),
        ("msk_num_hidden_feats", hidden),
        ("msk_num_stacks", total // blocks),
    ):
        arguments.expect(name, (value,), value)
    arguments.done()
    config = TCNConfig(width, hidden, width, KERNEL, blocks, total // blocks, norm="global", causal=False, shift=True)
    bank = FilterbankConfig(window=window, hop=window // 2, filters=filters, activation="linear")
    return TasNetConfig(outputs // filters, sample_rate, mask, bank, config), state(config, bank, outputs, weights)


def state(config: TCNConfig, bank: FilterbankConfig, outputs: int, weights: Weights) -> dict[str, Tensor]:
    """Our weights."""
    generator, width = "mask_generator", config.bottleneck
    encoder, decoder = (
        weights.take(f"{name}.weight", bank.filters, 1, bank.window)[:, 0] for name in ("encoder", "decoder")
    )
    norm = take_norm(weights, f"{generator}.input_norm", bank.filters, "weight", "bias")
    bottleneck = take_layer(weights, f"{generator}.input_conv", width, bank.filters, 1).after(norm)
    made = {
        **filterbank_state(encoder, decoder, ratio(config.norm)),
        **bottleneck.named("separator.bottleneck"),
    }
    count = len(config.dilations)
    for index in range(count):
        block = take_block(weights, f"{generator}.conv_layers.{index}", config, index + 1 == count)
        made |= under(f"separator.blocks.{index}", block)
    made["separator.prelu.weight"] = weights.take(f"{generator}.output_prelu.weight", 1)
    return made | take_layer(weights, f"{generator}.output_conv", outputs, width, 1).named("separator.output")


def take_block(weights: Weights, name: str, config: TCNConfig, last: bool) -> dict[str, Tensor]:
    """The state of one of our blocks. The last one of theirs has no residual path: nobody would hear it."""
    width, hidden = config.bottleneck, config.hidden
    layers = f"{name}.conv_layers"
    taps = weights.take(f"{layers}.3.weight", hidden, 1, config.kernel)[:, 0]
    silent = Layer(torch.zeros(width, hidden), torch.zeros(width))
    residual = silent if last else take_layer(weights, f"{name}.res_out", width, hidden, 1)
    return tcn_block(
        take_layer(weights, f"{layers}.0", hidden, width, 1),
        take_norm(weights, f"{layers}.2", hidden, "weight", "bias"),
        Layer(taps, weights.take(f"{layers}.3.bias", hidden)),
        take_norm(weights, f"{layers}.5", hidden, "weight", "bias"),
        cat_layers(residual, take_layer(weights, f"{name}.skip_out", width, hidden, 1)),
        [weights.take(f"{layers}.{n}.weight", 1) for n in (1, 4)],
        config.norm,
    )

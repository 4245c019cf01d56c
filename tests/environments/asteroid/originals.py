"""The networks of Asteroid and torchaudio themselves, with random weights.

Asteroid asks for torchaudio, whose wheel on PyPI needs CUDA, and for Lightning, for its version number; nothing here
needs either. Of torchaudio the one file with its Conv-TasNet is loaded.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from collections.abc import Callable
from importlib.metadata import distribution
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tests.models.imported import Silence

sys.modules["torchaudio"] = None  # type: ignore[assignment]
sys.modules["pytorch_lightning"] = types.SimpleNamespace(__version__="none")  # type: ignore[assignment]
warnings.simplefilter("ignore")

from asteroid.models import ConvTasNet, DPRNNTasNet, FasNetTAC, LSTMTasNet  # noqa: E402


def torchaudio_conv_tasnet(**sizes: Any) -> nn.Module:
    path = distribution("torchaudio").locate_file("torchaudio/models/conv_tasnet.py")
    spec = importlib.util.spec_from_file_location("torchaudio_conv_tasnet", str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ConvTasNet(**sizes)


CONV = {"n_filters": 20, "bn_chan": 8, "hid_chan": 12, "skip_chan": 6, "n_blocks": 3, "n_repeats": 2}
DPRNN = {"n_filters": 16, "bn_chan": 8, "hid_size": 6, "chunk_size": 10, "n_repeats": 2}
LSTM = {"n_filters": 16, "hid_size": 7, "n_layers": 3}
FASNET = {"enc_dim": 10, "feature_dim": 6, "hidden_dim": 5, "n_layers": 2, "context_ms": 4, "sample_rate": 8000}
FASNET |= {"tac_hidden_dim": 7, "chunk_size": 8, "hop_size": 4}
AUDIO = {"enc_num_feats": 20, "msk_num_feats": 8, "msk_num_hidden_feats": 12, "msk_num_layers": 3, "msk_num_stacks": 2}

SMALL: dict[str, Callable[[], nn.Module]] = {
    "conv-tasnet-causal-cLN": lambda: ConvTasNet(2, causal=True, norm_type="cLN", mask_act="relu", **CONV),
    "conv-tasnet-causal-cgLN": lambda: ConvTasNet(2, causal=True, norm_type="cgLN", **CONV),
    "conv-tasnet-gLN": lambda: ConvTasNet(2, norm_type="gLN", mask_act="relu", **CONV),
    "conv-tasnet-cLN": lambda: ConvTasNet(3, norm_type="cLN", conv_kernel_size=5, **CONV),
    "conv-tasnet-no-skip": lambda: ConvTasNet(
        3,
        causal=True,
        conv_kernel_size=4,
        encoder_activation="relu",
        kernel_size=20,
        stride=5,
        **CONV | {"skip_chan": 0},
    ),
    "dprnn-tasnet-gLN": lambda: DPRNNTasNet(2, **DPRNN),
    "dprnn-tasnet-cLN-one-way": lambda: DPRNNTasNet(2, norm_type="cLN", bidirectional=False, mask_act="relu", **DPRNN),
    "lstm-tasnet": lambda: LSTMTasNet(2, bidirectional=False, **LSTM),
    "lstm-tasnet-both-ways": lambda: LSTMTasNet(2, mask_act="relu", **LSTM),
    "fasnet-tac-gLN": lambda: FasNetTAC(2, **FASNET),
    "fasnet-tac-cLN-one-way": lambda: FasNetTAC(2, norm_type="cLN", bidirectional=False, **FASNET),
    "torchaudio-relu": lambda: torchaudio_conv_tasnet(msk_activate="relu", **AUDIO),
    "torchaudio-sigmoid": lambda: torchaudio_conv_tasnet(num_sources=3, enc_kernel_size=20, **AUDIO),
}
# As in the papers, where the toolkit's own default is another: DPRNN with 64 channels between blocks, LSTM-TasNet with
# frames of 5 ms and one direction.
PUBLISHED: dict[str, Callable[[], nn.Module]] = {
    "conv-tasnet": lambda: ConvTasNet(2, causal=True, norm_type="cgLN"),
    "conv-tasnet-gLN": lambda: ConvTasNet(2),
    "dprnn-tasnet": lambda: DPRNNTasNet(2, bn_chan=64),
    "lstm-tasnet": lambda: LSTMTasNet(
        2, n_filters=500, kernel_size=40, stride=20, hid_size=1000, n_layers=4, bidirectional=False
    ),
    "fasnet-tac": lambda: FasNetTAC(2),
    "torchaudio": lambda: torchaudio_conv_tasnet(msk_activate="relu"),
}


def make(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network whose gains, biases and slopes are random too: as they begin, at 0 and 1, some would not show."""
    torch.manual_seed(seed)
    network = build()
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 0.4, 0.3)
    return network.eval()


def toolkit_of(network: nn.Module) -> str:
    return "asteroid" if type(network).__module__.startswith("asteroid.") else "torchaudio"


def contents(network: nn.Module) -> dict[str, Any]:
    """What the toolkit would save."""
    return network.serialize() if toolkit_of(network) == "asteroid" else network.state_dict()


def unsaid(network: nn.Module) -> dict[str, Any]:
    """The arguments that are not in it."""
    if toolkit_of(network) == "asteroid":
        return {}
    activation = type(network.mask_generator.mask_activate).__name__.lower()
    kernels = [block.conv_layers[3] for block in network.mask_generator.conv_layers]
    return {"msk_activate": activation, "msk_num_layers": len({k.dilation for k in kernels}), "sample_rate": 8000}


def levels(network: nn.Module) -> tuple[float, ...]:
    """How loud mixtures are. In quiet ones what is added to a variance shows; our similarities have a floor there."""
    return (1.0,) if isinstance(network, FasNetTAC) else (1.0, 1e-3)


def mixture(network: nn.Module, samples: int) -> Tensor:
    """Noise `[M, n]`, at three microphones for a network of several."""
    return torch.randn(3 if isinstance(network, FasNetTAC) else 1, samples)


@torch.no_grad()
def separated(network: nn.Module, mixture: Tensor, silence: Silence) -> Tensor:
    """Their sources `[S, n]`."""
    before = silence.theirs_before
    return network(pad(mixture, (before, silence.theirs_after))[None])[0, :, before:][:, : mixture.shape[-1]]

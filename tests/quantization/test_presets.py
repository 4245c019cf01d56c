"""Every preset becomes a model that computes what it computes, in one partition, as float32 and as dynamic int8."""

import pytest
import torch

from models.zoo import PRESETS, build, preset
from quantization.delegate import delegation
from quantization.export import export
from quantization.parity import check
from quantization.quantize import quantize


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_exported_and_quantized(name: str) -> None:
    torch.manual_seed(1)
    network = build(preset(name)).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)  # masks that begin at one would let nothing of the rest be seen
    model = export(network, name)
    assert check(network, model).model_db >= 80
    quantized = quantize(model, "dynamic_int8", f"{name}-int8")
    assert check(network, quantized).model_db >= 30
    for artifact in (model, quantized):
        split = delegation(artifact.model)
        # What is joined last, the new rows of delay lines, is joined outside.
        assert split.partitions == 1 and set(split.outside) <= {"CONCATENATION"}

"""What runs in XNNPACK and what does not is found out, whatever the model."""

import os

import pytest
import torch

from edge_sdk import find_model, read_bundle
from quantization.delegate import delegation
from quantization.silence import silence


@pytest.mark.parametrize("name", ["enhance-mono", "enhance-mono-float32"])
def test_a_shipped_model_is_one_partition_and_the_joining_of_its_new_rows(name: str) -> None:
    found = delegation(read_bundle(find_model(name)).model)
    assert (found.partitions, found.outside) == (1, {"CONCATENATION": 1})


def test_an_operator_outside_splits_a_model() -> None:
    class Power(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * x + 1).pow(0.3).tanh() * x

    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    with silence():
        import litert_torch

        model = litert_torch.convert(Power().eval(), (torch.ones(1, 8),))
    found = delegation(bytes(model.model_content()))
    assert (found.partitions, found.outside) == (2, {"POW": 1})

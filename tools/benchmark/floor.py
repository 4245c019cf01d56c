"""What a step cannot be faster than in this interpreter: its matrices alone, in one graph, with nothing between them.

Every matrix is a fully-connected layer over as many rows as the step gives it. All of one width share an input, so that
nothing is copied; outputs are outputs of the graph, so that nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from edge_sdk.backends import AUTO, choose_backend, load_model
from quantization.silence import silence
from quantization.step_graph.graph import StepGraph
from quantization.step_graph.parts import Pointwise


class Matrices(nn.Module):
    """The pointwise layers of a step graph, each on its own."""

    def __init__(self, graph: StepGraph) -> None:
        super().__init__()
        self.rows: list[int] = []
        self.layers = nn.ModuleList()
        for rows, weight in pointwise_layers(graph):
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.weight = nn.Parameter(weight.contiguous().clone(), requires_grad=False)
            self.layers.append(layer)
            self.rows.append(rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return sum(rows * layer.weight.numel() for rows, layer in zip(self.rows, self.layers, strict=True))

    def inputs(self) -> dict[str, Tensor]:
        shapes = {(rows, layer.in_features) for rows, layer in zip(self.rows, self.layers, strict=True)}
        return {f"x{rows}x{width}": torch.randn(rows, width) for rows, width in sorted(shapes)}

    def forward(self, **x: Tensor) -> dict[str, Tensor]:
        return {
            f"y{number}": layer(x[f"x{rows}x{layer.in_features}"])
            for number, (rows, layer) in enumerate(zip(self.rows, self.layers, strict=True))
        }


@torch.no_grad()
def pointwise_layers(graph: StepGraph) -> list[tuple[int, Tensor]]:
    """Rows and weight, `[outputs, inputs]`, of every matrix that a step multiplies by."""
    found: list[tuple[int, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda layer, args, _: found.append((len(args[0]), layer.weight[:, :, 0, 0])))
        for module in graph.modules()
        if isinstance(module, Pointwise)
    ]
    graph(**graph.inputs)
    for hook in hooks:
        hook.remove()
    return found


def convert(matrices: Matrices, recipe: str) -> bytes:
    """The TFLite model, in `float32` or `dynamic_int8`."""
    with silence():
        import litert_torch

        converted = litert_torch.signature("floor", matrices.eval(), sample_kwargs=matrices.inputs()).convert()
        model = bytes(converted.model_content())
    return model if recipe == "float32" else dynamic(model, "FULLY_CONNECTED")


def dynamic(model: bytes, operator: str) -> bytes:
    """The model with the weights of one kind of operator in int8, scales of what they multiply found at run time."""
    with silence():
        from ai_edge_quantizer import qtyping, quantizer, recipe_manager

        rules = recipe_manager.RecipeManager()
        rules.add_dynamic_config(".*", qtyping.TFLOperationName[operator], 8)
        return bytes(quantizer.Quantizer(model, rules.get_quantization_recipe()).quantize().quantized_model)


def runner(model: bytes, threads: int = 1) -> Callable[[], None]:
    """What runs it once."""
    interpreter = load_model(model, choose_backend(AUTO), threads)
    rng = np.random.default_rng(0)
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], rng.standard_normal(tensor["shape"]).astype(np.float32))
    invoke: Callable[[], None] = interpreter.invoke
    return invoke

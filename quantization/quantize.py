"""Quantize an exported model by a named recipe, and check that the recipe really took hold."""

from __future__ import annotations

from typing import Any

from edge_sdk.errors import EdgeError
from quantization.artifact import Artifact
from quantization.recipes import get_recipe

# Types of weights that a recipe leaves: every pointwise layer has one of them afterwards.
WEIGHTS = {"float16": ("float16",), "dynamic_int8": ("int8", "float16")}


def quantize(artifact: Artifact, recipe: str, name: str) -> Artifact:
    """The artifact by another recipe, under another name. Not proved yet: see `quantization.parity.check`.

    Raises `EdgeError` where the model is quantized already or a rule of the recipe found nothing to act on.
    """
    chosen = get_recipe(recipe)
    if artifact.manifest.recipe != "float32":
        raise EdgeError(
            f"{artifact.manifest.name} is {artifact.manifest.recipe} already; quantize the float32 model it came from"
        )
    quantized = artifact.with_model(chosen.apply(artifact.model), recipe, name)
    if recipe in WEIGHTS:
        layers, narrow = pointwise_layers(artifact.model), narrow_weights(quantized.model, WEIGHTS[recipe])
        if narrow != layers:
            raise EdgeError(
                f"{recipe} changed {narrow} of {layers} pointwise layers of {artifact.manifest.name}; "
                "its scopes no longer match the names in quantization/step_graph"
            )
    return quantized


def pointwise_layers(model: bytes) -> int:
    """1x1 convolutions in a model; those of several frames that share their weights count once."""
    _, ops = tensors_and_ops(model)
    return len({int(op["inputs"][1]) for op in ops if op["op_name"] == "CONV_2D"})


def narrow_weights(model: bytes, dtypes: tuple[str, ...]) -> int:
    """Matrices of those types in a model."""
    tensors, _ = tensors_and_ops(model)
    return sum(len(tensor["shape"]) == 4 and tensor["dtype"].__name__ in dtypes for tensor in tensors)


def tensors_and_ops(model: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What an interpreter says of the tensors and of the operators, undelegated."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    return interpreter.get_tensor_details(), interpreter._get_ops_details()

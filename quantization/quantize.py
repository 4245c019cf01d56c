"""Quantize an exported model by a named recipe, and check that the recipe really took hold."""

from __future__ import annotations

from edge_sdk.errors import EdgeError
from quantization.artifact import Artifact
from quantization.recipes import get_recipe

WEIGHTS = {"float16": "float16", "dynamic_int8": "int8"}


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
                "its scopes no longer match the names in quantization/step_graph.py"
            )
    return quantized


def pointwise_layers(model: bytes) -> int:
    """1x1 convolutions in a model."""
    details = tensor_and_op_names(model)[1]
    return sum(op == "CONV_2D" for op in details)


def narrow_weights(model: bytes, dtype: str) -> int:
    """Matrices of that type in a model."""
    return sum(kind == dtype for kind in tensor_and_op_names(model)[0])


def tensor_and_op_names(model: bytes) -> tuple[list[str], list[str]]:
    """Types of the tensors of four dimensions and names of the operators, undelegated."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    kinds = [d["dtype"].__name__ for d in interpreter.get_tensor_details() if len(d["shape"]) == 4]
    return kinds, [op["op_name"] for op in interpreter._get_ops_details()]

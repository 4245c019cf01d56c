"""Quantization recipes: named, frozen, one function each, float32 bytes in, quantized bytes out.

Rules go by the scope of an operator, which holds the attribute names of `StepGraph`: `_separator/` are the layers that
see features, `_encoder;` and `_decoder;` those that see samples. Audio never passes through an 8-bit tensor. A
`FinePointwise` keeps 16 bits whatever its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_sdk.errors import EdgeError
from quantization.silence import silence

FEATURES, SAMPLES, FINE = "_separator/", "_(encoder|decoder);", r"\.FinePointwise_\w+;"


@dataclass(frozen=True)
class Recipe:
    """What it does to a model, and how close to torch the result must stay on a real mixture to be written at all.

    floor_db: smallest signal-to-difference ratio against the network's own output. The floors catch broken conversions;
    what a recipe costs is measured by `edge-sdk evaluate` in dB SI-SDR.
    """

    name: str
    floor_db: float
    apply: Callable[[bytes], bytes]


def float32(model: bytes) -> bytes:
    """As exported."""
    return model


def float16(model: bytes) -> bytes:
    """Half the size: weights kept as float16 and widened when the model is loaded. No faster than float32."""
    from ai_edge_quantizer import recipe_manager

    manager = recipe_manager.RecipeManager()
    keep_float16(manager, ".*")
    return run(model, manager)


def dynamic_int8(model: bytes) -> bytes:
    """Much smaller and faster: `edge-sdk models` and `edge-sdk bench` say by how much.

    Layers on features: int8 weights per output channel, activations to int8 frame by frame, sums in int32.
    Layers on samples: int8 weights, float arithmetic. Norms, depthwise filters and all memories stay float32: an int8
    depthwise convolution leaves the delegate and costs more than it saves. Fine layers: float16 weights.
    """
    from ai_edge_quantizer import qtyping, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.add_dynamic_config(FEATURES, qtyping.TFLOperationName.CONV_2D, 8)
    manager.add_weight_only_config(SAMPLES, qtyping.TFLOperationName.CONV_2D, 8)
    keep_float16(manager, FINE)  # the last rule that fits an operator counts
    return run(model, manager)


def keep_float16(manager: Any, scope: str) -> None:
    """Weights below this scope as float16, widened when the model is loaded."""
    from ai_edge_quantizer import algorithm_manager, qtyping

    manager.add_weight_only_config(
        scope,
        qtyping.TFLOperationName.CONV_2D,
        16,
        qtyping.QuantGranularity.TENSORWISE,
        algorithm_manager.AlgorithmName.FLOAT_CASTING,
    )


def run(model: bytes, manager: object) -> bytes:
    """The model after ai-edge-quantizer has followed a recipe."""
    from ai_edge_quantizer import quantizer

    rules = manager.get_quantization_recipe()  # type: ignore[attr-defined]
    with silence():
        return bytes(quantizer.Quantizer(model, rules).quantize().quantized_model)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("float32", 80.0, float32),
        Recipe("float16", 50.0, float16),
        Recipe("dynamic_int8", 30.0, dynamic_int8),
    )
}


def get_recipe(name: str) -> Recipe:
    """The recipe of that name."""
    if name not in RECIPES:
        raise EdgeError(f"unknown recipe {name!r}: expected one of {', '.join(RECIPES)}")
    return RECIPES[name]

"""Quantize an exported model by a recipe, or by several for different layers; prove that it took hold and runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.resources import as_file, files
from typing import Any

import numpy as np

from edge_sdk import Separator
from edge_sdk.audio.wav import read_wav
from edge_sdk.errors import BackendError, EdgeError
from models.network import Network
from quantization.artifact import Artifact
from quantization.calibration import Calibration
from quantization.layers import SUFFIX, Layer, graph_layers, layers, read, text
from quantization.parity import over_microphones
from quantization.recipes import RECIPES, Overrides, Precision, precisions
from quantization.silence import silence
from quantization.step_graph import step_graph

SAFE = "dynamic_int8"  # what every interpreter runs (`make test-backends`)
STEPS = 8  # that a model must run before it counts as quantized
UNCALIBRATED = "{} has fixed scales for activations; give --calibration, mixtures as the model will hear them"


def quantize(
    artifact: Artifact, recipe: str, name: str, overrides: Overrides = (), calibration: Calibration | None = None
) -> Artifact:
    """The artifact by another recipe, under another name. It runs; how close it is, `quantization.parity.check` says.

    overrides: other recipes for single layers, see `quantization.recipes.Overrides`. calibration: the ranges that
    recipes with fixed scales need, see `quantization.calibration.calibrate`.
    Raises `EdgeError` where the model is quantized already, has operators that the recipe has no kernel for, or a
    recipe needs another calibration.
    """
    if artifact.manifest.recipe != "float32":
        raise EdgeError(
            f"{artifact.manifest.name} is {artifact.manifest.recipe} already; quantize the float32 model it came from"
        )
    found = layers(artifact.model)
    chosen, recipes = precisions(found, recipe, overrides)
    check_calibrated(artifact, recipes, [layer for layer in found if chosen[layer.name].static], calibration)
    quantized = artifact.with_model(apply(artifact.model, found, chosen, recipes, calibration), recipes, name)
    bits = stored_bits(quantized.model)
    if left := [layer.name for layer in found if bits.get(layer.name) != chosen[layer.name].weights]:
        raise EdgeError(
            f"{recipes} left {len(left)} of {len(found)} layers of {artifact.manifest.name} as they were, such as "
            f"{left[0]}; give it another recipe with an override"
        )
    about: dict[str, Any] = {"overrides": [list(pair) for pair in overrides]} if overrides else {}
    if calibration is not None and any(precision.static for precision in chosen.values()):
        about["calibration"] = calibration.about
    if about:
        before = artifact.manifest.provenance
        provenance = {**before, "quantization": {**before.get("quantization", {}), **about}}
        quantized = replace(quantized, manifest=replace(quantized.manifest, provenance=provenance))
    run_steps(quantized)
    return quantized


def check_recipe(network: Network, recipe: str, overrides: Overrides, calibrated: bool) -> None:
    """What `quantize` would refuse of a network, known before it is exported, which takes its time."""
    chosen, recipes = precisions(graph_layers(step_graph(network, 1)), recipe, overrides)
    if not calibrated and any(precision.static for precision in chosen.values()):
        raise EdgeError(UNCALIBRATED.format(recipes))


def check_calibrated(
    artifact: Artifact, recipes: str, static: Iterable[Layer], calibration: Calibration | None
) -> None:
    """`EdgeError` where a layer with fixed scales has no range."""
    for layer in static:
        if calibration is None:
            raise EdgeError(UNCALIBRATED.format(recipes))
        if layer.name not in calibration.ranges:
            raise EdgeError(
                f"the calibration has no range for {layer.name} of {artifact.manifest.name}; it is of another network, "
                "calibrate again"
            )


def apply(
    model: bytes,
    found: tuple[Layer, ...],
    chosen: Mapping[str, Precision],
    recipes: str,
    calibration: Calibration | None,
) -> bytes:
    """The model after ai-edge-quantizer has given every layer its precision, each by a rule of its own."""
    from ai_edge_quantizer import quantizer, recipe_manager

    rules, ranges = recipe_manager.RecipeManager(), dict[str, dict[str, Any]]()
    for layer in found:
        precision = chosen[layer.name]
        if precision != Precision():
            try:
                add_rules(rules, layer, precision)
            except ValueError as error:
                raise EdgeError(
                    f"{recipes} has no kernel for {layer.op}, {layer.name}; {alternatives(layer)}"
                ) from error
        if calibration is not None and precision.static:
            limits = calibration.ranges[layer.name]
            for names, (low, high) in ((layer.inputs, limits.inputs), (layer.outputs, limits.outputs)):
                ranges |= {
                    name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)} for name in names
                }
    if not rules.get_quantization_recipe():
        return model
    with silence():
        result = quantizer.Quantizer(model, rules.get_quantization_recipe()).quantize(ranges or None)
        return bytes(result.quantized_model)


def add_rules(rules: Any, layer: Layer, precision: Precision) -> None:
    """One rule for each operator of a layer; `ValueError` where the quantizer knows of no kernel."""
    from ai_edge_quantizer import algorithm_manager, qtyping

    op = qtyping.TFLOperationName(layer.op)
    for output in layer.outputs:
        scope = f"^{re.escape(output)};$"
        if precision.static:
            rules.add_static_config(scope, op, 8 if precision.activations == "int8" else 16, precision.weights)
        elif precision.activations == "dynamic":
            rules.add_dynamic_config(scope, op, precision.weights)
        elif precision.weights == 16:
            tensorwise, casting = qtyping.QuantGranularity.TENSORWISE, algorithm_manager.AlgorithmName.FLOAT_CASTING
            rules.add_weight_only_config(scope, op, 16, tensorwise, casting)
        else:
            rules.add_weight_only_config(scope, op, precision.weights)


def alternatives(layer: Layer) -> str:
    """Which recipes have a kernel for a layer."""
    from ai_edge_quantizer import recipe_manager

    would_do = []
    for recipe in RECIPES.values():
        precision = recipe.precision(layer)
        try:
            if precision != Precision():
                add_rules(recipe_manager.RecipeManager(), layer, precision)
        except ValueError:
            continue
        would_do.append(recipe.name)
    return f"{' or '.join(would_do)} would do"


def stored_bits(model: bytes) -> dict[str, int]:
    """Bits in which a model keeps its tensors, those of layers under the layers' names."""
    from ai_edge_litert.schema_py_generated import TensorType

    bits = {TensorType.FLOAT32: 32, TensorType.FLOAT16: 16, TensorType.INT8: 8, TensorType.INT4: 4}
    tensors = read(model).subgraphs[0].tensors
    return {text(tensor).removesuffix(SUFFIX): bits.get(tensor.type, 0) for tensor in tensors}


def run_steps(artifact: Artifact) -> None:
    """Some steps over a real mixture; `EdgeError` where the interpreter cannot, or the output is not all finite."""
    m = artifact.manifest
    with as_file(files("quantization") / "assets" / "mixture.flac") as shipped:
        mixture = over_microphones(read_wav(shipped, m.sample_rate, 1)[0], m.mics)
    middle = mixture[:, mixture.shape[1] // 2 :][:, : STEPS * m.block]
    try:
        with silence():
            sources = Separator(artifact.bundle).process(middle)
    except BackendError as error:
        op = re.search(r"Node number \d+ \((\w+)\)", str(error))
        raise EdgeError(
            f"{m.recipe} has no kernel for {op.group(1) if op else 'an operator'} of {m.name} here ({error}); "
            f"{SAFE} would do"
        ) from error
    if sources.shape != (m.sources, middle.shape[1] // m.block * m.block) or not np.isfinite(sources).all():
        raise EdgeError(
            f"{m.name} ({m.recipe}) gives NaN, infinite or too few samples for a real mixture; {SAFE} would do"
        )

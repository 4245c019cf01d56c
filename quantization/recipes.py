"""Quantization recipes: named, frozen, one function each, which says for one layer in which numbers it works.

What no recipe touches: audio never passes through an 8-bit tensor (encoders and decoders multiply in float32, whatever
their weights are stored in), all memory goes in and out of the step as float32, and fine layers keep 16 bits.

A floor is the smallest signal-to-difference ratio on a real mixture with which a model is written. It catches broken
conversions: a wrong row of weights or a lost zero point costs more than all of a recipe's rounding. What a recipe costs
in dB SI-SDR is another question, which `edge-sdk compare` answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_sdk.errors import EdgeError
from quantization.layers import DEPTHWISE, Layer

# A recipe for part of a network: a regular expression that names layers, or modules with all layers below them. So
# ("separator.blocks.3", "float32") is that block, and (".*.expand", "dynamic_int4") the first layer of every block.
Overrides = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Precision:
    """Bits of the weights as they are stored, and the numbers in which a layer multiplies.

    activations: `float32`; `dynamic`, int8 with a scale for every frame, found while running; `int8` or `int16`, with
    one scale from calibration for what goes in and one for what comes out. Integer weights have a scale per output.
    """

    weights: int = 32
    activations: str = "float32"

    @property
    def static(self) -> bool:
        """Whether it needs calibration."""
        return self.activations in ("int8", "int16")


FLOAT, HALF, NARROW = Precision(), Precision(16), Precision(8)


@dataclass(frozen=True)
class Recipe:
    """The precision of each layer, and how close to torch a model must stay to be written at all.

    not_on: interpreters that load such a model and compute something else (`make test-backends`).
    """

    name: str
    floor_db: float
    precision: Callable[[Layer], Precision]
    not_on: tuple[str, ...] = ()


def float32(layer: Layer) -> Precision:
    """As exported. Floor 80 dB: the same arithmetic in another order."""
    return FLOAT


def float16(layer: Layer) -> Precision:
    """Half the size, no faster: weights are widened when the model is loaded.

    Floor 50 dB: eleven significant bits round each weight by 2 ** -12 of itself at most, 72 dB down, and some thirty
    layers add up to 60 dB or more.
    """
    return FLOAT if layer.op == DEPTHWISE else HALF


def weight_int8(layer: Layer) -> Precision:
    """A quarter of the size, no faster: int8 weights per output channel, all arithmetic in float32.

    For processors without int8 products, and where nothing may be lost but the rounding of the weights. Depthwise
    filters stay float32: hardly any weights, which meet every channel alone. Floor 30 dB as for `dynamic_int8`.
    """
    return FLOAT if layer.op == DEPTHWISE else in_eight_bits(layer, NARROW)


def dynamic_int8(layer: Layer) -> Precision:
    """Much smaller and faster, and the first to try: `edge-sdk models` and `edge-sdk bench` say by how much.

    Layers on features: int8 weights per output channel, activations to int8 frame by frame, sums in int32. No
    calibration, and no level at which it fails: every frame has its own scale. Layers on samples: int8 weights, float
    arithmetic. Norms and depthwise filters stay float32: an int8 depthwise convolution with dynamic ranges leaves the
    delegate and costs more than it saves. Floor 30 dB: the networks of the tests, of random weights, reach 38 to 45 dB.
    """
    return FLOAT if layer.op == DEPTHWISE else in_eight_bits(layer, Precision(8, "dynamic"))


def dynamic_int4(layer: Layer) -> Precision:
    """The smallest, for flash memory that is too small for int8; not faster than float32.

    As `dynamic_int8` with weights of sixteen levels on features. XNNPACK has no convolution with 4-bit weights, so the
    interpreter's own kernels run them; layers on samples keep int8 weights. It loses the most: fine-tune with
    `edge-sdk qat`. tflite-runtime 2.14 loads it and gives NaN. Floor 10 dB: sixteen levels round a weight by 1/14 of
    the largest of its row at most, about 18 dB below the row for normally distributed weights; thirty layers add up.
    """
    return FLOAT if layer.op == DEPTHWISE else in_eight_bits(layer, Precision(4, "dynamic"))


def static_int8(layer: Layer) -> Precision:
    """Int8 products with fixed scales, for accelerators and compilers that know no others; needs calibration.

    Pointwise layers on features take and give int8 with one scale each for the whole stream, so a quiet frame has few
    of the 255 levels: dynamic ranges lose less. What lies between them stays float32: norms that do not fold (batch
    norms do, and cost nothing), slopes, and depthwise filters with their memory, so that states go in and out as
    float32. Layers on samples: int8 weights, float arithmetic. Floor 12 dB: 22 dB was measured on random weights with
    scales by minimum and maximum, 5 dB with the clipped ones of a moving average, which is the error to catch.
    """
    return FLOAT if layer.op == DEPTHWISE else in_eight_bits(layer, Precision(8, "int8"))


def int16x8(layer: Layer) -> Precision:
    """Int8 weights and int16 features with fixed scales, for targets that have this pair (CMSIS-NN, Ethos-U).

    Far closer than `static_int8`, as only the weights are rounded noticeably. On a CPU it is the slowest: the delegate
    has no such kernels. Only pointwise layers on features; tflite-runtime 2.14 has no int16 RSQRT, and norms stay
    float32 here anyway. Floor 30 dB as for `weight_int8`, whose weights it has.
    """
    return FLOAT if layer.op == DEPTHWISE else in_eight_bits(layer, Precision(8, "int16"))


def in_eight_bits(layer: Layer, features: Precision) -> Precision:
    """What a pointwise layer has in a recipe that gives this precision to those on features."""
    return {"features": features, "samples": NARROW, "fine": HALF}[layer.sees]


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("float32", 80.0, float32),
        Recipe("float16", 50.0, float16),
        Recipe("weight_int8", 30.0, weight_int8),
        Recipe("dynamic_int8", 30.0, dynamic_int8),
        Recipe("dynamic_int4", 10.0, dynamic_int4, ("tflite-runtime",)),
        Recipe("static_int8", 12.0, static_int8),
        Recipe("int16x8", 30.0, int16x8),
    )
}


def get_recipe(name: str) -> Recipe:
    """The recipe of that name."""
    if name not in RECIPES:
        raise EdgeError(f"unknown recipe {name!r}: expected one of {', '.join(RECIPES)}")
    return RECIPES[name]


def floor_db(name: str) -> float:
    """The floor of a recipe, or of several joined with `+`, as a model of mixed precision calls them: the lowest."""
    return min(get_recipe(part).floor_db for part in name.split("+"))


def not_on(name: str) -> tuple[str, ...]:
    """The interpreters that a model of a recipe, or of several joined with `+`, is not for."""
    return tuple(dict.fromkeys(backend for part in name.split("+") for backend in get_recipe(part).not_on))


def precisions(layers: Sequence[Layer], recipe: str, overrides: Overrides = ()) -> tuple[dict[str, Precision], str]:
    """The precision of every layer by its name, and what the whole is called: all recipes in use, joined with `+`.

    The last override that fits a layer counts. `EdgeError` where one fits none.
    """
    chosen = {layer.name: get_recipe(recipe) for layer in layers}
    for pattern, other in overrides:
        try:
            wanted = re.compile(rf"(?:{pattern})(?:\..*)?")
        except re.error as error:
            raise EdgeError(f"override {pattern!r}: not a regular expression ({error})") from error
        found = [name for name in chosen if wanted.fullmatch(name)]
        if not found:
            raise EdgeError(f"override {pattern!r}: fits no layer; they are {', '.join(chosen)}")
        chosen |= dict.fromkeys(found, get_recipe(other))
    in_order = dict.fromkeys([recipe, *(other for _, other in overrides)])
    used = [name for name in in_order if RECIPES[name] in chosen.values()]
    return {layer.name: chosen[layer.name].precision(layer) for layer in layers}, "+".join(used)

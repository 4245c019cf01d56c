"""Options that several commands have: recipes of single layers, what is scored, what activations are calibrated on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.network import Network
    from models.runs import Pairs
    from quantization.artifact import Artifact
    from quantization.calibration import Calibration, Samples
    from quantization.recipes import Overrides

SOUNDS = (".wav", ".flac", ".ogg", ".opus")


def add_recipe(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """`--recipe`, which must be given where there is no default, and `--override`."""
    names = "float16, weight_int8, dynamic_int8, dynamic_int4, static_int8 or int16x8"
    note = f" (default: {default})" if default else ""
    parser.add_argument("--recipe", default=default, required=default is None, help=names + note)
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="LAYERS=RECIPE",
        help="another recipe for layers, as in separator.blocks.3=float32; a regular expression; the last counts",
    )


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """`--calibration` and what belongs to it."""
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="MIXTURES",
        help="for static_int8 and int16x8: folder of sound files, folder of a frozen set, or a training recipe",
    )
    parser.add_argument("--data", type=Path, help="folder that a training recipe's folders are in")
    parser.add_argument("--cache", type=Path, help="folder for decoded recordings (default: ~/.cache/edge-sdk)")
    parser.add_argument(
        "--percentile",
        type=float,
        default=100.0,
        help="of activations that is kept; 100: minimum and maximum (default)",
    )


def add_set(parser: argparse.ArgumentParser, default: int | None = None, of: str = "only the first mixtures") -> None:
    """`--set` and `--count`, for `pairs_of`."""
    parser.add_argument(
        "--set", type=Path, required=True, metavar="SET", help="folder of a frozen set, or a recipe: its [dev] table"
    )
    note = f" (default: {default})" if default else ""
    parser.add_argument("--count", type=int, default=default, help=f"{of} of the set{note}")


def overrides_of(args: argparse.Namespace) -> Overrides:
    """The overrides, checked for their form."""
    from edge_sdk.errors import EdgeError

    for given in args.override:
        if not all(given.rpartition("=")[::2]):
            raise EdgeError(f"--override {given}: expected LAYERS=RECIPE, such as separator.blocks.3=float32")
    return tuple((layers, recipe) for layers, _, recipe in (given.rpartition("=") for given in args.override))


def calibration_of(args: argparse.Namespace, artifact: Artifact) -> Calibration | None:
    """The ranges along the mixtures that were given; None where none were."""
    from edge_sdk.errors import EdgeError
    from quantization.calibration import calibrate

    if args.calibration is None:
        return None
    if not 90 <= args.percentile <= 100:
        raise EdgeError(f"--percentile {args.percentile:g}: expected 90 to 100")
    return calibrate(artifact, open_mixtures(args, artifact), args.percentile)


def open_mixtures(args: argparse.Namespace, artifact: Artifact) -> Iterator[tuple[str, Samples]]:
    """Mixtures by name, one after the other; of a training recipe those that a network is trained on."""
    from edge_sdk.audio.wav import read_wav
    from edge_sdk.errors import DataError, EdgeError
    from models.data.frozen import INDEX, open_set
    from models.data.mixing import Mixtures
    from models.recipe import load_recipe
    from models.runs import default_cache, load_corpora, load_rooms

    path, m = args.calibration, artifact.manifest
    if path.is_file():
        if args.data is None:
            raise EdgeError(f"--calibration {path} is a recipe, whose mixtures are made of recordings; give --data")
        recipe = load_recipe(path)
        corpora = load_corpora(recipe.data, args.data, m.sample_rate, args.cache or default_cache())
        mixtures = Mixtures(*corpora, recipe.mix, m.sample_rate, recipe.seed, load_rooms(recipe.data, args.data))
        number = 0
        while True:
            yield f"mixture {number} of {path}", mixtures[number][0]
            number += 1
    elif (path / INDEX).is_file():
        frozen = open_set(path)
        if frozen.sample_rate != m.sample_rate:
            raise DataError(
                f"{path}: a set at {frozen.sample_rate} Hz, the model works at {m.sample_rate} Hz; make another"
            )
        for number, example in enumerate(frozen):
            yield f"{path}, mixture {number}", example.mixture
    elif path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.suffix.lower() in SOUNDS):
            samples, rate = read_wav(file, m.sample_rate, m.mics)
            if rate != m.sample_rate:
                raise DataError(
                    f"{file}: {rate} Hz, the model works at {m.sample_rate} Hz; calibrate with sounds at that rate"
                )
            yield str(file), samples
    else:
        raise DataError(f"{path}: no such folder or file; expected sounds, a frozen set, or a training recipe")


def pairs_of(args: argparse.Namespace, network: Network) -> Pairs:
    """Mixtures and sources of the set that was given, as many as were asked for."""
    from edge_sdk.errors import EdgeError
    from models.evaluation.sets import open_examples
    from models.runs import default_cache

    if args.count is not None and args.count < 1:
        raise EdgeError(f"--count {args.count}: expected 1 or more")
    examples = open_examples(args.set, args.data, args.cache or default_cache(), network.config.sample_rate)
    if (examples.mics, examples.sources) != (network.mics, network.config.sources):
        raise EdgeError(
            f"{args.set}: {examples.sources} sources at {examples.mics} microphone(s), the checkpoint makes "
            f"{network.config.sources} of {network.mics}; use a fitting set"
        )
    count = min(len(examples), args.count or len(examples))
    return [(example.mixture, example.sources) for example in (examples[i] for i in range(count))]

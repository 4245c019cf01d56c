"""`edge-sdk export` and `quantize`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add `export` and `quantize`."""
    from quantization.commands.options import add_calibration, add_recipe
    from quantization.formats.command import add_format

    export = commands.add_parser("export", help="turn a checkpoint into a .tflite with its manifest")
    export.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.safetensors")
    frames = export.add_mutually_exclusive_group()
    frames.add_argument("--frames-per-step", type=int, help="more: faster per second, later (default: 1)")
    frames.add_argument("--max-latency-ms", type=float, metavar="MS", help="as many frames per step as this allows")
    export.add_argument(
        "--mics", type=int, metavar="N", help="microphones, where the network takes any number up to its own"
    )
    export.add_argument(
        "--array", metavar="NAME", help="whose microphones it is for (edge-sdk arrays; default: as it was trained)"
    )
    add_recipe(export, default="float32")
    add_calibration(export)
    add_format(export, "c-array", "onnx")
    add_output(export)
    export.set_defaults(run=run_export)
    quantize = commands.add_parser("quantize", help="quantize an exported model by a named recipe")
    quantize.add_argument("model", type=Path, metavar="MODEL.tflite")
    add_recipe(quantize)
    add_calibration(quantize)
    quantize.add_argument(
        "--checkpoint", type=Path, required=True, help="the network it came from, for the parity gate"
    )
    add_format(quantize, "c-array")
    add_output(quantize)
    quantize.set_defaults(run=run_quantize)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where an artifact goes, and the mixture of its parity gate."""
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.tflite and NAME.json, or the --format")
    parser.add_argument("--name", required=True, help="name of the model: small letters, digits, '.', '_' and '-'")
    parser.add_argument("--mixture", type=Path, help="sound file for the parity gate (default: one that comes along)")
    parser.add_argument("--force", action="store_true", help="overwrite")
    parser.add_argument("--json", action="store_true")


def run_export(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from quantization.commands.options import calibration_of, overrides_of
    from quantization.export import export
    from quantization.formats.command import check_onnx, export_onnx
    from quantization.qat import trained_for
    from quantization.quantize import check_recipe, quantize

    check_output(args)
    overrides, calibration = overrides_of(args), None
    if args.format == "onnx":
        check_onnx(args.recipe, overrides)
    network, about = load_network(args.checkpoint)
    tuned = trained_for(about, args.checkpoint)
    if tuned and tuned.recipe == args.recipe:
        overrides, calibration = overrides or tuned.overrides, tuned.calibration
    args.frames_per_step, trained_mics = frames_per_step(args, network), network.mics
    try:
        network = network if args.mics is None else network.with_mics(args.mics)
        origin = of_array(args.array, network.mics, trained_mics, tuned.about if tuned else about)
        if args.format == "onnx":
            return export_onnx(args, network, origin)
        check_recipe(network, args.recipe, overrides, calibrated=bool(args.calibration or calibration))
        artifact = export(network, args.name, args.frames_per_step, origin)
    except ValueError as error:
        raise EdgeError(f"{args.checkpoint}: not exported ({error})") from error
    calibration = calibration_of(args, artifact) or calibration
    if args.recipe != "float32" or overrides:
        artifact = quantize(artifact, args.recipe, args.name, overrides, calibration)
    return finish(args, network, artifact)


def of_array(name: str | None, mics: int, trained_mics: int, about: dict[str, Any]) -> dict[str, Any]:
    """Where a network comes from, with the array of that name, else the one it was trained for as long as it has as
    many microphones; `EdgeError` where the array is unknown or has another number of them."""
    from edge_sdk.audio.arrays import load_array
    from edge_sdk.errors import EdgeError

    if name is None:
        return {key: value for key, value in about.items() if key != "array" or mics == trained_mics}
    if (array := load_array(name)).mics != mics:
        raise EdgeError(f"--array {name}: {array.mics} microphones; expected one of {mics}, which the network takes")
    return {**about, "array": array.name}


def frames_per_step(args: argparse.Namespace, network: Any) -> int:
    """The number asked for, or the largest that keeps the latency; `EdgeError` where there is none."""
    from edge_sdk.errors import EdgeError
    from quantization.export import frames_within

    if args.max_latency_ms is not None:
        try:
            return frames_within(network, args.max_latency_ms)
        except ValueError as error:
            raise EdgeError(f"--max-latency-ms {args.max_latency_ms:g}: {error}") from error
    if args.frames_per_step is not None and args.frames_per_step < 1:
        raise EdgeError(f"--frames-per-step {args.frames_per_step}: expected 1 or more")
    return args.frames_per_step or 1


def run_quantize(args: argparse.Namespace) -> int:
    from edge_sdk.errors import EdgeError
    from models.checkpoint import load_network
    from quantization.artifact import read_artifact
    from quantization.commands.options import calibration_of, overrides_of
    from quantization.quantize import quantize

    check_output(args)
    network, _ = load_network(args.checkpoint)
    artifact = read_artifact(args.model)
    try:
        network = network.with_mics(artifact.manifest.mics)
    except ValueError as error:
        raise EdgeError(f"{args.checkpoint}: not the network that {args.model} came from ({error})") from error
    calibration = calibration_of(args, artifact)
    return finish(args, network, quantize(artifact, args.recipe, args.name, overrides_of(args), calibration))


def check_output(args: argparse.Namespace) -> None:
    """Before the work: the name is one, and nothing is overwritten."""
    from edge_sdk.contract import NAME
    from edge_sdk.errors import EdgeError
    from quantization.formats.command import check_free

    if not NAME.fullmatch(args.name):
        raise EdgeError(f"--name {args.name!r}: expected small letters, digits, '.', '_' and '-', at most 64")
    if not args.force:
        check_free(args)


def finish(args: argparse.Namespace, network: Any, artifact: Any) -> int:
    """Prove, write, say what was written."""
    from quantization.delegate import delegation
    from quantization.formats.command import write
    from quantization.parity import check, recorded
    from quantization.recipes import not_on

    parity, manifest = check(network, artifact, args.mixture), artifact.manifest
    path, split = write(args, recorded(artifact, parity)), delegation(artifact.model)
    if args.json:
        found = {"model": str(path), "bytes": manifest.size, "sha256": manifest.sha256, "parity": asdict(parity)}
        found |= {"partitions": split.partitions, "outside": split.outside, "not_on": not_on(manifest.recipe)}
        print(json.dumps(found))
    else:
        print(
            f"{path}: {manifest.recipe}, {manifest.size / 1e6:.2f} MB, latency "
            f"{1000 * manifest.latency / manifest.sample_rate:g} ms, {parity.model_db} dB from the network "
            f"(at least {parity.floor_db:g} expected), XNNPACK partitions: {split.partitions}"
            + "".join(f"; not for {backend}, which computes something else" for backend in not_on(manifest.recipe))
        )
    return 0

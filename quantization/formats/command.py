"""`--format` of `edge-sdk export` and `quantize`: what is written where."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_sdk.errors import EdgeError

TFLITE, C_ARRAY, ONNX = "tflite", "c-array", "onnx"


def add_format(parser: argparse.ArgumentParser, *formats: str) -> None:
    """The option, for a command that can write these formats besides the first."""
    known = {C_ARRAY: "c-array: NAME.h and NAME.c for microcontrollers", ONNX: "onnx: NAME.onnx, float32"}
    said = "; ".join(known[name] for name in formats)
    parser.add_argument("--format", choices=(TFLITE, *formats), default=TFLITE, help=f"{said} (default: {TFLITE})")


def paths(args: argparse.Namespace) -> tuple[Path, ...]:
    """The files that a command will write."""
    from quantization import artifact

    if args.format == C_ARRAY:
        return args.out / f"{args.name}.h", args.out / f"{args.name}.c"
    if args.format == ONNX:
        from quantization.formats import onnx

        return onnx.paths(args.out, args.name)
    return artifact.paths(args.out, args.name)


def check_free(args: argparse.Namespace) -> None:
    """`EdgeError` where one of them is there already."""
    for path in paths(args):
        if path.exists():
            raise EdgeError(f"{path} exists; choose another --out or give --force")


def write(args: argparse.Namespace, artifact: Any) -> Path:
    """Write a proved artifact as a .tflite or as C source; the path of what holds the model."""
    if args.format != C_ARRAY:
        from quantization.artifact import write_artifact

        return write_artifact(artifact, args.out, args.force)
    from edge_sdk.contract import write_files
    from quantization.formats.c_array import sources

    try:
        write_files({args.out / name: text for name, text in sources(artifact).items()})
    except OSError as error:
        raise EdgeError(f"{args.out}: cannot be written to ({error.strerror}); choose another --out") from error
    return paths(args)[1]


def export_onnx(args: argparse.Namespace, network: Any, about: dict[str, Any]) -> int:
    """Convert, prove, write, say what was written."""
    from quantization.formats import onnx
    from quantization.parity import recorded

    artifact = onnx.export(network, args.name, args.frames_per_step, about)
    parity = onnx.check(network, artifact, args.mixture)
    path, manifest = onnx.write(recorded(artifact, parity), args.out), artifact.manifest
    if args.json:
        found = {"model": str(path), "bytes": manifest.size, "sha256": manifest.sha256, "parity": asdict(parity)}
        print(json.dumps(found))
    else:
        print(
            f"{path}: float32, {manifest.size / 1e6:.2f} MB, latency "
            f"{1000 * manifest.latency / manifest.sample_rate:g} ms, {parity.model_db} dB from the network "
            f"(at least {parity.floor_db:g} expected), onnxruntime"
        )
    return 0


def check_onnx(recipe: str, overrides: Any) -> None:
    """`EdgeError` where ONNX is asked for in another precision than float32."""
    if recipe != "float32" or overrides:
        raise EdgeError(f"--format onnx is float32, --recipe {recipe} is for .tflite; leave one of them out")

"""python -m tools.benchmark [--out FILE.json] [--only GROUP ...] [--presets NAME ...]

Groups: core, alternatives, anatomy, presets, small, scale, models, host, drift, beams, estimates. One thread of a
machine that does nothing else; every comparison is within this run. Prints the rows as they come and writes them all at
the end.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from edge_sdk.bench_report import Report, Row, this_machine, write_report
from edge_sdk.errors import EdgeError

SHIPPED = ("enhance-mono", "enhance-hearing-aid", "separate-2spk", "array4-2spk")
PAPER = "conv-tasnet-paper"
SEVERAL_FRAMES = ("conv-tasnet-paper", "conv-tasnet-edge", "enhance-mono", "fasnet-tac-edge", "separate-2spk-edge")


def alternatives() -> Iterator[Row]:
    import torch

    from models.zoo import build, preset
    from tools.benchmark.alternatives import rows

    for name, frames in ((PAPER, 1), (PAPER, 8), ("conv-tasnet-edge", 1), ("conv-tasnet-edge", 8)):
        torch.manual_seed(0)
        yield from rows(build(preset(name)).eval(), name, frames)


def anatomy() -> Iterator[Row]:
    import torch

    from models.zoo import build, preset
    from tools.benchmark.anatomy import rows

    for frames in (1, 8):
        torch.manual_seed(0)
        yield from rows(build(preset(PAPER)).eval(), PAPER, frames)


def presets(names: Iterable[str]) -> Iterator[Row]:
    from tools.benchmark.presets import rows

    for name in names:
        yield from rows(name, 1)
        if name in SEVERAL_FRAMES:
            yield from rows(name, 8)


def small() -> Iterator[Row]:
    """Networks of the claims that are no presets."""
    import numpy as np

    from models.layers.filterbanks import FilterbankConfig
    from models.zoo import preset
    from tools.benchmark.alternatives import stream
    from tools.benchmark.scale import quantized
    from tools.benchmark.turns import hot

    edge = preset("conv-tasnet-edge")
    networks = {
        "conv-tasnet-small": quantized(replace(edge, filterbank=FilterbankConfig(window=32, hop=16, filters=128)), 8),
        "fasnet-tac-edge, 4 microphones": quantized(replace(preset("fasnet-tac-edge"), mics=4)),
    }
    makers = {name: lambda made=made: stream(made) for name, made in networks.items()}
    for name, seconds in hot(makers, rounds=2).items():
        m, p50 = networks[name].manifest, float(np.median(seconds))
        yield Row("small", name, "dynamic_int8", "p50", 1e6 * p50, "us")
        yield Row("small", name, "dynamic_int8", "real-time factor", p50 * m.sample_rate / m.block)


def core() -> Iterator[Row]:
    from tools.benchmark.core import rows

    yield from rows()


def beams() -> Iterator[Row]:
    from tools.benchmark.beams import rows

    yield from rows()


def scale() -> Iterator[Row]:
    from tools.benchmark.scale import rows

    yield from rows()


def shipped() -> Iterator[Row]:
    from tools.benchmark.shipped import rows

    for name in SHIPPED:
        yield from rows(name)


def host() -> Iterator[Row]:
    from edge_sdk.contract import read_bundle
    from edge_sdk.library import find_model
    from models.zoo import preset
    from tools.benchmark.host import rows
    from tools.benchmark.scale import quantized

    for name in SHIPPED:
        yield from rows(read_bundle(find_model(name)), name)
    yield from rows(quantized(preset(PAPER), 8).bundle, f"{PAPER}, 8 frames per step")


def estimates(names: Iterable[str]) -> Iterator[Row]:
    from tools.benchmark.estimates import rows

    yield from rows(list(names))


def drift() -> Iterator[Row]:
    from tools.benchmark.shipped import drift

    for name in SHIPPED:
        yield from drift(name)


def main() -> int:
    from models.zoo import PRESETS
    from tools.benchmark import claims

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write all rows there, as JSON")
    parser.add_argument("--force", action="store_true", help="overwrite it")
    parser.add_argument("--label", default="", help="what to call this machine (default: its processor)")
    parser.add_argument("--presets", nargs="*", default=list(PRESETS), choices=list(PRESETS), metavar="NAME")
    groups: dict[str, Callable[[], Iterator[Row]]] = {
        "core": core,
        "alternatives": alternatives,
        "anatomy": anatomy,
        "presets": lambda: presets(args.presets),
        "small": small,
        "scale": scale,
        "models": shipped,
        "host": host,
        "drift": drift,
        "beams": beams,
        "estimates": lambda: estimates(args.presets),
    }
    parser.add_argument("--only", nargs="+", default=list(groups), choices=list(groups), metavar="GROUP")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    if args.out is not None and args.out.exists() and not args.force:
        raise EdgeError(f"{args.out} exists; choose another --out or give --force")
    rows, began = list[Row](), time.monotonic()
    for group in args.only:
        show(group, f"{time.monotonic() - began:.0f} s")
        for row in groups[group]():
            rows.append(row)
            print(line(row), flush=True)
    if checked := claims.rows(rows):
        show("claims", f"{time.monotonic() - began:.0f} s")
        for row in checked:
            print(f"{line(row)}  {row.variant}: {'holds' if claims.holds(row) else 'DOES NOT HOLD'}")
    if args.out is not None:
        write_report(Report(this_machine(args.label), (*rows, *checked)), args.out, args.force)
    return 0


def show(group: str, took: str) -> None:
    print(f"== {group} (after {took}, load {os.getloadavg()[0]:.1f})", flush=True)


def line(row: Row) -> str:
    return f"{row.subject:48s} {row.variant:40s} {row.measure:18s} {row.value:10.4g} {row.unit}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgeError as error:
        sys.exit(f"edge-sdk: {error}")

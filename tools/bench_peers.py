"""Our enhancers beside small public ones, on the same mixtures, with latency and speed: `make bench-peers`.

    python -m tools.bench_peers [MODEL ...] --data DIR [--set SET] [--mixtures N] [--json]

Everything runs as a stream on one thread, from a fresh state for each mixture. Latency is the longest wait of a sample
until its output is complete: what a peer's authors document, what our manifest declares. The delay, by which the stream
runs behind, is found by correlation, and outputs are aligned by it; it is the latency less one block. The real-time
factor is processor time, so that other work on the machine changes little. Peers at 48 kHz get and give their samples
through a resampler that does not count. Only what a package registry has together with its weights takes part.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge_sdk import Separator
from edge_sdk.bench import cpu_name
from edge_sdk.errors import DataError, EdgeError
from models.data.example import Example
from models.evaluation.references import Reference
from models.evaluation.scores import score
from models.evaluation.sets import open_examples
from models.evaluation.summaries import summarize_references
from models.runs import default_cache
from quantization.evaluation import figure, plain, with_interval
from quantization.scoring import one_thread
from quantization.tables import Table
from tools.peers import PEERS, Aligned, Peer
from tools.peers.peer import Run

METRICS = ("si_sdr", "pesq", "stoi")
ALIGN = 4  # mixtures that tell the delay of a peer
FETCHED = "its package holds no weights and fetches them from elsewhere"
OUT_OF_REACH = {"Denoiser (Défossez et al., 2020)": FETCHED, "DPDFNet": FETCHED}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["enhance-mono"], help="ours (default: enhance-mono)")
    parser.add_argument("--set", type=Path, default=Path("recipes/enhance-mono.toml"), help="frozen set, or recipe")
    parser.add_argument("--data", type=Path, help="folder that the recipe's folders are in")
    parser.add_argument("--mixtures", type=int, metavar="N", help="only the first N (default: the whole set)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for decoded recordings")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    try:
        ours = [ours_as_peer(name) for name in args.models]
        examples = open_examples(args.set, args.data, args.cache, ours[0].sample_rate)
        if (examples.mics, examples.sources) != (1, 1):
            raise DataError(
                f"{args.set}: {examples.sources} talkers at {examples.mics} microphones: expected one at one"
            )
        with one_thread():
            count = min(args.mixtures or len(examples), len(examples))
            found = compare([*PEERS, *ours], [examples[i] for i in range(count)], examples.sample_rate)
    except EdgeError as error:
        print(f"edge-sdk: {error}", file=sys.stderr)
        return 1
    found = {"set": examples.name, "machine": platform.machine(), "cpu": cpu_name(), **found}
    print(json.dumps(plain(found)) if args.json else "\n".join([table(found).text(), "", *notes(found)]))
    return 0


def ours_as_peer(name: str) -> Peer:
    """A shipped model or a bundle, run as the others are."""
    separator = Separator.open(name)
    if (separator.mics, separator.sources) != (1, 1):
        raise DataError(f"{name}: {separator.sources} sources of {separator.mics} microphones: expected one of one")
    latency_ms = 1e3 * separator.latency / separator.sample_rate

    def start() -> Run:
        separator.reset()
        return lambda x: separator.process(x)[0]

    about = f"{separator.manifest.name}, {separator.manifest.recipe}"
    return Peer(about, "edge-sdk", "Apache-2.0", separator.sample_rate, latency_ms, lambda: start)


def compare(peers: Iterable[Peer], examples: Sequence[Example], sample_rate: int) -> dict[str, Any]:
    """Scores of the mixtures and of every enhancer that is installed; of the others why they are not."""
    running: dict[str, Aligned] = {}
    missing: dict[str, str] = {}
    for peer in peers:
        try:
            running[peer.name] = Aligned(peer, sample_rate, [e.mixture for e in examples[:ALIGN]])
        except PackageNotFoundError:
            missing[peer.name] = f"no {peer.package} installed"
        except (ImportError, OSError) as error:
            missing[peer.name] = str(error)
    outputs = {name: reference(enhancer) for name, enhancer in running.items()}
    scores = []
    for index, example in enumerate(examples):  # each mixture is measured once for all
        scores.append(score(lambda mixture: mixture, example, index, sample_rate, METRICS, outputs))
        print(f"edge-sdk: mixture {index + 1} of {len(examples)}", end="\r", file=sys.stderr, flush=True)
    summaries = summarize_references(scores)
    enhancers = {
        name: {
            "package": f"{enhancer.peer.package} {version(enhancer.peer.package)}",
            "licence": enhancer.peer.licence,
            "note": enhancer.peer.note,
            "sample_rate": enhancer.peer.sample_rate,
            "latency_ms": enhancer.peer.latency_ms,
            "delay_ms": round(enhancer.delay_ms, 3),
            "real_time_factor": round(enhancer.real_time_factor, 5),
            **summaries[name],
        }
        for name, enhancer in running.items()
    }
    return {"mixtures": len(examples), "enhancers": enhancers, "missing": {**missing, **OUT_OF_REACH}}


def reference(enhancer: Aligned) -> Reference:
    """An enhancer as what is shown beside a model; the model here is the mixture itself."""
    return Reference(enhancer.peer.name, "baseline", lambda example, *_: enhancer(example.mixture))


def table(found: dict[str, Any]) -> Table:
    """The mixtures, then all enhancers as they came, ours last."""
    enhancers = plain(found["enhancers"])
    last = list(enhancers.values())[-1]
    scored = [(name, digits) for name, digits in (("pesq", 2), ("stoi", 3)) if name in last]
    mixture = (figure(last[f"{name}_mixture"], digits) for name, digits in scored)
    rows = [("mixture", "", "", "", figure(last["si_sdr_mixture"], 2), "", *mixture, "")]
    for name, values in enhancers.items():
        times = (f"{values['sample_rate'] / 1e3:g}", f"{values['latency_ms']:g}", f"{values['delay_ms']:g}")
        scores = (figure(values[metric], digits) for metric, digits in scored)
        si_sdr = (figure(values["si_sdr"], 2), with_interval(values))
        rows.append((name, *times, *si_sdr, *scores, f"{values['real_time_factor']:.4f}"))
    titles = {"pesq": "PESQ-WB", "stoi": "STOI"}
    first = ("", "kHz", "latency, ms", "delay, ms", "SI-SDR, dB", "improvement, dB (95 %)")
    header = (*first, *(titles[name] for name, _ in scored), "real-time factor")
    title = f"{found['mixtures']} mixtures of {found['set']}, one thread of {found['cpu']}"
    return Table(title, header, tuple(rows), len(rows) - 1)


def notes(found: dict[str, Any]) -> list[str]:
    """What ran, and what did not and why, a line each."""
    ran = [
        f"{name}: {values['package']}, {values['licence']}" + (f"; {values['note']}" if values["note"] else "")
        for name, values in found["enhancers"].items()
    ]
    return ran + [f"{name}: not compared; {why}" for name, why in found["missing"].items()]


if __name__ == "__main__":
    sys.exit(main())

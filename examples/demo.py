"""Hear the shipped models: mix real speech with noise and speech, stream it block by block, write wavs and one page.

    make demo
    python examples/demo.py --out demo-out [--paced]

Needs the extra `demo` (NumPy, LiteRT, soundfile, soxr, matplotlib); never torch.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
from demo_audio import AUDIO, CREDITS, RATE_HZ, Mixture, Samples, mixtures, si_sdr
from demo_page import page
from demo_report import HEARD, TWINS, Result, Run, facts, headline, quality_table, section, speed_table, wav_path

from edge_sdk import EdgeError, Separator
from edge_sdk.audio.wav import write_wav
from edge_sdk.contract import write_file

WARM_UP = 50  # blocks before anything counts, as in edge-sdk bench


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        run_demo(args.out, args.paced)
    except EdgeError as error:
        print(f"edge-sdk: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description="Separate voices with the shipped models; write wavs and a page.")
    p.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for the wavs and index.html (demo-out)")
    p.add_argument("--paced", action="store_true", help="give each block when it is due, as a sound card does")
    return p


def run_demo(out: Path, paced: bool) -> None:
    """Everything, from the recordings to the page."""
    made = mixtures()
    for mixture in made:  # before the work: a folder that cannot be written shows at once
        write_wav(wav_path(out, mixture, HEARD), mixture.heard[:1], RATE_HZ)
    models = {m.model: [open_warm(kind, m.model + end) for kind, end in TWINS.items()] for m in made}
    results = [separated(mixture, models[mixture.model], paced) for mixture in made]
    sections = [section(out, result) for result in results]
    tables = [quality_table(results), *(speed_table(name, family) for name, family in models.items())]
    about = facts(models, paced)
    try:
        write_file(out / "index.html", page(headline(results, models), sections, tables, about, CREDITS).encode())
        write_file(out / "ATTRIBUTION.md", (AUDIO / "ATTRIBUTION.md").read_bytes())
    except OSError as error:
        raise EdgeError(f"{out}: cannot be written ({error.strerror}); free space or choose another --out") from error
    for table in tables:
        print(table.text(), end="\n\n")
    for name, value in about:
        print(f"{name}: {value}")
    print(f"\nWritten to {out}: the page and {sum(len(s.clips) for s in sections)} wav files.")
    print(f"Open {out / 'index.html'} in a browser to look and listen; it needs no network.")
    print(f"Or play a file: aplay {wav_path(out, made[0], HEARD)} {wav_path(out, made[0], 'int8')}")


def separated(mixture: Mixture, runs: list[Run], paced: bool) -> Result:
    """The mixture through every model, each output with the voice that it holds."""
    outputs = {run.name: matched(stream(run, mixture.heard, paced), mixture.voices) for run in runs}
    scores = {
        voice: {"in": si_sdr(mixture.heard[0], clean), **{n: si_sdr(out[voice], clean) for n, out in outputs.items()}}
        for voice, clean in mixture.voices.items()
    }
    return Result(mixture, outputs, scores)


def matched(outputs: Samples, voices: dict[str, Samples]) -> dict[str, Samples]:
    """Each output `[n]` under the name of its voice: a separator numbers talkers as it likes."""
    orders = permutations(range(len(outputs)))
    best = max(
        orders, key=lambda o: sum(si_sdr(outputs[k], clean) for k, clean in zip(o, voices.values(), strict=True))
    )
    return {voice: outputs[k] for k, voice in zip(best, voices, strict=True)}


def open_warm(kind: str, model: str) -> Run:
    """A model that has run for a while."""
    separator = Separator.open(model)
    for _ in range(WARM_UP):
        separator.process(np.zeros((separator.mics, separator.block), np.float32))
    separator.reset()
    return Run(kind, separator)


def blocks(x: Samples, size: int) -> Iterator[Samples]:
    """What a sound card would deliver, `[mics, size]` at a time; the last one may be shorter."""
    for start in range(0, x.shape[1], size):
        yield x[:, start : start + size]


def stream(run: Run, heard: Samples, paced: bool) -> Samples:
    """The outputs `[sources, n]` for a mixture `[mics, n]`, aligned with it; every block's time goes into `run`."""
    size, parts = run.separator.block, []
    run.separator.reset()
    due = time.perf_counter()
    for block in blocks(heard, size):
        if paced:
            due += size / RATE_HZ
            time.sleep(max(0.0, due - time.perf_counter()))
        begin = time.perf_counter()
        parts.append(run.separator.process(block))
        run.times_s.append(time.perf_counter() - begin)
    parts.append(run.separator.flush())
    run.audio_s += heard.shape[1] / RATE_HZ
    return np.concatenate(parts, axis=1)[:, run.separator.delay :]


if __name__ == "__main__":
    sys.exit(main())

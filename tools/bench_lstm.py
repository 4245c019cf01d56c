"""How long our LSTM for many sequences (models.layers.fused_lstm) takes in training on this machine, beside torch's.

    python -m tools.bench_lstm [--sequences N...] [--units N...] [--frames N] [--inputs N] [--turns N]

Forward and backward in bfloat16 on noise. Both take turns, so that other work on the machine slows both alike; what is
printed is the median over turns. OMP_NUM_THREADS says how many threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.layers.fused_lstm import frames, fused_lstm
from models.training.memory import keep_freed_memory

Run = Callable[[nn.LSTM, Tensor, Tensor], Tensor]


def ours(lstm: nn.LSTM, x: Tensor, state: Tensor) -> Tensor:
    return fused_lstm(lstm, x, state, state)[0]


def torchs(lstm: nn.LSTM, x: Tensor, state: Tensor) -> Tensor:
    y: Tensor = lstm(x, (state[None], state[None]))[0]
    return y


def seconds(run: Run, lstm: nn.LSTM, x: Tensor, state: Tensor) -> float:
    """What outputs and all gradients take."""
    begin = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = run(lstm, x, state)
    y.backward(torch.ones_like(y))
    return time.perf_counter() - begin


def medians(lstm: nn.LSTM, x: Tensor, turns: int) -> tuple[float, float]:
    """Seconds of torch's and of ours."""
    state = x.new_zeros(len(x), lstm.hidden_size)
    taken = [[seconds(run, lstm, x, state) for run in (torchs, ours)] for _ in range(turns + 1)][1:]
    theirs, own = (statistics.median(column) for column in zip(*taken, strict=True))
    return theirs, own


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, nargs="+", default=[64, 256, 1024, 2056])
    parser.add_argument("--units", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--inputs", type=int, default=17)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args(argv)
    numbers = (*args.sequences, *args.units, args.frames, args.inputs, args.turns)
    if min(numbers) < 1:
        print(f"bench_lstm: {min(numbers)}: expected positive numbers", file=sys.stderr)
        return 1
    keep_freed_memory()
    if frames() is None:
        print("bench_lstm: no C++ compiler that can make ours; apt-get install g++", file=sys.stderr)
        return 1
    print(f"{torch.get_num_threads()} thread(s), {os.cpu_count()} processors; milliseconds of {args.frames} frames")
    print(f"{'sequences':>10s}{'units':>8s}{'torch':>10s}{'ours':>10s}{'ratio':>8s}")
    for units in args.units:
        lstm = nn.LSTM(args.inputs, units, batch_first=True)
        for sequences in args.sequences:
            x = torch.randn(sequences, args.frames, args.inputs, requires_grad=True)
            theirs, own = medians(lstm, x, args.turns)
            print(f"{sequences:10d}{units:8d}{1e3 * theirs:10.1f}{1e3 * own:10.1f}{theirs / own:8.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Proof of the limiter on adversarial blocks, and what a guarded block costs on this machine, in process and isolated.

    python tools/bench_guard.py [--blocks 100000] [--model enhance-mono] [--block 128] [--seconds 20] [--realtime 60]

Limiter: blocks of 1 to 32 samples of two channels, of every kind that is likely to break one, in random order; counts
samples that leave above the ceiling or are not finite. 10000000 blocks take some minutes.

Round trips: the same model in this process and in one of its own, block by block in turn, so that both meet the same
disturbances; as a sound card would pace them, or with --hot without rest. `guard` is the first with a ladder of model,
fixed beam and microphone around it, at two microphones with high-pass, mix and limiter: what a stream runs per block.
One thread; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

from edge_sdk.bench import cpu_name
from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from edge_sdk.live.engine import Outcome
from edge_sdk.live.guard import Guard
from edge_sdk.live.highpass import HighPass
from edge_sdk.live.isolation import Isolated, IsolationConfig
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.limiter import Limiter, LimiterConfig
from edge_sdk.live.local import Bypass, model_engine
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.mix import Mix
from edge_sdk.live.realtime import RealtimeConfig, claim
from edge_sdk.separator import Separator

RATE = 16_000
CHANNELS, LONGEST, BATCH, POOL = 2, 32, 1000, 4096
CEILINGS_DB = (-6.0, -1.0, 0.0, -20.0, -60.0)
WARM = 100  # blocks before the clock counts


def adversarial(rng: np.random.Generator, ceiling: np.float32) -> np.ndarray:
    """Blocks `[POOL, CHANNELS, LONGEST]` of many kinds."""
    shape = (POOL, CHANNELS, LONGEST)
    noise = rng.standard_normal(shape).astype(np.float32)
    levels = (10.0 ** rng.uniform(-45, 38, (POOL, 1, 1))).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        kinds = [
            np.zeros(shape, np.float32),
            noise,  # beyond full scale now and then
            noise * levels,  # from below the normal numbers to infinity
            np.frombuffer(rng.bytes(4 * noise.size), np.float32).reshape(shape),  # any bits at all
            np.full(shape, ceiling),
            np.full(shape, np.nextafter(ceiling, np.float32(2))),
            np.where(rng.random(shape) < 0.5, ceiling, -np.nextafter(ceiling, np.float32(2))),
            np.where(rng.random(shape) < 0.03, np.float32(3e38), noise * np.float32(1e-3)),  # clicks
            np.where(rng.random(shape) < 0.03, np.float32(np.nan), noise),
            np.where(rng.random(shape) < 0.03, np.float32(-np.inf), noise),
            np.where(np.arange(LONGEST) % 2, 1, -1)
            * np.abs(noise[:, :, :1])
            * np.float32(2)
            * np.ones(shape, np.float32),
            ceiling * np.linspace(0.9, 1.1, LONGEST, dtype=np.float32) * np.ones(shape, np.float32),
            noise * np.array([1e-6, 30], np.float32)[:, np.newaxis],  # one channel far louder
            np.float32(1e-40) * noise,
        ]
        choice = rng.integers(len(kinds), size=POOL)
        return np.stack([kinds[kind][number] for number, kind in enumerate(choice)]).astype(np.float32)


def limit(blocks: int, seed: int) -> int:
    """Limit so many blocks; how many samples left above the ceiling."""
    rng = np.random.default_rng(seed)
    limiters = [Limiter(CHANNELS, RATE, LimiterConfig(ceiling_db)) for ceiling_db in CEILINGS_DB]
    pools = [adversarial(rng, limiter.ceiling) for limiter in limiters]
    above = done = samples = 0
    begin = shown = time.monotonic()
    while done < blocks:
        turn = int(rng.integers(len(limiters)))
        limiter, count = limiters[turn], min(BATCH, blocks - done)
        work = pools[turn][rng.integers(POOL, size=count), :, : int(rng.integers(1, LONGEST + 1))]
        for block in work:
            limiter.limit(block)
        above += int(np.count_nonzero(~(np.abs(work) <= limiter.ceiling)))  # counts NaN, too
        done, samples = done + count, samples + work.size
        if time.monotonic() > shown + 1 and sys.stderr.isatty():
            shown = time.monotonic()
            print(f"\r{done} of {blocks} blocks", end="", file=sys.stderr, flush=True)
    took_s = time.monotonic() - begin
    print(
        f"\r{done} adversarial blocks, {samples} samples, {took_s:.0f} s: {above} samples above the ceiling", flush=True
    )
    return above


def timed(steps: dict[str, Callable[[], object]], seconds: float, block_s: float, hot: bool) -> dict[str, np.ndarray]:
    """Seconds of each step, every block of the time one of each."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    due = time.perf_counter()
    for _ in range(WARM + round(seconds / block_s)):
        due += block_s
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            taken[name].append(time.perf_counter() - begin)
        if not hot:
            time.sleep(max(0.0, due - time.perf_counter()))
    return {name: np.array(times[WARM:]) for name, times in taken.items()}


def round_trips(model: str, block: int, seconds: float, hot: bool, priority: int) -> None:
    bundle = read_bundle(find_model(model))
    rng = np.random.default_rng(0)
    x = (0.1 * rng.standard_normal((bundle.manifest.mics, block))).astype(np.float32)
    pair = np.repeat(x[:1], 2, axis=0)
    here = model_engine(Separator(bundle), len(x), block=block)
    realtime = RealtimeConfig(priority)
    there = Isolated(bundle, len(x), block=block, config=IsolationConfig(realtime=realtime))
    guard_step = stream(Separator(bundle), pair, block)
    late = 0
    out = np.empty((here.sources, block), np.float32)

    def isolated() -> None:
        nonlocal late
        late += there.process(x, out, 1.0) is not Outcome.GOOD

    steps = {"in process": lambda: here.process(x, out, 1.0), "isolated": isolated, "guard, in process": guard_step}
    time.sleep(2)  # the worker in waiting is loading its model
    refused = claim(realtime) if priority else []
    try:
        taken = timed(steps, seconds, block / RATE, hot)
    finally:
        there.close()
    pace = "without rest" if hot else "paced"
    scheduler = f"SCHED_FIFO {priority}" if priority and not refused else "; ".join(refused) or "ordinary priority"
    print(f"{cpu_name()}; {model}, blocks of {block} ({1e3 * block / RATE:g} ms), {pace}, {scheduler}")
    print(f"{'':20s}{'p50 us':>9s}{'p99 us':>9s}{'p99.9 us':>10s}{'worst us':>10s}{'p50 ratio':>11s}")
    base = float(np.median(taken["in process"]))
    for name, times in taken.items():
        p50, p99, p999 = np.percentile(times, [50, 99, 99.9])
        print(
            f"{name:20s}{1e6 * p50:9.0f}{1e6 * p99:9.0f}{1e6 * p999:10.0f}{1e6 * times.max():10.0f}{p50 / base:11.2f}"
        )
    if late:
        print(f"isolated: {late} blocks were not good")


def stream(separator: Separator, x: np.ndarray, block: int) -> Callable[[], None]:
    """A block through everything that a live stream runs between its devices."""
    mics, sources = len(x), separator.sources
    engines = [model_engine(separator, mics, block=block), Bypass(mics, sources, block)]
    ladder = Ladder(engines, LadderConfig.for_blocks(block, RATE))
    guard = Guard(ladder, Metrics(mics, sources, RATE, block), RATE, block, budget_s=1.0)  # no steps while measured
    highpass, mix, limiter = HighPass(mics, RATE), Mix(sources, 2, RATE, guard.delay), Limiter(2, RATE)
    heard, made, played = x.copy(), np.empty((sources, block), np.float32), np.empty((2, block), np.float32)

    def step() -> None:
        heard[...] = x
        highpass.filter(heard)
        guard.process(heard, made)
        mix.mix(heard[0], made, played)
        limiter.limit(played)

    return step


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=100_000, help="for the limiter; 0 for none (default: 100000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="enhance-mono", help="of the round trips (default: enhance-mono)")
    parser.add_argument("--block", type=int, default=128, help="samples (default: 128)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of round trips; 0 for none (default: 20)")
    parser.add_argument("--realtime", type=int, default=0, metavar="PRIORITY", help="of SCHED_FIFO; 0 for none")
    parser.add_argument("--hot", action="store_true", help="round trips without rest")
    args = parser.parse_args()
    above = limit(args.blocks, args.seed) if args.blocks else 0
    if args.seconds:
        round_trips(args.model, args.block, args.seconds, args.hot, args.realtime)
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())

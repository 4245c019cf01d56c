"""Models, beams and the microphone itself as engines, and all of them on one ladder."""

import tracemalloc

import numpy as np
import pytest

from edge_sdk import Separator
from edge_sdk.audio.arrays import load_array
from edge_sdk.beamforming.steering import lead_s
from edge_sdk.beamforming.time_domain import delay_and_sum_filters
from edge_sdk.live.engine import Engine, Outcome
from edge_sdk.live.guard import Guard
from edge_sdk.live.highpass import HighPass
from edge_sdk.live.howl import Howl
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.limiter import Limiter
from edge_sdk.live.local import Bypass, beam_engine, model_engine
from edge_sdk.live.mix import Mix
from tests.edge_sdk.live.engines import Clock, metrics, noise

RATE, BLOCK = 16_000, 128


def whole(engine: Engine, x: np.ndarray) -> np.ndarray:
    """All blocks after each other."""
    y = np.full((engine.sources, x.shape[1]), np.nan, np.float32)
    for begin in range(0, x.shape[1], engine.block):
        place = slice(begin, begin + engine.block)
        assert engine.process(x[:, place], y[:, place], 1.0) is Outcome.GOOD
    return y


@pytest.mark.parametrize("block", [64, 128, 320])
def test_a_model_hears_the_reference_microphone_in_blocks_of_its_own_or_longer(block: int) -> None:
    x = noise(10 * block, mics=3)
    engine = model_engine(Separator.open("enhance-mono"), 3, sources=2, block=block, reference=2)
    want = Separator.open("enhance-mono").process(x[2:])
    np.testing.assert_array_equal(whole(engine, x), np.repeat(want, 2, axis=0))  # one output for all sources


def test_beams_are_those_of_the_filters() -> None:
    array = load_array("respeaker-4mic")
    x = noise(10 * BLOCK, mics=4)
    for azimuths, sources in (([0.5], 2), ([0.0, 2.0], 2)):
        filters = delay_and_sum_filters(lead_s(array, azimuths), RATE)
        engine = beam_engine(filters, sources, BLOCK)
        y = whole(engine, x)
        np.testing.assert_allclose(
            y,
            np.broadcast_to(delay_and_sum_filters(lead_s(array, azimuths), RATE).process(x), y.shape),
            rtol=0,
            atol=1e-7,  # float32 sums in blocks of another length
        )
        assert engine.delay == filters.delay


def test_the_bypass_is_the_reference_microphone() -> None:
    x = noise(5 * BLOCK, mics=2)
    np.testing.assert_array_equal(whole(Bypass(2, 3, BLOCK, 1), x), np.repeat(x[1:], 3, axis=0))


class Breaking:
    """A separator that fails at some blocks of the stream; the clock counts them."""

    def __init__(self, name: str, blocks: range, clock: Clock) -> None:
        self.engine = model_engine(Separator.open(name), 4, block=BLOCK)
        self.name, self.mics, self.sources, self.block = name, 4, 1, BLOCK
        self.delay, self.blocks, self.clock = self.engine.delay, blocks, clock

    def process(self, x: np.ndarray, out: np.ndarray, budget_s: float) -> Outcome:
        outcome = self.engine.process(x, out, budget_s)
        return Outcome.DEAD if self.clock.now in self.blocks else outcome

    def reset(self) -> None:
        self.engine.reset()

    def close(self) -> None:
        self.engine.close()


def test_all_four_rungs_down_and_up_again_with_real_models() -> None:
    """The chosen model, a smaller one, delay-and-sum, bypass: one delay, finite sound throughout."""
    array, clock = load_array("respeaker-4mic"), Clock()
    beam = beam_engine(delay_and_sum_filters(lead_s(array, [0.0]), RATE), 1, BLOCK)
    engines = [
        Breaking("enhance-mono-float32", range(20, 60), clock),
        Breaking("enhance-hearing-aid", range(20, 60), clock),
        beam,
        Bypass(4, 1, BLOCK),
    ]
    ladder = Ladder(engines, LadderConfig(window=50, calm=30, calm_limit=60, trial=5), Clock())
    guard = Guard(ladder, metrics(4, 1, BLOCK), RATE, BLOCK)
    blocks = 1200
    x = np.repeat(noise(blocks * BLOCK), 4, axis=0)
    y, rungs = np.empty((1, x.shape[1]), np.float32), []
    for number in range(blocks):
        clock.now = number
        place = slice(number * BLOCK, (number + 1) * BLOCK)
        guard.process(x[:, place], y[:, place])
        rungs.append(guard.metrics.rung)
    assert set(rungs) == {0, 1, 2} and rungs[-1] == 0
    assert ladder.delay == max(engine.delay for engine in engines) == guard.delay
    assert np.isfinite(y).all()
    want = Separator.open("enhance-mono-float32").separate(x[:1])
    last = slice(-100 * BLOCK, None)
    # Reset a while ago: what it has heard since is nearly all that it remembers.
    np.testing.assert_allclose(y[:, last], np.roll(want, guard.delay, axis=1)[:, last], rtol=0, atol=1e-3)


def test_a_block_through_the_whole_chain_leaves_nothing_allocated() -> None:
    engines = [model_engine(Separator.open("enhance-mono"), 2, block=BLOCK), Bypass(2, 1, BLOCK)]
    guard = Guard(Ladder(engines, LadderConfig(), Clock()), metrics(2, 1, BLOCK), RATE, 160)
    highpass, mix = HighPass(2, RATE), Mix(1, 2, RATE, guard.delay)
    howl, limiter = Howl(RATE, 0.5), Limiter(2, RATE)
    x, heard = 10 * noise(160, mics=2), np.empty((2, 160), np.float32)
    made, played = np.empty((1, 160), np.float32), np.empty((2, 160), np.float32)

    def run(periods: int) -> None:
        for _ in range(periods):
            heard[...] = x
            highpass.filter(heard)
            guard.process(heard, made)
            mix.mix(heard[0], made, played)
            howl.suppress(played)
            limiter.limit(played)

    run(50)
    tracemalloc.start()
    run(50)
    before, _ = tracemalloc.get_traced_memory()
    run(200)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert limiter.limited > 0
    assert after - before < 2000  # bytes: counters that became larger numbers

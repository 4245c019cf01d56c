"""Whatever happens to the process of a model, the stream goes on, and nothing is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator
from edge_sdk.contract import Bundle, read_bundle
from edge_sdk.errors import BackendError
from edge_sdk.library import find_model
from edge_sdk.live.engine import Outcome
from edge_sdk.live.exchange import SLOTS
from edge_sdk.live.guard import Guard
from edge_sdk.live.isolation import Isolated, IsolationConfig
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.local import Bypass
from edge_sdk.live.worker_process import ended_by
from tests.edge_sdk.live.engines import Clock, metrics, noise

RATE, BLOCK = 16_000, 128
LONG, SHORT = 30.0, 0.03  # budgets in seconds: nothing here depends on how fast the machine is
QUICK = LadderConfig(bad=3, late=4, overruns=4, window=50, calm=100, calm_limit=800, trial=5)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(find_model("enhance-mono"))


@pytest.fixture
def isolated(bundle: Bundle) -> Iterator[Isolated]:
    engine = Isolated(bundle, 1, block=BLOCK)
    yield engine
    engine.close()


def until(true: Callable[[], object]) -> None:
    """Wait for something that another process or thread does."""
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def one_waits(engine: Isolated) -> bool:
    return bool(engine._waiting)


def children() -> set[int]:
    """Processes that this one has, those that ended and nobody asked for included."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread of another test that just ended
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def ask(engine: Isolated, x: np.ndarray, budget_s: float = LONG) -> tuple[Outcome, np.ndarray]:
    out = np.full((engine.sources, engine.block), np.nan, np.float32)
    return engine.process(x, out, budget_s), out


@pytest.mark.parametrize("period", [160, 441])
def test_the_output_is_that_of_the_model_in_this_process(isolated: Isolated, period: int) -> None:
    guard = Guard(Ladder([isolated], QUICK, Clock()), metrics(block=BLOCK), RATE, period, budget_s=LONG)
    x = noise(40 * period)
    y = np.empty_like(x)
    for begin in range(0, x.shape[1], period):
        guard.process(x[:, begin : begin + period], y[:, begin : begin + period])
    want = Separator.open("enhance-mono").separate(x)
    np.testing.assert_array_equal(y[:, guard.delay :], want[:, : x.shape[1] - guard.delay])


def test_a_crash_costs_one_block_and_the_delay_of_the_model(isolated: Isolated) -> None:
    """Fault: the interpreter crashes. The worker in waiting takes over at the next block."""
    until(lambda: one_waits(isolated))
    guard = Guard(Ladder([isolated], QUICK, Clock()), metrics(block=BLOCK), RATE, BLOCK, budget_s=LONG)
    x = noise(30 * BLOCK)
    y = np.empty_like(x)
    for number in range(30):
        if number == 10:
            os.kill(isolated.pid, signal.SIGSEGV)
        guard.process(x[:, number * BLOCK : (number + 1) * BLOCK], y[:, number * BLOCK : (number + 1) * BLOCK])
    assert guard.metrics.fallbacks == {"late": 0, "bad": 0, "dead": 2}  # 64 samples of delay are within one block
    anew = Separator.open("enhance-mono").process(x[:, 11 * BLOCK :])
    np.testing.assert_array_equal(y[:, 13 * BLOCK :], anew[:, 2 * BLOCK :])
    assert np.isfinite(y).all() and np.abs(y[:, 9 * BLOCK :]).reshape(-1, BLOCK).max(axis=1).min() > 0


def test_a_worker_that_is_late_has_heard_the_blocks(isolated: Isolated) -> None:
    """Fault: late. What comes later is not taken for the answer to another block, and the model's memory is whole."""
    x, want = noise(20 * BLOCK), Separator.open("enhance-mono").process(noise(20 * BLOCK))
    for number in range(20):
        if number == 5:
            os.kill(isolated.pid, signal.SIGSTOP)
        if number == 9:
            os.kill(isolated.pid, signal.SIGCONT)
        late = 5 <= number < 9
        place = slice(number * BLOCK, (number + 1) * BLOCK)
        outcome, out = ask(isolated, x[:, place], SHORT if late else LONG)
        assert outcome is (Outcome.LATE if late else Outcome.GOOD)
        if not late:
            np.testing.assert_array_equal(out, want[:, place])


def test_a_worker_that_does_not_come_back_is_replaced(isolated: Isolated) -> None:
    """Fault: the process hangs."""
    until(lambda: one_waits(isolated))
    x, stopped = noise(BLOCK), isolated.pid
    os.kill(stopped, signal.SIGSTOP)
    outcomes = [ask(isolated, x, 0.0)[0] for _ in range(SLOTS + 1)]
    assert outcomes == [Outcome.LATE] * SLOTS + [Outcome.DEAD]
    assert ask(isolated, x)[0] is Outcome.GOOD
    assert isolated.pid != stopped
    until(lambda: gone(stopped))


def test_reset_makes_the_model_forget(isolated: Isolated) -> None:
    x = noise(BLOCK)
    _, first = ask(isolated, x)
    _, second = ask(isolated, x)
    assert not np.array_equal(first, second)
    isolated.reset()
    np.testing.assert_array_equal(ask(isolated, x)[1], first)


def test_a_model_that_crashes_again_and_again_gets_no_more_processes(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: crashes at every start. Quarantined, and the ladder goes on below."""
    engine = Isolated(bundle, 1, block=BLOCK, config=IsolationConfig(respawns=1))
    ladder = Ladder([engine, Bypass(1, 1, BLOCK)], QUICK, Clock())
    guard = Guard(ladder, metrics(block=BLOCK), RATE, BLOCK, budget_s=LONG)
    x = noise(BLOCK)
    out = np.empty_like(x)
    for _ in range(3):  # the first, the one that waited, and one that may have been started before the second was lost
        until(lambda: one_waits(engine) or engine.quarantined)
        guard.process(x, out)
        if engine.pid is not None:
            os.kill(engine.pid, signal.SIGKILL)
            guard.process(x, out)
    until(lambda: engine.quarantined)
    for _ in range(10):
        guard.process(x, out)
    assert guard.metrics.rung == 1
    assert "2 processes lost within 60 s, it gets no more" in caplog.text
    assert "lost its process (SIGKILL)" in caplog.text
    guard.close()


def test_a_worker_in_waiting_that_dies_is_replaced_before_it_is_needed(isolated: Isolated) -> None:
    until(lambda: one_waits(isolated))
    waiting = isolated._waiting[0].process.pid
    os.kill(waiting, signal.SIGKILL)
    until(lambda: one_waits(isolated) and isolated._waiting[0].process.pid != waiting)
    assert gone(waiting)
    assert ask(isolated, noise(BLOCK))[0] is Outcome.GOOD


def test_nothing_is_left_behind(bundle: Bundle) -> None:
    """No process, no descriptor, no file in memory; also after a crash that nobody noticed."""
    before, descriptors, shared = children(), len(os.listdir("/proc/self/fd")), os.listdir("/dev/shm")
    engine = Isolated(bundle, 1, block=BLOCK)
    until(lambda: one_waits(engine))
    crashed = engine.pid
    os.kill(crashed, signal.SIGSEGV)
    until(lambda: gone(crashed))  # no zombie, though no block was asked for
    engine.close()
    engine.close()
    assert children() == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert os.listdir("/dev/shm") == shared


def test_workers_end_with_their_parent() -> None:
    """Fault: this process is killed and can tidy up nothing; one worker is stopped, too."""
    script = """
import os, signal, time
from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from edge_sdk.live.isolation import Isolated
engine = Isolated(read_bundle(find_model("enhance-mono")), 1)
while not engine._waiting:
    time.sleep(0.01)
os.kill(engine.pid, signal.SIGSTOP)
print(engine.pid, engine._waiting[0].process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.communicate()
    until(lambda: all(gone(pid) for pid in workers))


def test_a_worker_may_compute_and_nothing_else(isolated: Isolated) -> None:
    limits = Path(f"/proc/{isolated.pid}/limits").read_text()
    for name, value in [("address space", 1 << 30), ("core file size", 0), ("file size", 0), ("open files", 64)]:
        line = next(line for line in limits.splitlines() if line.startswith(f"Max {name}"))
        assert line.split()[-3:-1] == [str(value)] * 2
    status = Path(f"/proc/{isolated.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Threads:\t1\n" in status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_goes_on_while_the_stream_fades_out(isolated: Isolated, number: int) -> None:
    """A terminal and a service manager send their signals to all processes at once."""
    os.kill(isolated.pid, number)
    for _ in range(5):
        assert ask(isolated, noise(BLOCK))[0] is Outcome.GOOD


def test_a_worker_that_cannot_start_is_one_line(bundle: Bundle) -> None:
    before = children()
    told = r"enhance-mono: its process did not start \(.+\); allow it more than 32 MiB and 30 s, or run it without"
    with pytest.raises(BackendError, match=told):
        Isolated(bundle, 1, config=IsolationConfig(memory_bytes=32 << 20))
    broken = replace(bundle, model=bytes(1000))
    with pytest.raises(BackendError, match=r"did not start \(BackendError: .*\)"):
        Isolated(broken, 1)
    assert children() == before


def test_exit_statuses_have_names() -> None:
    assert ended_by(-11) == "SIGSEGV"
    assert ended_by(3) == "exit status 3"
    assert ended_by(-99) == "signal 99"


@pytest.mark.parametrize("setting", [{"respawns": -1}, {"memory_bytes": 0}, {"window_s": 0}, {"start_s": float("nan")}])
def test_configurations_that_make_no_sense_are_refused(setting: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        IsolationConfig(**setting)

"""A report with something of everything, for those who show one."""

import numpy as np

from edge_sdk.live.metrics import Metrics
from edge_sdk.live.reports import Report
from edge_sdk.live.system import SystemState

SYSTEM = SystemState(1.234, 81_000_000, 61.4, "ondemand", ("under-voltage",))
CALM = SystemState(0.05, 40_000_000, None, None, ())


def busy() -> Report:
    """Two microphones, one dead, two sources, 1000 blocks of which two were late, a smaller model."""
    m = Metrics(mics=2, sources=2, rate_hz=16_000, block=160, rungs=("enhance", "delay-and-sum", "bypass"), rung=1)
    m.blocks, m.captured, m.lost, m.processed, m.played = 1000, 159_000, 1160, 160_000, 159_840
    m.overruns, m.underruns, m.inserted, m.dropped, m.reopened, m.limited = 3, 4, 320, 5, 1, 77
    m.fallbacks.update(late=2, bad=6)
    m.mic_faults = ("", "dead")
    m.swaps = 2
    m.observe_in(np.array([[0.5, -0.1], [0.0, 0.0]], np.float32))
    m.observe_out(np.array([[0.1], [1.0]], np.float32))
    for i in range(998):
        m.observe_step(1e-3 + 1e-6 * i)
    m.observe_step(0.015)
    m.observe_step(0.025)
    return Report(m.snapshot(), SYSTEM)


def quiet() -> Report:
    """Nothing has happened yet, and the computer says little."""
    return Report(Metrics(mics=1, sources=1, rate_hz=48_000, block=64).snapshot(), CALM)

"""Another model for a stream that plays: loaded and warmed beside it, then cross-faded to within a block."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from edge_sdk.contract import Bundle, Manifest
from edge_sdk.errors import EdgeError
from edge_sdk.live.engine import Engine, Outcome
from edge_sdk.live.ladder import BEGAN_ANEW, Ladder
from edge_sdk.live.newcomer import Newcomer, memory_of
from edge_sdk.live.rung import Rung

log = logging.getLogger(__name__)
LOOK_S = 0.002  # between looks at what the audio thread has copied
LONGEST_S = 60.0  # from a loaded model to its first block
ATTEMPTS = 3  # where the stream begins anew meanwhile


class SwapError(EdgeError):
    """A stream cannot take this model while it plays; what played before still does."""


class FailedError(SwapError):
    """The model itself is broken: it died, or what it made was no sound. It was not heard."""


class BeganAnewError(SwapError):
    """The stream began anew: what the model had heard is of no use."""


class Swap:
    """Brings models to the top of a ladder, from a thread beside the stream's, one at a time.

    make: an engine that fits the ladder, `SwapError` where there is none. engines: all that are open, with the samples
    that each remembers; whoever closes them looks there.
    """

    def __init__(self, ladder: Ladder, make: Callable[[Bundle], Engine], engines: dict[Engine, int]) -> None:
        self._ladder, self._make, self._engines = ladder, make, engines
        self._closing = False

    def load(self, bundle: Bundle) -> int:
        """Play another model; how many took another's place by then. The one before stays loaded."""
        m, began_s = bundle.manifest, time.monotonic()
        engine = self._make(bundle)
        self._engines[engine] = memory_of(m)
        try:
            self._bring_new(engine)
        except SwapError:
            self._close(engine)
            raise
        log.warning("%s %s plays, %.1f s after it was asked for", m.name, m.version, time.monotonic() - began_s)
        return self._ladder.swaps

    def back(self) -> int:
        """Play the model before again; the present one goes. How many took another's place by then."""
        rung = self._ladder.previous
        if rung is None:
            raise SwapError("no model was replaced before; there is none to go back to")
        try:
            self._bring(Newcomer(rung, self._blocks(rung.engine), back=True))
        except SwapError:
            if rung is not self._ladder.previous:
                self._close(rung.engine)
            raise
        log.warning("%s plays again", rung.engine.name)
        return self._ladder.swaps

    def close(self) -> None:
        """Nothing is brought any more."""
        self._closing = True

    def _blocks(self, engine: Engine) -> int:
        """That it has to hear before it plays."""
        return -(-(self._engines[engine] + engine.delay) // engine.block) + 1

    def _bring_new(self, engine: Engine) -> None:
        """A model that never played; again, where the stream begins anew meanwhile."""
        for _ in range(ATTEMPTS):
            with contextlib.suppress(BeganAnewError):
                return self._bring(Newcomer(Rung(engine, self._ladder.delay), self._blocks(engine)))
        raise BeganAnewError(f"{engine.name}: not taken in (the stream began anew {ATTEMPTS} times); try again")

    def _bring(self, newcomer: Newcomer) -> None:
        """Warm it until the audio thread has taken it; `SwapError` where it does not."""
        end_s = time.monotonic() + LONGEST_S
        self._ladder.newcomer, begun = newcomer, False
        while not newcomer.over and not self._closing:
            if newcomer.met and not newcomer.over and newcomer.unwanted is None:
                if not begun:
                    newcomer.rung.begin()
                    begun = True
                if (outcome := newcomer.catch_up()) is not Outcome.GOOD:
                    newcomer.failed = outcome is not Outcome.LATE
                    newcomer.unwanted = f"while it was warmed a block was {outcome.value}"
            if time.monotonic() > end_s:
                newcomer.unwanted = f"it was not warm within {LONGEST_S:g} s"
            time.sleep(LOOK_S)
        for rung in newcomer.left:
            self._close(rung.engine)
        newcomer.left.clear()
        if newcomer.refused is not None or not newcomer.over:
            why = newcomer.refused or "the stream ends"
            kind = BeganAnewError if why == BEGAN_ANEW else FailedError if newcomer.failed else SwapError
            raise kind(f"{newcomer.rung.engine.name}: not taken in ({why}); what played before still does")

    def _close(self, engine: Engine) -> None:
        del self._engines[engine]
        engine.close()


def require_fit(m: Manifest, ladder: Ladder, rate_hz: int) -> None:
    """`SwapError` for a model that cannot take turns with those of a ladder: no sample may come later than before."""
    if (m.sample_rate, m.sources) != (rate_hz, ladder.sources) or m.mics not in (1, ladder.mics):
        raise SwapError(
            f"{m.name} makes {m.sources} sources of {m.mics} microphones at {m.sample_rate} Hz, the stream"
            f" {ladder.sources} of {ladder.mics} at {rate_hz}; start the stream anew"
        )
    if ladder.block % m.block or m.delay > ladder.delay:
        raise SwapError(
            f"{m.name} takes blocks of {m.block} and is {m.delay} samples late, the stream has blocks of {ladder.block}"
            f" and is {ladder.delay} late; start the stream anew"
        )

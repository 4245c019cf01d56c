"""`edge-sdk localize --capture`: where talkers are, while they talk."""

from __future__ import annotations

import argparse
import json
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_sdk import localize_command, localize_table
from edge_sdk.audio.calibration import Correction, doubt, load_calibration
from edge_sdk.audio.microphones import MicrophoneMonitor, Samples
from edge_sdk.live.places import Place, open_capture
from edge_sdk.localize_command import SAMPLE_RATE

if TYPE_CHECKING:
    from edge_sdk.audio.arrays import MicArray
    from edge_sdk.audio.pcm import Capture
    from edge_sdk.beamforming.localizer import Localizer, Moment

PERIOD = 512  # samples: two hops of the localizer


class Listener:
    """Moments of a localizer that hears what a capture delivers, corrected if microphones differ.

    lost: samples so far that did not arrive, for which it hears silence; faulty: microphones that are, by number.
    """

    def __init__(self, capture: Capture, localizer: Localizer, correction: Correction | None = None) -> None:
        self._capture, self._localizer, self._correction = capture, localizer, correction
        self._monitor = MicrophoneMonitor(capture.mics, capture.rate_hz)
        self._silence = np.zeros((capture.mics, PERIOD), np.float32)
        self.lost = 0

    @property
    def faulty(self) -> dict[int, str]:
        return {m: fault for m, fault in enumerate(self._monitor.faults) if fault}

    def moments(self, stop: Callable[[], bool], seconds: float) -> Iterator[Moment]:
        """For so many seconds, until `stop` says so, or until a recording ends."""
        left = seconds * self._capture.rate_hz
        while left > 0 and not stop():
            x, lost = self._capture.read()
            if not x.shape[1] and not lost:
                return
            left -= x.shape[1] + lost
            self.lost += lost
            for begin in range(0, lost, PERIOD):
                yield from self._heard(self._silence[:, : lost - begin])
            if x.shape[1] and self._monitor.observe(x):
                for m, fault in self.faulty.items():
                    localize_command.note(f"microphone {m} (counted from 0) is {fault}")
            yield from self._heard(x)

    def _heard(self, x: Samples) -> Iterator[Moment]:
        if self._correction is not None:
            x = x.copy()
            self._correction.apply(x)
        yield from self._localizer.process(x)


def run_live(args: argparse.Namespace, array: MicArray, every_s: float) -> int:
    """Print a line every so often until the time is up, or Ctrl-C or the end of a recording comes."""
    localizer = localize_command.opened(array, args, SAMPLE_RATE)
    stopped = threading.Event()
    with ExitStack() as stack:
        place = Place(args.capture, SAMPLE_RATE, array.capture_channels, period=PERIOD)
        capture = stack.enter_context(closing(open_capture(place, array.channels)))
        correction = None
        if args.calibration is not None:
            calibration = load_calibration(args.calibration, array)
            if place.kind == "device" and (line := doubt(calibration, args.capture)):
                localize_command.note(line)
            correction = Correction(calibration, SAMPLE_RATE)
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, lambda *_: stopped.set()))
        listener = Listener(capture, localizer, correction)
        moments = listener.moments(stopped.is_set, math.inf if args.seconds is None else args.seconds)
        if not args.json:
            print("\n".join(localize_table.header(localizer.config.talkers)), flush=True)
        for row in localize_table.thinned(moments, every_s):
            print(json.dumps(plain(row, listener)) if args.json else localize_table.line(row), flush=True)
    return 0


def plain(moment: Moment, listener: Listener) -> dict[str, Any]:
    """A moment for scripts."""
    return {
        "time_s": round(moment.time_s, 3),
        "talkers": [localize_table.plain(talker) for talker in moment.talkers],
        "faulty_microphones": sorted(listener.faulty),
        "lost_samples": listener.lost,
    }

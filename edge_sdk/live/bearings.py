"""Where talkers are, for people who watch a stream: a localizer in a thread of its own, at a bounded cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.beamforming.localizer import Localizer, LocalizerConfig, Moment
from edge_sdk.beamforming.srp_phat import HIGHEST_HZ, LOWEST_HZ
from edge_sdk.beamforming.stft import STFTConfig
from edge_sdk.beamforming.zones import Zone
from edge_sdk.live.tap import FULL_SCALE, Tap

LOOK_S = 0.1  # between two looks, at least
MOST_S = 0.4  # of sound at a time: what came before is passed over
SHARE = 0.2  # of a core, at most
HOP_S = 0.016
USED_OF_BAND = 0.95  # below half the rate


class Bearings:
    """Tells where talkers are whom a tap hears, while this lasts: `with Bearings(tap, localizer) as bearings`.

    The audio thread only writes to the tap. After a look that took long this thread rests as much longer, so that it
    never takes more than `share` of a core; sound that comes meanwhile is passed over, and counted in `skipped`,
    samples of a microphone.
    """

    def __init__(self, tap: Tap, localizer: Localizer, share: float = SHARE) -> None:
        if tap.channels != localizer.mics:
            raise ValueError(f"a tap of {tap.channels} microphones: expected {localizer.mics}, as the localizer has")
        if not 0 < share <= 1:
            raise ValueError(f"share = {share}: expected above 0 to 1, of a core")
        self._tap, self._localizer, self._share = tap, localizer, share
        self._most = round(MOST_S * localizer.config.sample_rate)
        self._position, self.skipped = tap.position, 0
        self._moment: Moment | None = None
        self._power = localizer.power()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bearings", daemon=True)

    def __enter__(self) -> Bearings:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def as_plain(self) -> dict[str, Any]:
        """For JSON. talkers: null or a talker in each place, as `edge-sdk localize --json` has them; power: pairs of
        azimuth in degrees and how much comes from there, 0 to 1."""
        moment, (azimuths_rad, power) = self._moment, self._power
        talkers = () if moment is None else moment.talkers
        around = zip(np.rad2deg(azimuths_rad).tolist(), power.tolist(), strict=True)
        return {
            "talkers": [None if talker is None else talker.in_degrees() for talker in talkers],
            "power": [[round(azimuth, 1), round(p, 3)] for azimuth, p in around],
        }

    def look(self) -> None:
        """Take what the tap has that is new."""
        since = max(self._position, self._tap.position - self._most)
        begin, samples = self._tap.read_all(since)
        self.skipped += begin - self._position
        self._position = begin + samples.shape[1]
        for moment in self._localizer.process(samples.astype(np.float32) / FULL_SCALE):
            self._moment = moment
        self._power = self._localizer.power()

    def _run(self) -> None:
        rest_s = LOOK_S
        while not self._stopped.wait(rest_s):
            begin_s = time.thread_time()
            self.look()
            rest_s = self.rest_s(time.thread_time() - begin_s)

    def rest_s(self, took_s: float) -> float:
        """How long to wait after a look that took so long of a core."""
        return max(LOOK_S, took_s * (1 / self._share - 1))


def bearings_of(
    tap: Tap,
    array: MicArray,
    rate_hz: int,
    talkers: int = 2,
    keep: Sequence[Zone] = (),
    null: Sequence[Zone] = (),
) -> Bearings | None:
    """Bearings of so many talkers at most whom an array hears, in zones; none where it tells no azimuth."""
    hop = 2 * round(HOP_S * rate_hz / 2)
    config = LocalizerConfig(
        talkers,
        sample_rate=rate_hz,
        stft=STFTConfig(2 * hop, hop),
        band_hz=(LOWEST_HZ, min(HIGHEST_HZ, USED_OF_BAND * rate_hz / 2)),
        keep=tuple(keep),
        null=tuple(null),
    )
    try:
        localizer = Localizer(array, config)
    except ValueError:
        return None
    return Bearings(tap, localizer)

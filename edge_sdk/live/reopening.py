"""Devices that go away and come back: unplugged, suspended, their server started anew."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.pcm import Capture, DeviceGone, Playback
from edge_sdk.errors import AudioError

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]
Clock = Callable[[], float]
Device = TypeVar("Device", Capture, Playback)
Result = TypeVar("Result")
FIRST_S, LONGEST_S = 0.1, 0.8  # between two attempts to open: back within a second of the device


class Slot(Generic[Device]):
    """Holds an open device, and once that is gone tries to open it again, less and less often while that fails: by the
    name that the device itself gave, which says its card, not the card's number."""

    def __init__(self, device: Device, open_it: Callable[[str | None], Device], clock: Clock) -> None:
        self._device: Device | None = device
        self._open: Callable[[str | None], Device] = open_it
        self._clock, self._name = clock, device.device
        self.reopened = 0
        self._next_s, self._wait_s = 0.0, FIRST_S

    def now(self) -> Device | None:
        """The device, if it is there; tries to open it when it is time to."""
        if self._device is None and self._clock() >= self._next_s:
            try:
                self._device = self._open(self._name)
            except AudioError as error:
                log.info("%s", error)
                self._wait()
        return self._device

    def worked(self) -> None:
        """Say that the device does what it should."""
        if self._wait_s != FIRST_S:
            self.reopened += 1
            self._wait_s = FIRST_S
            log.warning("%s is back", self._name)

    def leave(self, error: DeviceGone) -> None:
        """Close a device that is gone."""
        if self._wait_s == FIRST_S:
            log.warning("%s; it is opened again as soon as it is back", error)
        self.close()
        self._device = None
        self._wait()

    def close(self) -> None:
        """Give the device back, if it is there."""
        if self._device is not None:
            self._device.close()

    def _wait(self) -> None:
        self._next_s = self._clock() + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_S)


class ReopeningCapture:
    """Microphones that may go away: until they are back, every period is counted as lost when it is due.

    open_it: takes the name of the device that was opened before, None at first. That first opening is not tried twice:
    an `AudioError` there is a wrong name or format, and the user's to mend.
    """

    def __init__(
        self,
        open_it: Callable[[str | None], Capture],
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        first = open_it(None)
        self.device, self.rate_hz, self.mics, self.period = first.device, first.rate_hz, first.mics, first.period
        self._slot: Slot[Capture] = Slot(first, open_it, clock)
        self._clock, self._sleep = clock, sleep
        self._nothing = np.zeros((self.mics, 0), np.float32)
        self._heard_s = clock()  # when the last sample came
        self._silent: int | None = None  # samples counted as lost since then, while the device is away

    @property
    def reopened(self) -> int:
        """How often it came back."""
        return self._slot.reopened

    def read(self) -> tuple[Samples, int]:
        """As `Capture.read`, without `DeviceGone`."""
        device = self._slot.now()
        if device is None:
            return self._away()
        try:
            x, lost = device.read()
        except DeviceGone as error:
            self._slot.leave(error)
            return self._away()
        self._slot.worked()
        now = self._clock()
        if self._silent is not None:
            # What the device itself has lost since it was opened is within this.
            away = round((now - self._heard_s) * self.rate_hz) - x.shape[1]
            lost, self._silent = max(0, away - self._silent), None
        self._heard_s = now
        return x, lost

    def _away(self) -> tuple[Samples, int]:
        silent = (self._silent or 0) + self.period
        self._sleep(max(0.0, self._heard_s + silent / self.rate_hz - self._clock()))
        self._silent = silent
        return self._nothing, self.period

    def close(self) -> None:
        self._slot.close()


class ReopeningPlayback:
    """A loudspeaker that may go away: it raises `DeviceGone` until it is back. open_it: as for `ReopeningCapture`."""

    def __init__(self, open_it: Callable[[str | None], Playback], clock: Clock = time.monotonic) -> None:
        first = open_it(None)
        self.device, self.rate_hz, self.channels = first.device, first.rate_hz, first.channels
        self.period, self.buffer = first.period, first.buffer
        self._slot: Slot[Playback] = Slot(first, open_it, clock)

    @property
    def reopened(self) -> int:
        """How often it came back."""
        return self._slot.reopened

    @property
    def queued(self) -> int:
        return self._do(lambda device: device.queued)

    def write(self, samples: Samples) -> int:
        return self._do(lambda device: device.write(samples))

    def drain(self) -> None:
        self._do(lambda device: device.drain())

    def close(self) -> None:
        self._slot.close()

    def _do(self, action: Callable[[Playback], Result]) -> Result:
        device = self._slot.now()
        if device is None:
            raise DeviceGone(f"{self.device}: not there")
        try:
            result = action(device)
        except DeviceGone as error:
            self._slot.leave(error)
            raise
        self._slot.worked()
        return result

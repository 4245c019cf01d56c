"""Streams of samples from microphones and to loudspeakers: sound cards, files and pipes look the same from here on."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import AudioError

Samples = NDArray[np.float32]


class DeviceGone(AudioError):
    """The device went away or stopped working: unplugged, suspended, its server died. Opening it again may help."""


class Capture(Protocol):
    """Where samples come from.

    device: what it is called; rate_hz: samples per second; mics: microphones, in the order of the array description;
    period: samples per microphone that usually come at once.
    """

    device: str
    rate_hz: int
    mics: int
    period: int

    def read(self) -> tuple[Samples, int]:
        """The next samples, `[mics, n]`, and how many were lost before them.

        Waits for them; n is `period`, or less at the end of a recording, or 0 where all were lost. Whoever reads may
        write into the array, which the next read uses again. A recording that has ended gives no samples and loses
        none, again and again. `DeviceGone` where no samples will come any more.
        """
        ...

    def close(self) -> None:
        """Give the device back; a second time does nothing."""
        ...


class Playback(Protocol):
    """Where samples go.

    device, rate_hz, period: as for `Capture`; channels: rows that `write` takes; buffer: samples that the device can
    hold, 0 where it takes any number at once (a file).
    """

    device: str
    rate_hz: int
    channels: int
    period: int
    buffer: int

    @property
    def queued(self) -> int:
        """Samples written and not played yet; 0 for a file."""
        ...

    def write(self, samples: Samples) -> int:
        """Play samples, `[channels, n]`, any n; how often the device had run dry before them.

        Waits for room. A device that ran dry is first filled with silence, as it was when it was opened.
        `DeviceGone` where nothing can be played any more.
        """
        ...

    def drain(self) -> None:
        """Wait until everything written has been played."""
        ...

    def close(self) -> None:
        """Give the device back, playing no more; a second time does nothing."""
        ...

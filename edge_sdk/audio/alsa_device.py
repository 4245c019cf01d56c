"""ALSA devices opened through pyalsaaudio, that have what was asked for and can be waited for.

They are opened without blocking and waited for with poll, so that signals are served and a device that delivers nothing
any more is noticed. What ALSA grants is read back: where it differs from what was asked for, the device is refused,
because pyalsaaudio takes whatever it gets.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from edge_sdk.audio.cards import holder, known, sound_cards, stable_name
from edge_sdk.audio.formats import SAMPLE_BYTES
from edge_sdk.audio.pcm import DeviceGone
from edge_sdk.errors import AudioError


@dataclass(frozen=True)
class PcmConfig:
    """What to ask a device for: channels are all that it has, period the samples per channel between its interrupts,
    periods how many of those its buffer holds. A deep buffer makes nothing later; it is how long a reader may stall.
    """

    device: str
    rate_hz: int = 16_000
    channels: int = 1
    format: str = "S16_LE"
    period: int = 160
    periods: int = 8

    def __post_init__(self) -> None:
        if self.format not in SAMPLE_BYTES:
            raise ValueError(f"format = {self.format!r}: expected one of {', '.join(SAMPLE_BYTES)}")
        if min(self.rate_hz, self.channels, self.period) < 1:
            raise ValueError(
                f"rate_hz = {self.rate_hz}, channels = {self.channels}, period = {self.period}: expected 1 or more"
            )
        if self.periods < 2:
            raise ValueError(f"periods = {self.periods}: expected 2 or more, one is filled while another is read")


class AlsaDevice:
    """A PCM of pyalsaaudio that has what was asked for, and ways to wait for it."""

    def __init__(self, config: PcmConfig, stream: str, patience_s: float) -> None:
        self.name = stable_name(config.device, sound_cards())
        self.patience_s = patience_s
        self.rest_s = config.period / config.rate_hz / 4
        self.deadline_s = 0.0
        self.error, self.pcm = open_pcm(config, self.name, stream)
        granted = self.pcm.info()
        self.buffer = int(granted["buffer_size"])
        if differs := differences(config, granted):
            self.close()
            convert = f", or for plug{self.name}, which converts" if self.name.startswith("hw:") else ""
            raise AudioError(f"{self.name}: gives {differs}; ask for that{convert}")
        self.descriptors = [descriptor for descriptor, _ in self.pcm.polldescriptors()]
        self.poll = select.poll()
        for descriptor, events in self.pcm.polldescriptors():
            self.poll.register(descriptor, events)

    def renew_deadline(self, longer_s: float = 0.0) -> None:
        """Count the patience from now."""
        self.deadline_s = time.monotonic() + self.patience_s + longer_s

    def wait(self) -> None:
        """Until the device may have something to read or room to write; `DeviceGone` where that takes too long."""
        ready = dict(self.poll.poll(1e3 * max(0.0, self.deadline_s - time.monotonic())))
        if not ready:
            self.give_up()
        # Some plugins count what is read from their descriptors here, and would wake us for ever without.
        self.call(self.pcm.polldescriptors_revents, [(d, ready.get(d, 0)) for d in self.descriptors])

    def rest(self) -> None:
        """A quarter of a period, where the device fails or wakes us for nothing again and again."""
        if time.monotonic() > self.deadline_s:
            self.give_up()
        time.sleep(self.rest_s)

    def give_up(self) -> None:
        raise DeviceGone(f"{self.name}: nothing came or went for {self.patience_s:g} s; plug it in again or restart it")

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            return function(*arguments)
        except self.error as error:
            raise DeviceGone(f"{self.name}: stopped working ({reason(error)}); is it still plugged in?") from error

    def close(self) -> None:
        with suppress(self.error):  # without drop, close would play what is queued; both fail once the device is gone
            self.pcm.drop()
        with suppress(self.error):
            self.pcm.close()


def open_pcm(config: PcmConfig, name: str, stream: str) -> tuple[type[Exception], Any]:
    """pyalsaaudio's error, and a PCM of it that has what the device gives nearest to the configuration."""
    try:
        alsaaudio = import_module("alsaaudio")
    except ImportError as error:
        raise AudioError(f"sound cards need pyalsaaudio ({error}); pip install 'edge-sdk[alsa]'") from error
    keep_quiet()
    try:
        pcm = alsaaudio.PCM(
            type=alsaaudio.PCM_CAPTURE if stream == "capture" else alsaaudio.PCM_PLAYBACK,
            mode=alsaaudio.PCM_NONBLOCK,
            device=name,
            rate=config.rate_hz,
            channels=config.channels,
            format=getattr(alsaaudio, f"PCM_FORMAT_{config.format}"),
            periodsize=config.period,
            periods=config.periods,
        )
    except alsaaudio.ALSAAudioError as error:
        raise AudioError(f"{name}: {why_not_open(reason(error), name, stream)}") from error
    return alsaaudio.ALSAAudioError, pcm


def keep_quiet() -> None:
    """Stop libasound from printing lines to standard error at every failure, such as each attempt to reopen a device.

    Its handler must be C code; any function that does nothing with what it is given will do.
    """
    with suppress(OSError, AttributeError):
        asound = ctypes.CDLL("libasound.so.2")
        asound.snd_lib_error_set_handler(asound.snd_asoundlib_version)


def differences(config: PcmConfig, granted: dict[str, Any]) -> str:
    """In what the granted parameters differ from those asked for; a larger buffer is as good."""
    pairs = [
        ("{} Hz", granted["rate"], config.rate_hz),
        ("{} channels", granted["channels"], config.channels),
        ("samples of {}", granted["format_name"], config.format),
        ("periods of {}", granted["period_size"], config.period),
        ("a buffer of {}", granted["buffer_size"], max(config.period * config.periods, granted["buffer_size"])),
    ]
    return ", ".join(f"{text.format(got)} instead of {wanted}" for text, got, wanted in pairs if got != wanted)


def why_not_open(reason: str, device: str, stream: str) -> str:
    """What to do about a device that cannot be opened."""
    if reason == os.strerror(errno.EBUSY):
        return f"in use by {holder(device, stream) or 'another program'}; stop that, or choose another device"
    if reason in (os.strerror(errno.ENOENT), os.strerror(errno.ENODEV)):
        return f"no such {stream} device; {known(device, sound_cards())}"
    if reason in (os.strerror(errno.EACCES), os.strerror(errno.EPERM)):
        return "no permission to open it; add this user to the group audio"
    if reason == os.strerror(errno.ECONNREFUSED):
        return f"cannot be opened for {stream} ({reason}); is its sound server running?"
    program = "arecord" if stream == "capture" else "aplay"
    return f"cannot be opened for {stream} ({reason}); {program} -D {device} shows what ALSA says of it"


def reason(error: Exception) -> str:
    """ALSA's words alone: pyalsaaudio appends the name of the device to them, and has no number."""
    return str(error).rsplit(" [", 1)[0]

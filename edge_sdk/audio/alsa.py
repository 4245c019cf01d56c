"""Capture and playback on ALSA devices, through pyalsaaudio.

The devices are opened without blocking and waited for with poll, so that signals are served and a device that delivers
nothing any more is noticed. What ALSA grants is read back: where it differs from what was asked for, the device is
refused, because pyalsaaudio takes whatever it gets.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from typing import Any

from edge_sdk.audio.cards import holder, known, sound_cards, stable_name
from edge_sdk.audio.formats import SAMPLE_BYTES, Decoder, Encoder
from edge_sdk.audio.losses import LossCounter
from edge_sdk.audio.pcm import DeviceGone, Samples
from edge_sdk.errors import AudioError

PATIENCE_S = 2.0  # without a sample; the first ones of a sound server take up to 50 ms, those of USB cards less
PROMPT_TRIES = 3  # in a row without a sample, as many as a start after an overrun takes; any more are spaced out


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


class AlsaCapture:
    """Microphones on an ALSA device; a `Capture`.

    select: the capture channel of each microphone, as in `MicArray.channels`. device: the name by which it is opened
    again, which says the card and not its index. overruns: how often samples were lost. A read gives fewer samples than
    a period where the device does. Read and close in the same thread.
    """

    def __init__(
        self,
        config: PcmConfig,
        select: Sequence[int] | None = None,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.decoder = Decoder(config.format, config.channels, config.period, select)
        self.alsa = AlsaDevice(config, "capture", patience_s)
        self.device, self.rate_hz, self.period = self.alsa.name, config.rate_hz, config.period
        self.mics = len(self.decoder.samples)
        self.losses = LossCounter(config.rate_hz)
        self.clock = clock
        self.overruns = 0
        self.overrun = False  # since the last samples
        self.running = False  # the first read starts the device, and so does the first after an overrun

    def read(self) -> tuple[Samples, int]:
        self.alsa.renew_deadline()
        for tries in count():
            if tries >= PROMPT_TRIES:
                self.alsa.rest()
            if self.running:
                self.alsa.wait()
            got, data = self.alsa.call(self.alsa.pcm.read)
            if got > 0:
                break
            self.running = got == 0
            if got == -errno.EPIPE:
                self.overruns += 1
                self.overrun = True
        samples = self.decoder.decode(data)
        lost = self.losses.arrived(samples.shape[1], self.clock(), self.overrun)
        self.overrun = False
        return samples, lost

    def close(self) -> None:
        self.alsa.close()


class AlsaPlayback:
    """Loudspeakers on an ALSA device; a `Playback`.

    Before the first samples, and whenever it ran dry, the device gets `priming` periods of silence: as late may a write
    come, and so much later is the sound. underruns: how often it ran dry.
    """

    def __init__(self, config: PcmConfig, priming: int = 2, patience_s: float = PATIENCE_S) -> None:
        if not 1 <= priming < config.periods:
            raise ValueError(
                f"priming = {priming}: expected 1 to {config.periods - 1}, one period fewer than the buffer"
            )
        self.encoder = Encoder(config.format, config.channels, config.period)
        self.silence = bytes(priming * config.period * self.encoder.frame_bytes)
        self.silent = priming * config.period
        self.alsa = AlsaDevice(config, "playback", patience_s)
        self.device, self.rate_hz, self.period = self.alsa.name, config.rate_hz, config.period
        self.channels, self.buffer = config.channels, self.alsa.buffer
        self.underruns = 0
        self.running = False

    @property
    def queued(self) -> int:
        room: int = self.alsa.call(self.alsa.pcm.avail)
        return self.buffer - room if 0 <= room <= self.buffer else 0

    def write(self, samples: Samples) -> int:
        before = self.underruns
        if not self.running:
            self.put(memoryview(self.silence))
            self.running = True
        for start in range(0, samples.shape[1], self.period):
            self.put(self.encoder.encode(samples[:, start : start + self.period]))
        return self.underruns - before

    def put(self, data: memoryview) -> None:
        self.alsa.renew_deadline()
        for tries in count():
            if tries >= PROMPT_TRIES:
                self.alsa.rest()
            written = self.alsa.call(self.alsa.pcm.write, data)
            if written == -errno.EPIPE:  # nothing of it is written, and the device waits to be started again
                self.underruns += self.running
                self.alsa.call(self.alsa.pcm.write, self.silence)
            elif written * self.encoder.frame_bytes == len(data):
                return
            elif written:
                data = data[written * self.encoder.frame_bytes :]
                self.alsa.renew_deadline()
            else:
                self.alsa.wait()

    def drain(self) -> None:
        if self.running:
            self.put(memoryview(self.silence))  # so that nothing is played twice after the last sample
            self.alsa.renew_deadline(self.buffer / self.rate_hz)
            while self.queued > self.silent:
                self.alsa.rest()

    def close(self) -> None:
        self.alsa.close()


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

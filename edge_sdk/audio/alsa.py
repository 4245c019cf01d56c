"""Capture and playback on ALSA devices."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from itertools import count

from edge_sdk.audio.alsa_device import AlsaDevice, PcmConfig
from edge_sdk.audio.formats import Decoder, Encoder
from edge_sdk.audio.losses import LossCounter
from edge_sdk.audio.pcm import Samples

__all__ = ["AlsaCapture", "AlsaPlayback", "PcmConfig"]

PATIENCE_S = 2.0  # without a sample; the first ones of a sound server take up to 50 ms, those of USB cards less
PROMPT_TRIES = 3  # in a row without a sample, as many as a start after an overrun takes; any more are spaced out


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

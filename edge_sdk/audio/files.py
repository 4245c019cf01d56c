"""Wav files, raw files and standard input and output in the place of sound cards. They never lose a sample.

Raw samples are interleaved in one of the formats of `formats`, and the caller says their rate and channels. The path
`-` is standard input or output.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from edge_sdk.audio.formats import Decoder, Encoder
from edge_sdk.audio.pcm import Samples
from edge_sdk.audio.wav import optional
from edge_sdk.errors import AudioError

STANDARD = Path("-")
WAV_FORMATS = {"S16_LE": (1, 16), "S24_3LE": (1, 24), "S32_LE": (1, 32), "FLOAT_LE": (3, 32)}  # tag, bits
UNKNOWN = 0xFFFFFFFF  # as a length in a wav header: read on to the end of the file


class Pace:
    """Holds samples back until a sound card would have had them; a reader that is late gets what is due at once."""

    def __init__(
        self,
        rate_hz: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate_hz = rate_hz
        self.clock = clock
        self.sleep = sleep
        self.let_through = 0
        self.begin_s: float | None = None

    def hold(self, samples: int) -> None:
        if self.begin_s is None:
            self.begin_s = self.clock()
        self.let_through += samples
        due_s = self.begin_s + self.let_through / self.rate_hz
        if (early_s := due_s - self.clock()) > 0:
            self.sleep(early_s)


class WavCapture:
    """A recording that libsndfile reads (wav, flac, ogg) as microphones; a `Capture` of the recording's rate.

    select: the channel of each microphone, all of them by default. pace: None as fast as it is read.
    """

    def __init__(
        self, path: Path, period: int = 160, select: Sequence[int] | None = None, pace: Pace | None = None
    ) -> None:
        soundfile = optional("soundfile")
        self.errors = (soundfile.SoundFileError, OSError, TypeError)  # TypeError: it takes "name.raw" for bare samples
        self.device = str(path)
        try:
            self.file = soundfile.SoundFile(path)
        except self.errors as error:
            raise AudioError(f"{path}: not a readable sound file ({why(error)}); expected wav, flac or ogg") from error
        channels = self.file.channels
        self.select = range(channels) if select is None else select
        if not all(0 <= channel < channels for channel in self.select):
            self.file.close()
            raise AudioError(f"{path}: {channels} channels, the microphones are on {list(self.select)}; wrong --array?")
        self.rate_hz, self.mics, self.period, self.pace = int(self.file.samplerate), len(self.select), period, pace
        self.interleaved = np.zeros((period, channels), np.float32)
        self.samples: Samples = np.zeros((self.mics, period), np.float32)

    def read(self) -> tuple[Samples, int]:
        try:
            n = 0 if self.file.closed else len(self.file.read(self.period, "float32", out=self.interleaved))
        except self.errors as error:
            raise AudioError(f"{self.device}: cannot be read on ({why(error)}); is the file damaged?") from error
        for row, channel in zip(self.samples, self.select, strict=True):
            row[:n] = self.interleaved[:n, channel]
        if self.pace:
            self.pace.hold(n)
        return self.samples[:, :n], 0

    def close(self) -> None:
        self.file.close()


class RawCapture:
    """Bytes of a file, a named pipe or standard input as microphones; a `Capture`. A pipe is waited for.

    select, pace: as for `WavCapture`. Bytes at the end that are less than a sample of every channel are left out.
    """

    def __init__(
        self,
        path: Path,
        rate_hz: int,
        channels: int,
        format: str = "S16_LE",
        period: int = 160,
        select: Sequence[int] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.decoder = Decoder(format, channels, period, select)
        self.device = "standard input" if path == STANDARD else str(path)
        self.rate_hz, self.mics, self.period, self.pace = rate_hz, len(self.decoder.samples), period, pace
        self.bytes = memoryview(bytearray(period * self.decoder.frame_bytes))
        self.descriptor = open_file(path, os.O_RDONLY, standard=0)
        self.ended = False

    def read(self) -> tuple[Samples, int]:
        filled = 0
        while filled < len(self.bytes) and not self.ended:
            try:
                got = os.readv(self.descriptor, [self.bytes[filled:]])
            except OSError as error:
                raise AudioError(f"{self.device}: cannot be read ({error.strerror}); is it still there?") from error
            filled += got
            self.ended = not got
        samples = self.decoder.decode(self.bytes[:filled])
        if self.pace:
            self.pace.hold(samples.shape[1])
        return samples, 0

    def close(self) -> None:
        self.ended = True
        self.descriptor = close_file(self.descriptor)


class RawPlayback:
    """A file, a named pipe or standard output as a loudspeaker; a `Playback`. A file that is there is overwritten."""

    buffer = 0
    queued = 0

    def __init__(self, path: Path, rate_hz: int, channels: int, format: str = "S16_LE", period: int = 160) -> None:
        self.encoder = Encoder(format, channels, period)
        self.device = "standard output" if path == STANDARD else str(path)
        self.rate_hz, self.channels, self.period = rate_hz, channels, period
        self.descriptor = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, standard=1)

    def write(self, samples: Samples) -> int:
        for start in range(0, samples.shape[1], self.period):
            self.put(self.encoder.encode(samples[:, start : start + self.period]))
        return 0

    def put(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self.descriptor, data) :]
            except BrokenPipeError as error:
                raise AudioError(f"{self.device}: whoever read it has closed it; nothing more is written") from error
            except OSError as error:
                raise AudioError(f"{self.device}: cannot be written on ({error.strerror}); free space") from error

    def drain(self) -> None:
        """Nothing is queued."""

    def close(self) -> None:
        self.descriptor = close_file(self.descriptor)


class WavPlayback(RawPlayback):
    """A wav file as a loudspeaker. Until it is closed its header says that its length is unknown, so that everything
    written can be read should the program be killed."""

    def __init__(self, path: Path, rate_hz: int, channels: int, format: str = "S16_LE", period: int = 160) -> None:
        if format not in WAV_FORMATS:
            raise ValueError(f"format = {format!r}: expected one of {', '.join(WAV_FORMATS)} in a wav file")
        self.format, self.written = format, 0
        super().__init__(path, rate_hz, channels, format, period)
        self.put(memoryview(self.header(UNKNOWN)))

    def write(self, samples: Samples) -> int:
        self.written += samples.shape[1]
        return super().write(samples)

    def header(self, size: int) -> bytes:
        tag, bits = WAV_FORMATS[self.format]
        frame = self.encoder.frame_bytes
        form = struct.pack("<HHIIHH", tag, self.channels, self.rate_hz, self.rate_hz * frame, frame, bits)
        riff = min(UNKNOWN, size + 36)
        return struct.pack("<4sI4s4sI16s4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16, form, b"data", min(UNKNOWN, size))

    def close(self) -> None:
        if self.descriptor >= 0:
            with suppress(OSError):  # a pipe keeps the header that it has
                os.pwrite(self.descriptor, self.header(self.written * self.encoder.frame_bytes), 0)
        super().close()


def open_file(path: Path, flags: int, standard: int) -> int:
    """A descriptor of its own, so that closing it leaves standard input and output as they are."""
    try:
        return os.dup(standard) if path == STANDARD else os.open(path, flags | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror}); expected a file or -") from error


def close_file(descriptor: int) -> int:
    """Close it unless it is closed, which -1 stands for."""
    if descriptor >= 0:
        os.close(descriptor)
    return -1


def why(error: Exception) -> object:
    return getattr(error, "error_string", None) or getattr(error, "strerror", None) or error

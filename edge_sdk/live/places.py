"""Where sound comes from and goes to, by name: devices of ALSA, files, standard input and output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_sdk.audio.pcm import Capture, Playback
from edge_sdk.errors import AudioError

RECORDINGS = (".wav", ".flac", ".ogg")
RAW = ".raw"


@dataclass(frozen=True)
class Place:
    """name: of an ALSA device as `hw:CARD=ArrayUAC10`, a path of a file, or `-`. channels: of the device or of raw
    samples. period: samples at once; periods: that a device can hold. paced: a file takes as long as its sound lasts.
    """

    name: str
    rate_hz: int
    channels: int
    format: str = "S16_LE"
    period: int = 160
    periods: int = 16
    paced: bool = False

    def named(self, name: str | None) -> Place:
        """The same under another name, if there is one."""
        return self if name is None else replace(self, name=name)

    @property
    def kind(self) -> str:
        """recording, raw or device."""
        suffix = Path(self.name).suffix.lower()
        if suffix in RECORDINGS:
            return "recording"
        return "raw" if self.name == "-" or suffix == RAW else "device"


def open_capture(place: Place, select: Sequence[int] | None) -> Capture:
    """Microphones from there; select: the channel of each, all where there is none. `AudioError` where they cannot be
    opened, or a recording has another rate."""
    from edge_sdk.audio.alsa import AlsaCapture, PcmConfig
    from edge_sdk.audio.files import Pace, RawCapture, WavCapture
    from edge_sdk.audio.periods import WholePeriods

    pace = Pace(place.rate_hz) if place.paced else None
    if place.kind == "recording":
        wav = WavCapture(Path(place.name), place.period, select, pace)
        if wav.rate_hz == place.rate_hz:
            return wav
        wav.close()
        raise AudioError(
            f"{place.name}: {wav.rate_hz} Hz, the model wants {place.rate_hz}; edge-sdk separate resamples, or do so"
        )
    if place.kind == "raw":
        return RawCapture(Path(place.name), place.rate_hz, place.channels, place.format, place.period, select, pace)
    config = PcmConfig(place.name, place.rate_hz, place.channels, place.format, place.period, place.periods)
    return WholePeriods(AlsaCapture(config, select))


def open_playback(place: Place, queue: int) -> Playback:
    """Loudspeakers there. queue: periods of silence that a device plays first, and has in hand from then on."""
    from edge_sdk.audio.alsa import AlsaPlayback, PcmConfig
    from edge_sdk.audio.files import RawPlayback, WavPlayback

    if place.kind == "recording":
        if Path(place.name).suffix.lower() != ".wav":
            raise AudioError(f"{place.name}: a stream is written as .wav, or as .raw without a header; change the name")
        return WavPlayback(Path(place.name), place.rate_hz, place.channels, place.format, place.period)
    if place.kind == "raw":
        return RawPlayback(Path(place.name), place.rate_hz, place.channels, place.format, place.period)
    config = PcmConfig(place.name, place.rate_hz, place.channels, place.format, place.period, place.periods)
    return AlsaPlayback(config, queue)


def same_file(capture: str, playback: str) -> bool:
    """Whether what is written would overwrite what is read."""
    try:
        return os.path.samefile(capture, playback)
    except OSError:
        return False


def card_of(name: str) -> str:
    """What of a device's name says whose clock it runs on: of `plughw:CARD=Array,DEV=0` the part `Array`."""
    card = name.partition(":")[2].partition(",")[0]
    return card.removeprefix("CARD=") or name

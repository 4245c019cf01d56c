"""What an ALSA device gives: asked for by opening it, because what it says it has and what it grants differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edge_sdk.audio.alsa_device import PcmConfig, open_pcm
from edge_sdk.audio.cards import sound_cards, stable_name
from edge_sdk.audio.formats import SAMPLE_BYTES

RATES_HZ = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
CHANNELS = tuple(range(1, 17))
PERIODS = (32, 64, 128, 160, 256, 441, 512, 1024)


@dataclass(frozen=True)
class Granted:
    """What one direction of a device granted, each with the rest as near to 16 kHz, one channel of S16_LE and periods
    of 160 as it can. periods: what it gave for each that was asked for."""

    formats: tuple[str, ...]
    rates_hz: tuple[int, ...]
    channels: tuple[int, ...]
    periods: dict[int, int]


def probe(device: str, stream: str) -> Granted:
    """What the `capture` or `playback` of a device grants; `AudioError` where it is busy or cannot be opened."""
    nearest = PcmConfig(device)
    found = ask(nearest, stream)
    nearest = replace(nearest, rate_hz=found["rate"], channels=found["channels"])
    if found["format_name"] in SAMPLE_BYTES:
        nearest = replace(nearest, format=found["format_name"])
    return Granted(
        formats=tuple(f for f in SAMPLE_BYTES if ask(replace(nearest, format=f), stream)["format_name"] == f),
        rates_hz=tuple(r for r in RATES_HZ if ask(replace(nearest, rate_hz=r), stream)["rate"] == r),
        channels=tuple(c for c in CHANNELS if ask(replace(nearest, channels=c), stream)["channels"] == c),
        periods={p: int(ask(replace(nearest, period=p), stream)["period_size"]) for p in PERIODS},
    )


def ask(config: PcmConfig, stream: str) -> dict[str, Any]:
    """What pyalsaaudio says of a device that is opened with this configuration and closed again."""
    _, pcm = open_pcm(config, stable_name(config.device, sound_cards()), stream)
    try:
        info: dict[str, Any] = pcm.info()
        return info
    finally:
        pcm.drop()
        pcm.close()

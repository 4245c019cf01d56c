"""What snd-aloop captures is what was played to it, to the last bit; and what an overrun loses is counted."""

import time

import numpy as np
import pytest

from edge_sdk.audio.alsa import AlsaCapture
from tests.kernel_audio.signals import RATE, SINK, SOURCE, Samples, config, noise, place, playing

pytestmark = pytest.mark.board

LATE_S = 0.25  # by which a read may come late, or the card's timer, which ticks every 4 ms: so much may be miscounted


def read(capture: AlsaCapture, seconds: float) -> tuple[Samples, int]:
    """What is captured until there is so much, and how much was lost before or within."""
    parts, lost = [], 0
    while sum(part.shape[1] for part in parts) < seconds * RATE:
        samples, missing = capture.read()
        parts.append(samples.copy())
        lost += missing
    return np.concatenate(parts, axis=1), lost


def sounding(capture: AlsaCapture) -> Samples:
    """The first samples that are not silence."""
    while True:
        samples, lost = capture.read()
        assert not lost
        if (loud := np.flatnonzero(samples.any(axis=0))).size:
            return samples[:, loud[0] :].copy()


@pytest.mark.parametrize(
    ("channels", "format", "period"),
    [
        (4, "S16_LE", 64),
        (4, "S32_LE", 441),
        (6, "S16_LE", 160),
        (6, "S32_LE", 64),
        (8, "S16_LE", 1024),
        (8, "S32_LE", 64),
        (8, "S32_LE", 256),
    ],
)
def test_every_sample_of_every_channel_is_captured_as_it_was_played(channels: int, format: str, period: int) -> None:
    signal = noise(4, channels, int(format[1:3]))
    capture = AlsaCapture(config(SINK, channels, format, period))
    try:
        with playing(signal, config(SOURCE, channels, format, period)):
            first = sounding(capture)
            rest, lost = read(capture, 2)
    finally:
        capture.close()
    assert lost == capture.overruns == 0
    assert place(signal, np.concatenate([first, rest], axis=1)) == 0, "from the first sample on"


def test_what_overruns_lose_is_counted_and_what_follows_is_whole() -> None:
    """Three times a reader stalls for longer than the buffer. The signal tells what was lost, all of the buffer with
    it; the count may differ by how late a read came, and not by more each time."""
    signal = noise(16, 4, 16)
    capture = AlsaCapture(config(SINK, 4, buffer_s=0.5))
    try:
        with playing(signal, config(SOURCE, 4)):
            sounding(capture)
            start_s = time.monotonic()
            heard, lost = read(capture, 1.2)
            begin, counted = place(signal, heard), heard.shape[1] + lost
            for times in (1, 2, 3):
                time.sleep(2)
                after, lost = read(capture, 1.2)
                counted += after.shape[1] + lost
                passed = place(signal, after) + after.shape[1] - begin
                print(f"overrun {times}: {lost} lost, {counted - passed} too many in all")
                assert capture.overruns == times
                assert lost > RATE, "the stall less what the buffer holds"
                assert abs(counted - passed) < LATE_S * RATE
                assert abs(counted - (time.monotonic() - start_s) * RATE) < LATE_S * RATE
    finally:
        capture.close()

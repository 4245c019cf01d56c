"""What a live stream is for, in numbers: sizes of periods and queues, and the latency that they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from edge_sdk.contract import LatencyPart, Manifest, latency_parts


@dataclass(frozen=True)
class LivePreset:
    """model: that is run, unless another is asked for. period_s: what a sound card delivers at once. queue: periods
    that wait in the playback device, each a period by which a block may be late before there is a hole. periods: that a
    capture device can hold. read_ahead: whether a thread reads the microphones, which costs no latency, and a share of
    the processor for each period."""

    model: str
    period_s: float
    queue: int
    periods: int
    read_ahead: bool
    purpose: str

    def period(self, rate_hz: int) -> int:
        """Samples at once."""
        return round(self.period_s * rate_hz)


PRESETS = {
    "hearing-aid": LivePreset(
        "enhance-hearing-aid", 0.002, 2, 16, False, "a wearer hears both paths: below 10 ms from air to air"
    ),
    "speaker": LivePreset("enhance-mono", 0.008, 4, 16, True, "in front of a wake word: nobody listens along"),
}


def stream_latency(m: Manifest, period: int, queued: int) -> tuple[LatencyPart, ...]:
    """Where the time goes from a microphone to a loudspeaker, with periods of so many samples, and so many in the
    playback device before each write. Computing takes place while those are played."""
    waits = m.block - gcd(m.block, period)
    blocks = "periods are whole blocks" if not waits else f"periods of {period} do not end where blocks of {m.block} do"
    of_model = latency_parts(m.window, m.hop, m.context, m.alignment, m.frames_per_step)
    return (
        LatencyPart(
            "period", period, f"the sound card gives {period} samples at once, and the first waits for the last"
        ),
        *(part for part in of_model if part.name in ("window", "alignment")),
        LatencyPart("block", waits, f"of {m.block} samples, which a step takes: {blocks}"),
        LatencyPart("queue", queued, "waits in the playback device, so that a late block leaves no hole"),
    )

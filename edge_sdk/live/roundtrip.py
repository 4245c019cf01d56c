"""How long sound takes through a live stream, measured: from the capture device to the playback device and, by a cable
or a loopback device between them, back into the capture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_sdk.contract import LatencyPart, read_bundle
from edge_sdk.errors import AudioError
from edge_sdk.library import find_model
from edge_sdk.live.limiter import LimiterConfig
from edge_sdk.live.loop import Chain, Loop
from edge_sdk.live.mix import MixConfig
from edge_sdk.live.presets import stream_latency
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig

Samples = NDArray[np.float32]
CLICKS = 14  # every second one past the chain
APART_S, SETTLE_S = 0.4, 0.5  # between clicks, and before the first
LEAST_LIKENESS = 0.5  # of what comes back with what was sent
LEVEL = 0.4


@dataclass(frozen=True)
class Roundtrip:
    """Lengths in samples. clicks: how long each took through the whole stream, of those that came back. device: how
    long through the devices alone. computed: the parts that are known beforehand."""

    rate_hz: int
    clicks: tuple[int, ...]
    device: int
    computed: tuple[LatencyPart, ...]

    @property
    def total(self) -> int:
        """From microphone to loudspeaker and back into the microphone, the median."""
        return int(np.median(self.clicks))

    @property
    def beyond(self) -> int:
        """What the devices add to the buffers that the stream knows of: converters, or a sound server's own buffers."""
        known = sum(part.samples for part in self.computed if part.name in ("period", "queue"))
        return self.device - known


def measure(config: StreamConfig) -> Roundtrip:
    """The round trip of a stream whose playback leads back into its capture.

    Clicks are put in where the microphones' samples come in, and go the way of the microphone's own sound, which waits
    as long as the sources do. What comes back is looked for and not played again. It takes seconds, in which clocks do
    not part, so nothing keeps them together. `AudioError` where no clicks come back.
    """
    plain = LimiterConfig(ceiling_db=0.0)
    config = replace(config, mix=MixConfig(wet=0.0), limiter=plain, highpass_hz=0.0, read_ahead=False, one_clock=True)
    stream = LiveStream(config)
    try:
        clicks = Clicks(stream.chain, stream.sound.rate_hz)
        Loop(stream.capture, clicks, stream.feed, stream.metrics).run(clicks.over)
    finally:
        stream.close()
    through, past = clicks.lags(0), clicks.lags(1)
    if 4 * min(len(through), len(past)) < CLICKS:
        raise AudioError(
            f"{len(through) + len(past)} of {CLICKS} clicks came back from {config.playback} to {config.capture}; join "
            "them by a cable or a loopback device, and turn the volume up"
        )
    computed = stream_latency(
        read_bundle(find_model(config.models[0])).manifest, config.period, config.period * config.queue
    )
    return Roundtrip(stream.sound.rate_hz, through, int(np.median(past)), computed)


class Clicks:
    """A `Chain` that sends clicks through another one, and between them some past it, and keeps what is heard."""

    def __init__(self, chain: Chain, rate_hz: int) -> None:
        self._chain, self.channels, self.grain, self.delay = chain, chain.channels, chain.grain, chain.delay
        self._apart = round(APART_S * rate_hz)
        self._places = [round(SETTLE_S * rate_hz) + k * self._apart for k in range(CLICKS)]
        # Noise of 4 ms, the same each time: nothing in a room is like it.
        self._click = (LEVEL * np.sign(np.random.default_rng(1).standard_normal(rate_hz // 250))).astype(np.float32)
        self._sent: Samples = np.zeros((2, self._places[-1] + 2 * self._apart), np.float32)
        for number, place in enumerate(self._places):
            self._sent[number % 2, place : place + len(self._click)] = self._click
        self._heard: list[Samples] = []
        self._taken = 0

    def over(self) -> bool:
        """Whether the last click has had the time to come back."""
        return self._taken >= self._places[-1] + self._apart

    def process(self, x: Samples) -> Samples:
        """As `Chain.process`."""
        self._heard.append(x.copy())
        through, past = self._sent[:, self._taken : self._taken + x.shape[1]]
        self._taken += x.shape[1]
        x[...] = through
        y = self._chain.process(x)
        y += past
        return y

    def watch(self, x: Samples) -> None:
        """Nothing: clicks and silence would look like broken microphones."""

    def forget(self) -> None:
        """As `Chain.forget`."""
        self._chain.forget()

    def overrun(self) -> None:
        """Nothing: a click that an overrun spoilt is not the median."""

    def lags(self, first: int) -> tuple[int, ...]:
        """How much later every second click came back, in samples, from that one on; without those that did not."""
        heard = np.concatenate(self._heard, axis=1)
        parts = (heard[:, place : place + self._apart] for place in self._places[first::2])
        lags = (next((lag for mic in part if (lag := self._lag(mic)) is not None), None) for part in parts)
        return tuple(lag for lag in lags if lag is not None)

    def _lag(self, part: Samples) -> int | None:
        """Where what one microphone heard, `[n]`, is most like the click; None where it is nowhere."""
        size = len(self._click)
        products = np.abs(np.correlate(part, self._click, "valid"))
        energies = np.convolve(np.square(part, dtype=np.float64), np.ones(size), "valid")
        best = int(np.argmax(products))
        likeness = products[best] / (np.sqrt(max(float(energies[best]), 1e-12)) * np.linalg.norm(self._click))
        return best if likeness > LEAST_LIKENESS else None

"""A live stream put together: devices, engines, chain and loop, from what is wanted of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.drift import DriftResampler
from edge_sdk.audio.pcm import Capture, Playback
from edge_sdk.beamforming.named import beamformer, stft_for
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.steering import lead_s
from edge_sdk.beamforming.time_domain import delay_and_sum_filters
from edge_sdk.contract import Bundle, Manifest, read_bundle
from edge_sdk.errors import ArrayError, EdgeError
from edge_sdk.library import find_model
from edge_sdk.live.chain import LiveChain
from edge_sdk.live.engine import Engine
from edge_sdk.live.feed import Feed
from edge_sdk.live.guard import Guard
from edge_sdk.live.highpass import HighPass
from edge_sdk.live.howl import Howl
from edge_sdk.live.isolation import Isolated, IsolationConfig
from edge_sdk.live.ladder import Ladder, LadderConfig
from edge_sdk.live.limiter import Limiter
from edge_sdk.live.local import Bypass, Local, beam_engine, model_engine
from edge_sdk.live.loop import Loop
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.mix import Mix
from edge_sdk.live.places import Place, card_of, open_capture, open_playback, same_file
from edge_sdk.live.realtime import claim, follow
from edge_sdk.live.reopening import ReopeningCapture, ReopeningPlayback
from edge_sdk.live.ring import BufferedCapture
from edge_sdk.live.stand_in import StandIn
from edge_sdk.live.stream_config import BeamConfig, StreamConfig
from edge_sdk.live.web import taps
from edge_sdk.separator import Separator

UNHURRIED_S = 60.0  # that a block of a file may take


class LiveStream:
    """A stream with everything open. `run` it in the thread that claimed real time; `close` it in the same one.

    manifest: of the wanted model; live: whether time presses; delay: samples from microphone to loudspeaker channels,
    without those that wait in devices; refused: what the machine did not give of `config.realtime`, a line each.
    """

    def __init__(self, config: StreamConfig) -> None:
        self.config = config
        self._reopening: list[ReopeningCapture | ReopeningPlayback] = []
        with ExitStack() as opened:
            bundles = [read_bundle(find_model(name)) for name in config.models]
            manifests = [bundle.manifest for bundle in bundles]
            m = self.manifest = manifests[0]
            check_models(manifests, config.array)
            self.live = config.paced or self._place(config.capture, 1, 2).kind == "device"
            mics = m.mics if config.array is None else config.array.mics
            reference = 0 if config.array is None else config.array.reference
            hop = 1 if config.beam is None else stft_for(m.sample_rate).hop
            block = math.lcm(hop, *(one.block for one in manifests))
            engines = [self._engine(opened, bundle, mics, block, reference) for bundle in bundles]
            if config.array is not None and config.beam is not None:
                engines[0] = self._beam(bundles[0], config.beam, config.array, block)
            if config.array is not None and config.look_deg is not None:
                lead = lead_s(config.array, [math.radians(config.look_deg)])
                engines.append(beam_engine(delay_and_sum_filters(lead, m.sample_rate), m.sources, block))
            engines.append(Bypass(mics, m.sources, block, reference))
            ladder = Ladder(engines, LadderConfig.for_blocks(block, m.sample_rate))
            self.metrics = Metrics(mics, config.channels or m.sources, m.sample_rate, block, rungs=ladder.names)
            self.taps = taps(mics, self.metrics.sources, m.sample_rate) if config.listen else None
            self.chain = self._chain(ladder, reference)
            # Before there are devices: locking memory takes a second or two, in which they would run over.
            self.refused = claim(config.realtime) if self.live and config.realtime else []
            self.playback = self._playback(self.metrics.sources)
            opened.callback(self.playback.close)
            self.feed = self._feed()
            self.capture = self._capture()
            opened.callback(self.capture.close)
            self._opened = opened.pop_all()

    def run(self, stop: Callable[[], bool]) -> None:
        """Until a recording ends or `stop` says so."""

        def turn() -> bool:
            self.metrics.reopened = sum(device.reopened for device in self._reopening)
            return stop()

        Loop(self.capture, self.chain, self.feed, self.metrics).run(turn)

    @property
    def delay(self) -> int:
        return self.chain.delay + self.feed.delay

    def close(self) -> None:
        """Give everything back."""
        self._opened.close()

    def _engine(self, opened: ExitStack, bundle: Bundle, mics: int, block: int, reference: int) -> Engine:
        backend = self.config.backend
        if self.config.isolate:
            isolation = IsolationConfig(realtime=self.config.realtime if self.live else None)
            engine: Engine = Isolated(bundle, mics, block=block, reference=reference, backend=backend, config=isolation)
        else:
            engine = model_engine(Separator(bundle, backend), mics, block=block, reference=reference)
        opened.callback(engine.close)
        return engine

    def _beam(self, bundle: Bundle, beam: BeamConfig, array: MicArray, block: int) -> Engine:
        separator = Separator(bundle, self.config.backend)
        steered = beamformer(
            separator,
            separator.sample_rate,
            array,
            beam.name,
            suppression=beam.suppression,
            azimuths_deg=beam.azimuths_deg,
            postfilter=PostFilterConfig() if beam.postfilter else None,
        )
        name = f"{bundle.manifest.name}+{beam.name}"
        return Local(name, steered, array.mics, separator.sources, block, array.reference)

    def _chain(self, ladder: Ladder, reference: int) -> LiveChain:
        config, metrics, rate_hz = self.config, self.metrics, self.manifest.sample_rate
        channels = metrics.sources
        guard = Guard(ladder, metrics, rate_hz, config.period, reference, None if self.live else UNHURRIED_S)
        limiter = Limiter(channels, rate_hz, config.limiter)
        joined = all(self._place(name, 1, 2).kind == "device" for name in (config.capture, config.playback))
        return LiveChain(
            StandIn(metrics, standing_in(config, self.manifest, reference)),
            HighPass(metrics.mics, rate_hz, config.highpass_hz) if config.highpass_hz else None,
            guard,
            Mix(self.manifest.sources, channels, rate_hz, guard.delay, config.mix),
            Howl(rate_hz, float(limiter.ceiling)) if joined else None,  # no feedback without a room
            limiter,
            metrics,
            config.period,
            reference,
            self.taps,
        )

    def _capture(self) -> Capture:
        config, array = self.config, self.config.array
        channels = self.manifest.mics if array is None else array.capture_channels
        place = self._place(config.capture, channels, config.periods)
        selected = None if array is None else array.channels

        if place.kind != "device":
            return open_capture(place, selected)
        capture = ReopeningCapture(lambda name: open_capture(place.named(name), selected))
        self._reopening.append(capture)
        if not config.read_ahead:
            return capture
        return BufferedCapture(capture, prepare=lambda: follow(config.realtime))

    def _playback(self, channels: int) -> Playback:
        config = self.config
        place = self._place(config.playback, channels, max(config.periods, config.queue + 4))
        if same_file(config.capture, config.playback):
            raise EdgeError(f"{config.playback}: read and written at once; choose another file for --playback")
        if place.kind != "device":
            return open_playback(place, config.queue)
        playback = ReopeningPlayback(lambda name: open_playback(place.named(name), config.queue))
        self._reopening.append(playback)
        return playback

    def _feed(self) -> Feed:
        config = self.config
        if not self.playback.buffer:
            return Feed(self.playback, self.metrics)
        queue = config.queue * config.period
        one_clock = config.one_clock
        if one_clock is None:
            one_clock = not self.live or card_of(config.capture) == card_of(config.playback)
        drift = None
        if not one_clock:
            drift = DriftResampler(self.playback.channels, self.manifest.sample_rate, queue, config.period)
        return Feed(self.playback, self.metrics, queue + 2 * config.period, drift)

    def _place(self, name: str, channels: int, periods: int) -> Place:
        config = self.config
        rate = self.manifest.sample_rate
        return Place(name, rate, channels, config.format, config.period, periods, config.paced)


def check_models(manifests: Sequence[Manifest], array: MicArray | None) -> None:
    """`EdgeError` for models that cannot take turns, or hear another array."""
    first = manifests[0]
    mics = first.mics if array is None else array.mics
    for m in manifests:
        if m.mics not in (1, mics):
            has = f"{first.name} takes {mics}" if array is None else f"{array.name} has {mics}"
            raise ArrayError(f"{m.name} takes {m.mics} microphones, {has}; choose another model or --array")
        if (m.sources, m.sample_rate) != (first.sources, first.sample_rate):
            raise EdgeError(
                f"{m.name} gives {m.sources} sources at {m.sample_rate} Hz, {first.name} {first.sources} at "
                f"{first.sample_rate}; a smaller model must give the same"
            )


def standing_in(config: StreamConfig, m: Manifest, reference: int) -> list[int]:
    """The reference, and the microphones that may take its place, the nearest first: all where one alone is listened
    to, none where model or filter know places."""
    if config.array is None or m.mics > 1 or config.beam is not None:
        return [reference]
    places = config.array.positions_m
    return sorted(range(len(places)), key=lambda mic: math.dist(places[mic], places[reference]))

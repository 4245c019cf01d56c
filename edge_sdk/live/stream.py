"""A live stream put together: devices, engines, chain and loop, from what is wanted of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from edge_sdk.audio.calibration import Correction
from edge_sdk.audio.drift import DriftResampler
from edge_sdk.audio.pcm import Capture, Playback
from edge_sdk.beamforming.named import beamformer
from edge_sdk.beamforming.postfilter import PostFilterConfig
from edge_sdk.beamforming.steering import lead_s
from edge_sdk.beamforming.time_domain import delay_and_sum_filters
from edge_sdk.contract import Bundle, read_bundle
from edge_sdk.errors import EdgeError
from edge_sdk.library import find_model
from edge_sdk.live.chain import LiveChain
from edge_sdk.live.engine import Engine
from edge_sdk.live.feed import Feed
from edge_sdk.live.guard import Guard
from edge_sdk.live.highpass import HighPass
from edge_sdk.live.howl import Howl
from edge_sdk.live.isolation import Isolated, IsolationConfig
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.limiter import Limiter
from edge_sdk.live.local import Bypass, Local, beam_engine, model_engine
from edge_sdk.live.loop import Loop
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.mix import Mix
from edge_sdk.live.newcomer import memory_of
from edge_sdk.live.places import Place, card_of, open_capture, open_playback, same_file
from edge_sdk.live.realtime import claim, follow
from edge_sdk.live.reopening import ReopeningCapture, ReopeningPlayback
from edge_sdk.live.ring import BufferedCapture
from edge_sdk.live.sound import Sound, sound_of
from edge_sdk.live.stand_in import StandIn, replacing, rows_of_views, turning
from edge_sdk.live.stream_config import BeamConfig, StreamConfig
from edge_sdk.live.swap import Swap, SwapError, require_fit
from edge_sdk.live.web import taps
from edge_sdk.separator import Separator

Device = TypeVar("Device", bound=Capture | Playback)

UNHURRIED_S = 60.0  # that a block of a file may take


class LiveStream:
    """A stream with everything open. `run` it in the thread that claimed real time; `close` it in the same one.

    sound: what goes through; live: whether time presses; swap: changes the model, for another thread to ask; delay:
    samples from microphone to loudspeaker channels, without those that wait in devices; refused: what the machine did
    not give of `config.realtime`, a line each.
    """

    def __init__(self, config: StreamConfig) -> None:
        self.config = config
        self._reopening: list[ReopeningCapture | ReopeningPlayback] = []
        with ExitStack() as opened:
            bundles = [read_bundle(find_model(name), config.trust) for name in config.models]
            sound = self.sound = sound_of([bundle.manifest for bundle in bundles], config)
            self.live = config.paced or self._place(config.capture, 1, 2).kind == "device"
            mics = sound.mics if config.array is None else config.array.mics
            reference = 0 if config.array is None else config.array.reference
            models: dict[Engine, int] = {}
            opened.callback(close_all, models)
            for bundle in bundles:
                steered = None if models else config.beam
                models[self._engine(bundle, steered, mics, reference)] = memory_of(bundle.manifest)
            engines = list(models)
            if config.array is not None and config.look_deg is not None:
                lead = lead_s(config.array, [math.radians(config.look_deg)])
                fixed = delay_and_sum_filters(lead, sound.rate_hz)
                engines.append(beam_engine(fixed, sound.sources, sound.block))
            engines.append(Bypass(mics, sound.sources, sound.block, reference))
            ladder = Ladder(engines, LadderConfig.for_blocks(sound.block, sound.rate_hz))
            self.swap = Swap(ladder, lambda bundle: self._newcomer(bundle, ladder, reference), models)
            opened.callback(self.swap.close)
            channels = config.channels or sound.sources
            self.metrics = Metrics(mics, channels, sound.rate_hz, sound.block, rungs=ladder.names)
            self.taps = taps(mics, channels, sound.rate_hz) if config.listen else None
            self.chain = self._chain(ladder, reference)
            # Before there are devices: locking memory takes a second or two, in which they would run over.
            self.refused = claim(config.realtime) if self.live and config.realtime else []
            if same_file(config.capture, config.playback):
                raise EdgeError(f"{config.playback}: read and written at once; choose another file for --playback")
            # A microphone is opened last, or it would run over; but no file is emptied for one that is not there.
            written = self._place(config.playback, 1, 2).kind != "device"
            if written:
                self.capture = closing(opened, self._capture())
            self.playback = closing(opened, self._playback(self.metrics.sources))
            self.feed = self._feed()
            if not written:
                self.capture = closing(opened, self._capture())
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

    def _newcomer(self, bundle: Bundle, ladder: Ladder, reference: int) -> Engine:
        """An engine that can take the place of one that plays. In a process of its own: loading a model in this one
        would hold up the audio thread."""
        if self.config.beam is not None:
            name = bundle.manifest.name
            raise SwapError(f"{name}: the model of a beam cannot be changed while it plays; start the stream anew")
        require_fit(bundle.manifest, ladder, self.sound.rate_hz)
        return self._isolated(bundle, ladder.mics, reference)

    def _isolated(self, bundle: Bundle, mics: int, reference: int) -> Isolated:
        wanted, realtime = self.config, self.config.realtime if self.live else None
        return Isolated(
            bundle,
            mics,
            block=self.sound.block,
            reference=reference,
            backend=wanted.backend,
            threads=wanted.threads,
            config=IsolationConfig(realtime=realtime),
        )

    def _engine(self, bundle: Bundle, beam: BeamConfig | None, mics: int, reference: int) -> Engine:
        config, block = self.config, self.sound.block
        if config.isolate:
            return self._isolated(bundle, mics, reference)
        separator = Separator(bundle, config.backend, config.threads, config.accelerator)
        if beam is None or config.array is None:
            return model_engine(separator, mics, block=block, reference=reference)
        steered = beamformer(
            separator,
            separator.sample_rate,
            config.array,
            beam.name,
            suppression=beam.suppression,
            azimuths_deg=beam.azimuths_deg,
            postfilter=PostFilterConfig() if beam.postfilter else None,
            keep=beam.keep,
            null=beam.null,
        )
        return Local(f"{bundle.manifest.name}+{beam.name}", steered, mics, separator.sources, block, reference)

    def _chain(self, ladder: Ladder, reference: int) -> LiveChain:
        config, metrics, rate_hz = self.config, self.metrics, self.sound.rate_hz
        channels = metrics.sources
        guard = Guard(ladder, metrics, rate_hz, config.period, reference, None if self.live else UNHURRIED_S)
        limiter = Limiter(channels, rate_hz, config.limiter)
        joined = all(self._place(name, 1, 2).kind == "device" for name in (config.capture, config.playback))
        return LiveChain(
            stand_in(config, self.sound, metrics),
            HighPass(metrics.mics, rate_hz, config.highpass_hz) if config.highpass_hz else None,
            guard,
            Mix(self.sound.sources, channels, rate_hz, guard.delay, config.mix),
            Howl(rate_hz, float(limiter.ceiling)) if joined else None,  # no feedback without a room
            limiter,
            metrics,
            config.period,
            reference,
            self.taps,
            None if config.calibration is None else Correction(config.calibration, rate_hz),
        )

    def _capture(self) -> Capture:
        config, array = self.config, self.config.array
        channels = self.sound.mics if array is None else array.capture_channels
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
            drift = DriftResampler(self.playback.channels, self.sound.rate_hz, queue, config.period)
        return Feed(self.playback, self.metrics, queue + 2 * config.period, drift)

    def _place(self, name: str, channels: int, periods: int) -> Place:
        config = self.config
        return Place(name, self.sound.rate_hz, channels, config.format, config.period, periods, config.paced)


def closing(opened: ExitStack, device: Device) -> Device:
    """The device, which is closed with what was opened before it."""
    opened.callback(device.close)
    return device


def close_all(engines: dict[Engine, int]) -> None:
    """End what runs beside any of them, also of those that came meanwhile."""
    for engine in engines:
        engine.close()


def stand_in(config: StreamConfig, sound: Sound, metrics: Metrics) -> StandIn:
    """What is heard in the place of broken microphones; beams look after theirs themselves."""
    usual = tuple(range(metrics.mics))
    if config.array is None or config.beam is not None:
        return StandIn(metrics, [usual], mute=config.beam is None and sound.mics > 1)
    if sound.mics == 1:
        return StandIn(metrics, replacing(config.array), [config.array.reference])
    return StandIn(metrics, turning(config.array), rows_of_views(config.array), mute=True)

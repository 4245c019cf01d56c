"""What a live stream is made of, as its user wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_sdk.accelerators.accelerator import CPU, Accelerator
from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.calibration import Calibration
from edge_sdk.beamforming.zones import Zone
from edge_sdk.contract import TrustPolicy
from edge_sdk.live.highpass import CUTOFF_HZ
from edge_sdk.live.limiter import LimiterConfig
from edge_sdk.live.mix import MixConfig
from edge_sdk.live.realtime import RealtimeConfig


@dataclass(frozen=True)
class BeamConfig:
    """A spatial filter that the model steers, as `beamforming.named.beamformer` makes it."""

    name: str
    suppression: float | None = None
    azimuths_deg: Sequence[float] | None = None
    postfilter: bool = False
    keep: tuple[Zone, ...] = ()
    null: tuple[Zone, ...] = ()


@dataclass(frozen=True)
class StreamConfig:
    """What a stream is made of.

    models: the wanted one and smaller ones for when it cannot keep up, all with as many sources; names or bundles.
    Without any the reference microphone goes through. capture, playback: ALSA devices, files, or `-`. array: whose
    microphones the capture has; without, one channel for each that the model takes. beam: steered by the wanted
    model. look_deg: azimuth of a fixed beam, which stands between the models and the microphone. calibration: makes
    the array's microphones equal. channels: of the playback, by default one for each source. period: samples at once;
    queue: periods that wait in the playback device; periods: that the capture device can hold. one_clock: whether
    capture and playback count the same seconds; None where their names tell, which are of one card or of two. paced:
    files take as long as they sound; without, blocks of a file have all the time they need. read_ahead: a thread of
    its own reads the microphones. isolate: models run in a process of their own. highpass_hz: cut-off of the high-
    pass, 0 for none. listen: keep what is heard for `taps`. realtime: what to claim of the machine for a live stream.
    trust: whose bundles are opened, None where signatures are not looked at. threads: of a model; accelerator: what
    those of this process run on.
    """

    models: tuple[str, ...]
    capture: str
    playback: str
    array: MicArray | None = None
    beam: BeamConfig | None = None
    look_deg: float | None = None
    calibration: Calibration | None = None
    channels: int | None = None
    format: str = "S16_LE"
    period: int = 128
    queue: int = 4
    periods: int = 16
    one_clock: bool | None = None
    paced: bool = False
    read_ahead: bool = False
    isolate: bool = False
    highpass_hz: float = CUTOFF_HZ
    mix: MixConfig = field(default_factory=MixConfig)
    limiter: LimiterConfig = field(default_factory=LimiterConfig)
    backend: str = "auto"
    listen: bool = False
    realtime: RealtimeConfig | None = None
    trust: TrustPolicy | None = None
    threads: int = 1
    accelerator: Accelerator = CPU

    def __post_init__(self) -> None:
        if not self.models and self.beam is not None:
            raise ValueError("no models: expected one to steer the beam")
        if self.period < 1 or self.queue < 1 or self.periods < 2:
            raise ValueError(
                f"period = {self.period}, queue = {self.queue}, periods = {self.periods}: expected 1, 1 and 2 or more"
            )
        if self.isolate and self.accelerator != CPU:
            raise ValueError(f"{self.accelerator} with isolate: expected the CPU, a confined process has no drivers")
        if self.beam is not None and (self.array is None or self.isolate):
            raise ValueError("a beam: expected an array to point it with, and models in this process")
        if self.look_deg is not None and (self.array is None or self.array.mics < 2):
            raise ValueError(f"look_deg = {self.look_deg:g}: expected an array of two microphones or more to look with")
        if self.calibration is not None and (self.array is None or self.array.name != self.calibration.array):
            raise ValueError(f"a calibration of {self.calibration.array}: expected that array")
        if self.channels is not None and self.channels < 1:
            raise ValueError(f"channels = {self.channels}: expected 1 or more")
        if self.highpass_hz < 0:
            raise ValueError(f"highpass_hz = {self.highpass_hz}: expected a frequency, or 0 for no high-pass")

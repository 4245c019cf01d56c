"""The manifest: everything a board must know about a model to run it one block at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import prod
from typing import Any

from edge_sdk.contract.plain import canonical_json, from_plain, parse_json, to_plain
from edge_sdk.errors import ManifestError

SCHEMA = 2  # the newest that is read here
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_FLOATS = 16 * 2**20  # 64 MiB in one tensor or ring: more than any network here, less than a small board's memory
MAX_COUNT = 2**31 - 1
Shape = tuple[int, ...]


@dataclass(frozen=True)
class DelayLine:
    """A layer that looks back: `kernel` taps, `dilation` frames apart."""

    kernel: int
    dilation: int

    @property
    def depth(self) -> int:
        """Frames it looks back."""
        return (self.kernel - 1) * self.dilation

    def past(self, frames: int) -> tuple[int, ...]:
        """Which frames of the past a step over `frames` new ones needs, as offsets from the first new frame.

        Oldest tap first, and for each tap the new frames in order; taps that fall on new frames are left out.
        """
        ages = range(self.depth, 0, -self.dilation)
        return tuple(frame - age for age in ages for frame in range(min(frames, age)))


@dataclass(frozen=True)
class DelayLines:
    """All delay lines of one width: the graph takes the past rows they need and gives one new row per line and frame.

    `taps`, `[rows needed, width]`, holds line after line what `DelayLine.past` lists; `rows`, `[lines * T, width]`,
    line after line the new rows. The host keeps the past; before the stream it is zero.
    """

    taps: str
    rows: str
    width: int
    lines: tuple[DelayLine, ...]


@dataclass(frozen=True)
class Carry:
    """A small memory that goes in and out whole, zero before the stream."""

    input: str
    output: str
    shape: Shape


@dataclass(frozen=True)
class FilterAndSum:
    """The model gives filters, one for every microphone, frame and source, and the host filters and sums.

    A filter has `context + 1` taps, which slide over the frame of its microphone; the window of the wanted signal ends
    `alignment` samples before the frame does, so a filter reaches that far into its future. Besides frames the model is
    given, all as float32 with T for `frames_per_step` and microphones next to each other:

    likeness  `[T, mics, context + 1]`: cosine similarity of the `reference` microphone's wanted window with every
              window of a microphone's frame
    shares    `[T, mics]`: 1 over the microphones that are heard in a frame, 0 for one of digital silence
    windows   `[T, mics, context + 1, window]`: those windows themselves, for models that ask for them
    """

    alignment: int
    reference: int = 0
    likeness: str = "likeness"
    shares: str = "shares"
    windows: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A model as the device sees it. Lengths in samples per microphone; `macs` are multiply-accumulates per second.

    A step takes `frames`, float32 `[mics, frames_per_step, context + window]`, and gives as `output` the windows of the
    sources, float32 `[sources, frames_per_step, window]`, which the host overlaps and adds. With `filter_and_sum` it
    takes frames `[frames_per_step, mics, context + window]` and gives filters `[frames_per_step, mics, sources,
    context + 1]`, from which the host makes those windows.
    """

    name: str
    version: str
    architecture: str
    recipe: str
    sample_rate: int
    mics: int
    sources: int
    window: int
    hop: int
    context: int
    frames_per_step: int
    latency: int
    size: int
    sha256: str
    macs: int
    carries: tuple[Carry, ...] = ()
    delays: tuple[DelayLines, ...] = ()
    signature: str = "step"
    frames: str = "frames"
    output: str = "sources_out"
    array: str = "any"
    security_epoch: int = 0
    quality: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    filter_and_sum: FilterAndSum | None = None
    schema: int = 1  # the oldest that can say it, so that what old devices can run they can read: 2 with filter_and_sum

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise ValueError(problem)

    def problems(self) -> list[str]:
        """What contradicts itself, in words."""
        found = []
        if not NAME.fullmatch(self.name):
            found.append(f"name {self.name!r}: expected small letters, digits, '.', '_' and '-', at most 64")
        if not SHA256.fullmatch(self.sha256):
            found.append(f"sha256 {self.sha256!r}: expected 64 hexadecimal digits")
        if not NAME.fullmatch(self.array):
            found.append(
                f"array {self.array!r}: expected any, or a name of letters and digits as edge-sdk arrays lists them"
            )
        counts = ("sample_rate", "mics", "sources", "window", "hop", "frames_per_step", "size")
        for count in counts:
            if getattr(self, count) < 1:
                found.append(f"{count} = {getattr(self, count)}: expected a positive number")
        if found:
            return found
        if max(getattr(self, count) for count in counts) > MAX_COUNT or self.context > MAX_COUNT:
            return [f"one of {', '.join(counts)}, context is above {MAX_COUNT}: expected what a board can hold"]
        if self.context < 0 or self.window % self.hop:
            found.append(
                f"window {self.window}, hop {self.hop}, context {self.context}: expected whole hops in a window"
            )
        if self.latency != self.window + self.alignment + (self.frames_per_step - 1) * self.hop:
            found.append(f"latency {self.latency}: a window of {self.window} and the frames per step give another one")
        if self.schema != (expected := 1 if self.filter_and_sum is None else 2):
            found.append(f"schema {self.schema}: expected {expected} for what it says")
        if not 0 <= self.alignment <= self.context:
            found.append(f"alignment {self.alignment}: expected 0 to the context, {self.context}")
        if self.filter_and_sum is not None and not 0 <= self.filter_and_sum.reference < self.mics:
            found.append(f"reference microphone {self.filter_and_sum.reference}: expected 0 to {self.mics - 1}")
        for group in self.delays:
            if any(line.kernel < 2 or line.dilation < 1 for line in group.lines) or not group.lines:
                found.append(f"{group.taps}: expected delay lines of two taps or more")
        if bad := [shape for shape in self.shapes() if min(shape, default=1) < 1 or prod(shape) > MAX_FLOATS]:
            found.append(f"a tensor or ring of shape {bad[0]}: expected positive sizes, at most {MAX_FLOATS} numbers")
        names = [self.frames, self.output, *(n for c in self.carries for n in (c.input, c.output))]
        names += [n for group in self.delays for n in (group.taps, group.rows)]
        if (filters := self.filter_and_sum) is not None:
            names += [filters.likeness, filters.shares, *([] if filters.windows is None else [filters.windows])]
        if len(set(names)) < len(names):
            found.append(f"tensor names {names}: expected different ones")
        return found

    def shapes(self) -> list[Shape]:
        """Of every tensor and ring that running the model takes."""
        step = self.frames_per_step
        found = [*self.inputs.values(), *self.outputs.values(), *(carry.shape for carry in self.carries)]
        if self.filter_and_sum is not None:  # all windows of all frames: the host's work space is no larger
            found += [(step, self.mics + self.sources, self.context + 1, self.window)]
        for group in self.delays:
            found += [(sum(max(line.depth, step) for line in group.lines), group.width)]
            found += [(sum((line.kernel - 1) * step for line in group.lines), group.width)]
        return found

    @property
    def inputs(self) -> dict[str, Shape]:
        """What the model is given besides its memory."""
        step, frame = self.frames_per_step, self.context + self.window
        if (filters := self.filter_and_sum) is None:
            return {self.frames: (self.mics, step, frame)}
        lags = step, self.mics, self.context + 1
        found = {self.frames: (step, self.mics, frame), filters.likeness: lags, filters.shares: (step, self.mics)}
        return found if filters.windows is None else {**found, filters.windows: (*lags, self.window)}

    @property
    def outputs(self) -> dict[str, Shape]:
        """What the model gives besides its memory."""
        if self.filter_and_sum is None:
            return {self.output: (self.sources, self.frames_per_step, self.window)}
        return {self.output: (self.frames_per_step, self.mics, self.sources, self.context + 1)}

    @property
    def alignment(self) -> int:
        """Samples of a frame that come after the wanted window."""
        return 0 if self.filter_and_sum is None else self.filter_and_sum.alignment

    @property
    def block(self) -> int:
        """New samples per microphone that one step takes."""
        return self.hop * self.frames_per_step

    @property
    def delay(self) -> int:
        """Samples by which the output stream runs behind the input stream."""
        return self.window - self.hop + self.alignment

    def to_plain(self) -> dict[str, Any]:
        """The plain data of its schema."""
        plain = to_plain(self)
        if self.schema == 1:
            del plain["filter_and_sum"]
        return plain

    def to_json(self) -> bytes:
        """Canonical JSON that `manifest_from_json` turns back."""
        return canonical_json(self.to_plain())


def manifest_from_json(data: bytes, source: str = "manifest") -> Manifest:
    """The manifest in a JSON text; `ManifestError`, naming `source`, where it is malformed or of a newer schema."""
    try:
        plain = parse_json(data)
        schema = plain.get("schema") if isinstance(plain, dict) else None
        if type(schema) is int and schema > SCHEMA:
            raise ManifestError(
                f"{source}: manifest schema {schema} is newer than this edge-sdk reads ({SCHEMA}); update edge-sdk"
            )
        if type(schema) is not int or schema < 1:
            raise ValueError(f"schema {schema!r}: expected 1 to {SCHEMA}")
        return from_plain(Manifest, plain)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError too
        raise ManifestError(f"{source}: not a valid manifest ({error})") from error

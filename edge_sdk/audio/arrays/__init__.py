"""Microphone arrays: where the microphones of a board sit and on which capture channel each arrives.

One TOML file per board stands beside this module; an own array is described by the same kind of file. Standard library
only, so that simulation, beamforming and the command line read the same numbers.
"""

from __future__ import annotations

import difflib
import math
import os
import sys
from dataclasses import MISSING, dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Any

from edge_sdk.contract import NAME, from_plain
from edge_sdk.errors import ArrayError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["ArrayError", "MicArray", "load_array", "shipped_arrays"]

FOLDER = Path(__file__).parent
SUFFIX = ".toml"
SPEED_OF_SOUND = 343.0  # m/s, dry air at 20 degrees
CLOSEST_M, WIDEST_M = 1e-4, 20.0  # nearer than this two microphones are one; wider, somebody wrote millimetres
MOST_CHANNELS = 256


@dataclass(frozen=True)
class MicArray:
    """A microphone array and the channel map of the device that delivers it.

    positions_m: x, y, z of each microphone in metres, in the order in which networks and beamformers see them. The
    axes are right-handed; azimuth counts from x towards y, elevation from their plane towards z. A flat board lies in
    x and y and listens towards z; each file says where x points.
    channels: capture channel of each microphone, from 0. processed: channel that the device has already worked on
    (beamformed, cleaned), playback: channels that carry back what the loudspeaker plays; neither is a microphone.
    reference: the microphone whose signal targets are defined at. worn: carried on a head, which a simulated room
    leaves out. source says where the numbers come from.
    """

    name: str
    title: str
    source: str
    positions_m: tuple[tuple[float, float, float], ...]
    channels: tuple[int, ...]
    capture_channels: int
    processed: int | None = None
    playback: tuple[int, ...] = ()
    reference: int = 0
    sample_rates_hz: tuple[int, ...] = (16_000,)
    alsa_card: str = ""  # a part of the card's name in `arecord -l`
    worn: bool = False
    notes: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name = {self.name!r}: expected small letters, digits, '.', '_' and '-', at most 64")
        if not self.positions_m:
            raise ValueError("positions_m: expected x, y, z of at least one microphone")
        self.check_positions()
        self.check_channels()
        if not 0 <= self.reference < self.mics:
            raise ValueError(f"reference = {self.reference}: expected a microphone, 0 to {self.mics - 1}")
        if not self.sample_rates_hz or min(self.sample_rates_hz) < 1:
            raise ValueError(f"sample_rates_hz = {list(self.sample_rates_hz)}: expected positive rates in Hz")

    def check_positions(self) -> None:
        for m, position in enumerate(self.positions_m):
            if not all(math.isfinite(value) for value in position):
                raise ValueError(f"positions_m: microphone {m} at {list(position)}: expected three finite numbers")
        for (a, first), (b, second) in combinations(enumerate(self.positions_m), 2):
            apart = math.dist(first, second)
            if apart < CLOSEST_M:
                raise ValueError(
                    f"positions_m: microphones {a} and {b} are both at {list(first)}: expected one place each"
                )
            if apart > WIDEST_M:
                raise ValueError(
                    f"positions_m: microphones {a} and {b} are {apart:g} m apart: expected metres, up to 20"
                )

    def check_channels(self) -> None:
        if not 1 <= self.capture_channels <= MOST_CHANNELS:
            raise ValueError(f"capture_channels = {self.capture_channels}: expected 1 to {MOST_CHANNELS}")
        if len(self.channels) != self.mics:
            raise ValueError(f"channels: {len(self.channels)} given, expected one for each of {self.mics} microphones")
        processed = () if self.processed is None else (self.processed,)
        taken: dict[int, str] = {}
        for use, numbers in (("channels", self.channels), ("processed", processed), ("playback", self.playback)):
            for channel in numbers:
                if not 0 <= channel < self.capture_channels:
                    raise ValueError(f"{use}: channel {channel} of {self.capture_channels}: expected numbers from 0 on")
                if channel in taken:
                    raise ValueError(
                        f"{use}: channel {channel} appears in {taken[channel]} before: expected one use each"
                    )
                taken[channel] = use

    @property
    def mics(self) -> int:
        return len(self.positions_m)

    @property
    def aperture_m(self) -> float:
        """The largest distance between two microphones, 0 for one."""
        return max(self.distances().values(), default=0.0)

    def distances(self) -> dict[tuple[int, int], float]:
        """Metres between each two microphones, by their numbers, the lower first."""
        pairs = combinations(enumerate(self.positions_m), 2)
        return {(a, b): math.dist(first, second) for (a, first), (b, second) in pairs}

    def aliasing_hz(self) -> float:
        """Frequency from which the closest two microphones alias in space: half a wavelength apart; inf for one."""
        closest = min(self.distances().values(), default=0.0)
        return SPEED_OF_SOUND / (2 * closest) if closest else math.inf


def shipped_arrays() -> list[str]:
    """Names of the arrays that come with this package, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load_array(name_or_path: str | os.PathLike[str]) -> MicArray:
    """The array of that name, or the one that a TOML file describes; `ArrayError` names file and field."""
    text = os.fspath(name_or_path)
    if text in shipped_arrays():
        return read_array(FOLDER / f"{text}{SUFFIX}")
    if text.endswith(SUFFIX) or os.sep in text:
        return read_array(Path(text))
    near = difflib.get_close_matches(text.lower(), shipped_arrays(), n=2)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise ArrayError(f"unknown array {text!r}; {meant}expected a file.toml or one of {', '.join(shipped_arrays())}")


def read_array(path: Path) -> MicArray:
    """The array that a file describes."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ArrayError(f"{path}: not a readable array file ({error}); expected TOML, see edge-sdk arrays") from error
    return array_from_plain(tables, path)


def array_from_plain(data: Any, where: Path | str) -> MicArray:
    """The array that plain data (of TOML or JSON) describes; `ArrayError` begins with `where`."""
    needed = [field.name for field in fields(MicArray) if field.default is MISSING]
    if isinstance(data, dict) and (missing := [name for name in needed if name not in data]):
        raise ArrayError(f"{where}: {', '.join(missing)} missing: expected at least {', '.join(needed)}")
    try:
        return from_plain(MicArray, data)
    except (TypeError, ValueError) as error:
        raise ArrayError(f"{where}: {error}") from error

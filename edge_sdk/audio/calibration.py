"""How the microphones of one device differ from each other, kept in a TOML file, and a stream without the difference.

Microphones of one kind are sold with sensitivities up to 3 dB apart, and converters may sample them at slightly
different moments. Beamformers take both for something that the sound does. `beamforming.mismatch` measures them.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.cards import HW, PROC, find_card, read_text, sound_cards
from edge_sdk.beamforming.fractional import HALF, fractional_delay
from edge_sdk.contract import from_plain
from edge_sdk.errors import ArrayError, AudioError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Samples = NDArray[np.float32]
MOST_GAIN_DB, MOST_DELAY_S = 20.0, 1e-3  # beyond, it is not one array
SAME_TIME = 0.005  # of a sample: delays below need no filter
STRETCH = 256  # samples filtered at once: what a long recording needs of memory
SYS = Path("/sys")
SERIAL = " serial "  # between a card's id and its number


@dataclass(frozen=True)
class Calibration:
    """What sets the microphones of a device apart, each compared with the array's reference, whose values are 0.

    gains_db: by so much louder; delays: samples at `rate_hz` by which later. array: name of its description; device:
    which of all devices of that kind. source: what was heard, "direction" or "noise", which tells gains alone.
    residual_db, residual_deg: what gains and delays leave, root mean square over microphones and bands of the spectrum.
    """

    array: str
    device: str
    source: str
    rate_hz: int
    gains_db: tuple[float, ...]
    delays: tuple[float, ...]
    residual_db: float
    residual_deg: float | None = None

    def __post_init__(self) -> None:
        if not self.device or not self.device.isprintable():
            raise ValueError(f"device = {self.device!r}: expected a name on one line")
        if self.source not in ("direction", "noise"):
            raise ValueError(f"source = {self.source!r}: expected direction or noise")
        if self.rate_hz < 1:
            raise ValueError(f"rate_hz = {self.rate_hz}: expected a positive rate")
        if len(self.gains_db) != len(self.delays):
            raise ValueError(
                f"{len(self.gains_db)} gains_db and {len(self.delays)} delays: expected one per microphone"
            )
        if not all(abs(gain) <= MOST_GAIN_DB for gain in self.gains_db):  # fails for NaN, too
            raise ValueError(f"gains_db = {list(self.gains_db)}: expected -{MOST_GAIN_DB:g} to {MOST_GAIN_DB:g}")
        if not all(abs(delay) <= MOST_DELAY_S * self.rate_hz for delay in self.delays):
            raise ValueError(f"delays = {list(self.delays)}: expected samples, at most {1e3 * MOST_DELAY_S:g} ms")

    def corrected(self, x: Samples, rate_hz: int) -> Samples:
        """A whole recording, `[mics, n]`, as equal microphones would have made it."""
        correction = Correction(self, rate_hz)
        y = np.pad(x, [(0, 0), (0, correction.delay)])
        correction.apply(y)
        return y[:, correction.delay :]


class Correction:
    """A calibration, applied to a stream: the microphones become like the reference, `delay` samples later.

    Where only gains differ the delay is 0. Otherwise all microphones wait for filters of 2 ms, for those that are late.
    """

    def __init__(self, calibration: Calibration, rate_hz: int) -> None:
        later = np.array(calibration.delays) * (rate_hz / calibration.rate_hz)
        gains = 10 ** (np.array(calibration.gains_db) / 20)
        if np.abs(later).max() < SAME_TIME:
            self.delay, taps = 0, np.ones((len(later), 1))
        else:
            self.delay = HALF + math.ceil(later.max())
            wait = self.delay - later
            taps = fractional_delay(wait, math.ceil(wait.max()) + HALF)
        mics, length = taps.shape
        # Products of each tap are added one after the other, so that a sum does not depend on where the stream is cut.
        self._taps = (taps / gains[:, np.newaxis]).T[::-1, :, np.newaxis].astype(np.float32)  # [L, M, 1]
        self._past = length - 1
        self._samples = np.zeros((mics, self._past + STRETCH), np.float32)
        self._products = np.empty(length * mics * STRETCH, np.float32)

    def apply(self, x: Samples) -> None:
        """Correct samples, `[mics, n]`, any n, in place."""
        if x.ndim != 2 or len(x) != len(self._samples):
            raise ValueError(f"samples of shape {list(x.shape)}: expected [{len(self._samples)}, n]")
        for begin in range(0, x.shape[1], STRETCH):
            self._filter(x[:, begin : begin + STRETCH])

    def _filter(self, x: Samples) -> None:
        count, past = x.shape[1], self._past
        self._samples[:, past : past + count] = x
        windows = np.lib.stride_tricks.sliding_window_view(self._samples[:, : past + count], count, axis=1)
        products = self._products[: windows.size].reshape(past + 1, len(x), count)
        np.multiply(windows.transpose(1, 0, 2), self._taps, out=products)
        np.add.reduce(products, axis=0, out=x)
        self._samples[:, :past] = self._samples[:, count : count + past]

    def reset(self) -> None:
        """Forget what was heard."""
        self._samples.fill(0)


def to_toml(calibration: Calibration) -> str:
    """The text of its file; the same calibration always gives the same text."""
    c = calibration
    lines = [
        "# How the microphones of one device differ, as edge-sdk array calibrate measured it: each compared with the",
        "# reference, gains_db louder and delays samples later. For --calibration of edge-sdk.",
        f"array = {json.dumps(c.array)}",
        f"device = {json.dumps(c.device, ensure_ascii=False)}",
        f"source = {json.dumps(c.source)}",
        f"rate_hz = {c.rate_hz}",
        f"gains_db = {json.dumps(c.gains_db)}",
        f"delays = {json.dumps(c.delays)}",
        f"residual_db = {json.dumps(c.residual_db)}",
    ]
    if c.residual_deg is not None:
        lines.append(f"residual_deg = {json.dumps(c.residual_deg)}")
    return "\n".join(lines) + "\n"


def load_calibration(path: Path, array: MicArray) -> Calibration:
    """What a file holds for the microphones of that array; `ArrayError` where it cannot be read or is of another."""
    try:
        calibration = from_plain(Calibration, tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # of text and of TOML, too
        raise ArrayError(f"{path}: no calibration ({error}); make one with edge-sdk array calibrate") from error
    mics = len(calibration.gains_db)
    if (calibration.array, mics) != (array.name, array.mics):
        raise ArrayError(
            f"{path}: calibrates {calibration.array} with {mics} microphones, not {array.name} with {array.mics}; "
            "give another --calibration or --array"
        )
    return calibration


def doubt(calibration: Calibration, device: str, proc: Path = PROC, sysfs: Path = SYS) -> str:
    """Why a calibration may not be that of an ALSA device, in a line; nothing where there is no doubt, or no card whose
    name tells. `ArrayError` where serial numbers say that it is another's."""
    measured, opened = calibration.device, device_id(device, proc, sysfs)
    if opened in (measured, device):  # the same; or no card, but a name
        return ""
    said = f"the calibration is of {measured!r}, and {device} is {opened!r}"
    if SERIAL in measured and SERIAL in opened:
        raise ArrayError(f"{said}; measure this one with edge-sdk array calibrate, or give its --calibration")
    return f"{said}: is it the same device?"


def device_id(device: str, proc: Path = PROC, sysfs: Path = SYS) -> str:
    """The id of a plugged-in card, and its serial number where it tells one; other names as they are.

    device: a card's id or a part of its name, or an ALSA device such as `hw:CARD=ArrayUAC10`.
    """
    match = HW.match(device)
    cards = sound_cards(proc)
    wanted = match[2] if match else device
    try:
        card = next((card for card in cards if wanted == str(card.index)), None) or find_card(wanted, cards)
    except AudioError:
        return device
    serial = read_text(sysfs / f"class/sound/card{card.index}/device/../serial").strip()
    return f"{card.id}{SERIAL}{serial}" if serial else card.id

"""Impulse responses and their geometry out of SOFA files (AES69)."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_sdk.audio.arrays import MicArray
from edge_sdk.errors import DataError, EdgeError


@dataclass(frozen=True)
class Measurement:
    """Responses as a file holds them, `[positions, mics, taps]`, and where each position is seen from the array."""

    rirs: np.ndarray
    sample_rate: int
    azimuths_rad: np.ndarray
    elevations_rad: np.ndarray
    distances_m: np.ndarray


def read_sofa(path: Path) -> Measurement:
    """All measurements of a file of one source and finite responses, which HRIRs and BRIRs are."""
    file = open_sofa(path)
    try:
        rirs, rate = np.asarray(file.Data_IR, np.float64), float(file.Data_SamplingRate)
        if file.GLOBAL_DataType != "FIR" or rirs.ndim != 3 or not rirs.size:
            raise ValueError(
                f"data of type {file.GLOBAL_DataType}, shape {list(rirs.shape)}: expected FIR, one emitter"
            )
        if not rate.is_integer() or rate < 1:
            raise ValueError(f"a sampling rate of {rate:g} Hz")
        rirs = delayed(rirs, np.atleast_2d(file.Data_Delay))
        seen = np.broadcast_to(seen_by_listener(file), (len(rirs), 3))
    except (AttributeError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{path}: cannot be used as impulse responses ({error})") from error
    distances = np.linalg.norm(seen, axis=1)
    elevations = np.arcsin(np.clip(seen[:, 2] / np.maximum(distances, 1e-12), -1, 1))
    return Measurement(rirs, int(rate), np.arctan2(seen[:, 1], seen[:, 0]), elevations, distances)


def array_of(path: Path) -> MicArray:
    """The receivers of a SOFA file as an array: x to the listener's front, y to the left, z up."""
    file = open_sofa(path)
    try:
        receivers = np.asarray(file.ReceiverPosition, np.float64)
        places = receivers.reshape(len(receivers), 3, -1)[:, :, 0]
        places = cartesian(places, file.ReceiverPosition_Type, file.ReceiverPosition_Units)
        return MicArray(
            name=re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:64] or "sofa",
            title=str(file.GLOBAL_ListenerShortName or path.stem),
            source=f"ReceiverPosition in {path.name}",
            positions_m=tuple((float(x), float(y), float(z)) for x, y, z in places),
            channels=tuple(range(len(places))),
            capture_channels=len(places),
            sample_rates_hz=(round(float(file.Data_SamplingRate)),),
            worn=any(kind in str(file.GLOBAL_SOFAConventions) for kind in ("HRIR", "BRIR", "HRTF")),
        )
    except (AttributeError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{path}: its receivers are no array ({error}); give --array") from error


def open_sofa(path: Path) -> Any:
    """The file through sofar, which reads what older conventions allowed as well."""
    try:
        import sofar
    except ImportError as error:
        raise EdgeError("SOFA files need sofar, which is not here: pip install 'edge-sdk[train]'") from error
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a SOFA file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its verification would say: published sets rarely pass it
            return sofar.read_sofa(str(path), verify=False, verbose=False)
    except Exception as error:  # netCDF, HDF5 and sofar raise what they like for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: not a readable SOFA file ({reason})") from error


def seen_by_listener(file: Any) -> np.ndarray:
    """Sources in the axes of the listener (front, left, up), metres, `[measurements or 1, 3]`."""
    towards = coordinates(file, "SourcePosition") - coordinates(file, "ListenerPosition", (0, 0, 0))
    front = coordinates(file, "ListenerView", (1, 0, 0))
    up = coordinates(file, "ListenerUp", (0, 0, 1), like="ListenerView")
    front = front / np.linalg.norm(front, axis=1, keepdims=True)
    left = np.cross(up, front)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    return np.stack([(towards * axis).sum(axis=1) for axis in (front, left, np.cross(front, left))], axis=1)


def coordinates(file: Any, name: str, default: tuple[float, ...] = (), like: str = "") -> np.ndarray:
    """A variable of a file as x, y, z in metres, `[n, 3]`; what the standard assumes where it is left out."""
    values = getattr(file, name, default)
    kind = getattr(file, f"{like or name}_Type", "cartesian")
    return cartesian(np.atleast_2d(values), kind, getattr(file, f"{like or name}_Units", "metre"))


def cartesian(values: np.ndarray, kind: str, units: str) -> np.ndarray:
    """x, y, z in metres of coordinates as SOFA types them."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("coordinates that are not finite")
    if kind == "cartesian":
        return values
    if kind != "spherical" or "degree" not in units:
        raise ValueError(f"coordinates of type {kind!r} in {units!r}")
    azimuth, elevation, radius = np.radians(values[:, 0]), np.radians(values[:, 1]), values[:, 2]
    flat = radius * np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), radius * np.sin(elevation)], axis=1)


def delayed(rirs: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Responses `[M, R, taps]` after the delays in samples, `[M or 1, R]`, that the file keeps apart from them."""
    if not delays.any():
        return rirs
    if (delays < 0).any() or delays.max() > 100 * rirs.shape[-1]:
        raise ValueError(f"delays of {delays.min():g} to {delays.max():g} samples")
    taps = rirs.shape[-1] + math.ceil(delays.max()) + 64  # room for the ringing of a fraction of a sample
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(taps) * np.broadcast_to(delays, rirs.shape[:2])[..., None])
    return np.fft.irfft(np.fft.rfft(rirs, taps) * turn, taps)

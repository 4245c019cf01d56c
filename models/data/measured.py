"""Measured impulse responses as rooms of a store: SOFA files, and sound files of one position each.

Every SOFA file, folder of sound files or single sound file is one room. Responses are resampled once, cut to begin
just before the direct path and scaled so that the loudest sample of the room is 1; levels between positions stay.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sdk.audio.arrays import SPEED_OF_SOUND, MicArray
from edge_sdk.audio.wav import decode
from edge_sdk.errors import DataError
from models.data.decay import reverberation_time
from models.data.image_source import LEAD
from models.data.onset import arrivals, cut_lead
from models.data.rirs import Room, RoomStore
from models.data.shards import Plan, encode, write_rooms
from models.data.sofa import Measurement, array_of, read_sofa

log = logging.getLogger(__name__)

METHOD = "measured, version 1"  # whoever changes a stored number changes this
SOFA, SOUNDS = ".sofa", (".wav", ".flac")
POSITIONS = (
    "positions.csv"  # beside sound files, if anybody wrote it down: file, azimuth_deg, elevation_deg, distance_m
)
PADDING_S = 4e-3  # of silence around a response that is resampled: the filter rings on both sides


@dataclass(frozen=True)
class Source:
    """One room to be read by a worker."""

    path: Path
    array: MicArray
    sample_rate: int
    index: int


def import_rooms(
    folder: Path,
    sources: list[Path],
    array: MicArray | None = None,
    sample_rate: int = 16_000,
    workers: int | None = None,
    cluster: str | None = None,
) -> RoomStore:
    """A store of measured rooms. Without an array the first source must be a SOFA file, which says what measured it."""
    if array is None:
        if sources[0].suffix.lower() != SOFA:
            raise DataError(f"{sources[0]}: sound files do not say where their microphones were; give --array")
        array = array_of(sources[0])
    made_of = {"method": METHOD, "sources": [[path.name, digest(path)] for path in sources]}
    items = [Source(path.absolute(), array, sample_rate, index) for index, path in enumerate(sources)]
    size = float(sum(file.stat().st_size for path in sources for file in files_of(path)))
    return write_rooms(folder, Plan(array, sample_rate, made_of), items, measured_shard, size, workers, cluster)


def measured_shard(source: Source) -> bytes:
    """A shard of one measured room."""
    return encode([measured_room(source)])


def measured_room(source: Source) -> Room:
    """The room that a source holds, as a store keeps it."""
    path, array = source.path, source.array
    found = read_sofa(path) if path.suffix.lower() == SOFA else read_sounds(path, array)
    mics = found.rirs.shape[1]
    if mics != array.mics:
        raise DataError(f"{path}: responses of {mics} microphones, {array.name} has {array.mics}; give another --array")
    peaks = np.abs(found.rirs).max(axis=-1)
    if not (np.isfinite(peaks) & (peaks > 0)).all():
        raise DataError(f"{path}: responses that are silent or not finite; export them again")
    rirs = resampled(found.rirs, found.sample_rate, source.sample_rate)
    rirs /= np.abs(rirs).max()
    rirs, direct = cut_lead(rirs, arrivals(rirs, source.sample_rate), LEAD)
    if agreement(direct, found, array, source.sample_rate) < 0:
        log.warning(
            "%s: sounds arrive as from the other side of what it says: its channels are swapped, or it counts azimuths "
            "the other way round; only angles in results suffer",
            path,
        )
    heard = rirs[:, array.reference]
    rt60_s = reverberation_time(heard, source.sample_rate, lowest_db=-25)
    where = (found.azimuths_rad, found.elevations_rad, found.distances_m)
    return Room(source.index, rirs.astype(np.float32), direct[:, array.reference], *where, rt60_s)


def agreement(direct: np.ndarray, found: Measurement, array: MicArray, sample_rate: int) -> float:
    """Correlation of measured arrivals `[positions, mics]` with those that directions and microphones promise."""
    flat = np.cos(found.elevations_rad)
    towards = np.stack(
        [flat * np.cos(found.azimuths_rad), flat * np.sin(found.azimuths_rad), np.sin(found.elevations_rad)], axis=1
    )
    promised = -towards @ np.array(array.positions_m).T / SPEED_OF_SOUND * sample_rate
    products = (promised - promised.mean(axis=1, keepdims=True)) * (direct - direct.mean(axis=1, keepdims=True))
    return float(np.nansum(products))


def resampled(rirs: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Responses `[positions, mics, taps]` at another rate."""
    if rate == wanted:
        return rirs.copy()
    import soxr

    padding = round(PADDING_S * rate)
    padded = np.pad(rirs, ((0, 0), (0, 0), (padding, padding)))
    lines = [soxr.resample(line, rate, wanted, quality="VHQ") for line in padded.reshape(-1, padded.shape[-1])]
    return np.stack(lines).reshape(*rirs.shape[:2], -1)


def read_sounds(path: Path, array: MicArray) -> Measurement:
    """Sound files, one per position; their channels are the microphones or all that the array's device captures."""
    files = [file for file in files_of(path) if file.name != POSITIONS]
    responses, rates = [], {}
    for file in files:
        samples, rates[file] = decode(file)
        if len(samples) == array.capture_channels:
            samples = samples[list(array.channels)]
        if len(samples) != array.mics or not samples.size:
            raise DataError(
                f"{file}: {len(samples)} channels of {samples.shape[1]} samples, {array.name} has {array.mics} "
                f"microphones on {array.capture_channels} channels; give another --array"
            )
        responses.append(samples)
    if len(set(rates.values())) > 1:
        raise DataError(
            f"{path}: files of {' and '.join(f'{rate} Hz' for rate in sorted(set(rates.values())))}; expected one rate"
        )
    rirs = np.zeros((len(files), array.mics, max(samples.shape[1] for samples in responses)))
    for position, samples in enumerate(responses):
        rirs[position, :, : samples.shape[1]] = samples
    azimuths, elevations, distances = read_positions(path, files)
    return Measurement(rirs, rates[files[0]], np.radians(azimuths), np.radians(elevations), distances)


def read_positions(path: Path, files: list[Path]) -> np.ndarray:
    """Azimuth and elevation in degrees and distance in metres of each file, `[3, files]`, NaN where nobody says."""
    columns = ("azimuth_deg", "elevation_deg", "distance_m")
    table = (path if path.is_dir() else path.parent) / POSITIONS
    if not table.is_file():
        return np.full((3, len(files)), math.nan)
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            rows = {row["file"]: row for row in csv.DictReader(lines)}
        said = [[float(rows.get(file.name, {}).get(column) or math.nan) for file in files] for column in columns]
    except (csv.Error, UnicodeDecodeError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{table}: {error}; expected columns file, {', '.join(columns)} and numbers in them") from error
    return np.array(said)


def files_of(path: Path) -> list[Path]:
    """The files that a source consists of."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SOUNDS or file.name == POSITIONS)
        if any(file.name != POSITIONS for file in files):
            return files
        raise DataError(f"{path}: no {' or '.join(SOUNDS)} files in it; give SOFA files by their names")
    if path.is_file() and path.suffix.lower() in (SOFA, *SOUNDS):
        return [path]
    what = "not a file of responses" if path.exists() else "no such file or folder"
    raise DataError(f"{path}: {what}; expected {SOFA}, {', '.join(SOUNDS)} or a folder of those")


def digest(path: Path) -> str:
    """SHA-256 over the files of a source."""
    whole = hashlib.sha256()
    for file in files_of(path):
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()

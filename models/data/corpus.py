"""Folders of recordings, decoded once and then read as one array.

Compressed files are slow to seek in, and a training epoch wants random seconds of random files, so a corpus is decoded
by all cores into one file of 16-bit samples that every worker process maps into its memory. An index beside it, written
last, says what is in it and which files were left out because they cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edge_sdk.audio.wav import read_wav
from edge_sdk.contract import from_plain, parse_json, to_plain, write_file
from edge_sdk.errors import AudioError, DataError

log = logging.getLogger(__name__)

# Not plain fork: a copy of a process whose libraries run threads (JAX does, in the exporter) may hang for ever.
WORKERS = multiprocessing.get_context("forkserver")

SUFFIXES = (".wav", ".flac", ".ogg")
FULL_SCALE = 32767.0
MOST_UNREADABLE = 0.01  # share of files that may be damaged before the corpus is refused
LISTED = 5  # of them in a message
LAYOUT = 2  # of the files in the cache; those of another are not looked at


@dataclass(frozen=True)
class Recording:
    """One decoded file: where its samples lie in the corpus, and who speaks. An unknown gender is empty."""

    path: str
    speaker: str
    offset: int
    samples: int
    gender: str = ""


class Corpus:
    """Decoded recordings of some folders.

    `read(i, start, n)` gives float32 samples; `weights` is the chance of each recording, its share of the minutes times
    the weight of its folder; `left_out` says what is wrong with the files that cannot be used. Pickles as a path, so
    worker processes share one copy.
    """

    def __init__(
        self, samples_file: Path, recordings: list[Recording], weights: np.ndarray, left_out: tuple[str, ...] = ()
    ) -> None:
        self.samples_file, self.recordings, self.left_out = samples_file, recordings, left_out
        minutes = np.array([r.samples for r in recordings], dtype=np.float64) * weights
        self.weights = minutes / minutes.sum()

    @cached_property
    def samples(self) -> np.ndarray:
        return np.memmap(self.samples_file, dtype=np.int16, mode="r")

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "samples"}

    @property
    def speakers(self) -> set[str]:
        """Everybody who speaks in it."""
        return {r.speaker for r in self.recordings}

    def genders(self, speakers: int) -> set[str]:
        """The genders of which so many speakers are known."""
        known = Counter(gender for _, gender in {(r.speaker, r.gender) for r in self.recordings} if gender)
        return {gender for gender, count in known.items() if count >= speakers}

    @property
    def total(self) -> int:
        """Samples of all recordings together."""
        return sum(r.samples for r in self.recordings)

    def read(self, index: int, start: int, count: int) -> np.ndarray:
        """Samples `start .. start + count` of a recording as float32, `[count]`; it must hold them."""
        first = self.recordings[index].offset + start
        return self.samples[first : first + count].astype(np.float32) / FULL_SCALE


def find_recordings(root: Path, folders: tuple[str, ...]) -> list[Path]:
    """All sound files below the folders of `root`, sorted."""
    found: list[Path] = []
    for folder in folders:
        top = root / folder
        if not top.is_dir():
            raise DataError(f"{top}: no such folder; expected recordings there ({', '.join(SUFFIXES)})")
        found += sorted(p for p in top.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    found = list(dict.fromkeys(found))  # a folder may be named beside one within it
    if not found:
        raise DataError(f"{root}: no {', '.join(SUFFIXES)} files in {', '.join(folders)}")
    return found


def load_corpus(
    root: Path, folders: tuple[str, ...], sample_rate: int, cache: Path, weights: dict[str, float] | None = None
) -> Corpus:
    """The recordings of `root/folder` for each folder, decoded to `sample_rate`; decoded files are kept in `cache`.

    weights: how often a sub-folder is drawn relative to its minutes, by path prefix, 1 where none is given.
    Speakers come from `manifest.csv` in `root` where there is one (columns path, speaker and, if known, gender), else
    from the folder's name.
    Raises `DataError` for missing folders, where more than 1 % of the files cannot be read, and for a full disk.
    """
    paths = find_recordings(root, folders)
    names = [p.relative_to(root).as_posix() for p in paths]
    identity = [[n, p.stat().st_size, p.stat().st_mtime_ns] for n, p in zip(names, paths, strict=True)]
    key = hashlib.sha256(json.dumps([LAYOUT, str(root.resolve()), sample_rate, identity]).encode()).hexdigest()[:16]
    samples_file, index_file = cache / f"{key}.i16", cache / f"{key}.json"
    decoded = read_index(index_file, samples_file)
    if decoded is None:
        try:
            decoded = decode_all(paths, names, sample_rate, samples_file, index_file)
        except OSError as error:
            raise DataError(
                f"{error.filename or cache}: recordings cannot be decoded to there ({error.strerror}); free space or "
                "choose another --cache"
            ) from error
    if decoded.left_out:
        log.warning("%s", "\n".join(listed(decoded.left_out, len(paths))))
    speakers, recordings, offset = read_speakers(root), [], 0
    for name, samples in decoded.lengths.items():
        speaker, gender = speakers.get(name, (str(Path(name).parent), ""))
        recordings.append(Recording(name, speaker, offset, samples, gender))
        offset += samples
    chances = np.array([weight_of(r.path, weights or {}) for r in recordings])
    return Corpus(samples_file, recordings, chances, decoded.left_out)


def check_disjoint(train: Corpus, dev: Corpus) -> None:
    """`DataError` names the speakers that are in both: a score on voices that were trained on says little.

    A pool of unidentified people is a speaker like any other: who knows whether the same ones are in it twice.
    """
    if both := sorted(train.speakers & dev.speakers):
        more = f" and {len(both) - LISTED} more" if len(both) > LISTED else ""
        raise DataError(
            f"in the recordings to train on and in the development set: speaker {', '.join(both[:LISTED])}{more}; "
            "give each speaker to one of the two"
        )


@dataclass(frozen=True)
class Decoded:
    """Samples of each file that was decoded, by name and in order, and what is wrong with the others."""

    lengths: dict[str, int]
    left_out: tuple[str, ...]


def decode_all(paths: list[Path], names: list[str], rate: int, samples_file: Path, index_file: Path) -> Decoded:
    """Decode with all cores. The index is written last, so that it vouches for the samples."""
    samples_file.parent.mkdir(parents=True, exist_ok=True)
    aside = samples_file.with_suffix(f".{os.getpid()}.part")
    try:
        decoded = decode_into(aside, paths, names, rate)
        if len(decoded.left_out) > MOST_UNREADABLE * len(paths):
            raise DataError("; ".join(listed(decoded.left_out, len(paths))))
        aside.rename(samples_file)
    finally:
        aside.unlink(missing_ok=True)
    write_file(index_file, json.dumps(to_plain(decoded)).encode())
    return decoded


def listed(left_out: Sequence[str], files: int) -> list[str]:
    """How many files cannot be used, and the first of them with their reasons."""
    more = [f"and {len(left_out) - LISTED} more"] if len(left_out) > LISTED else []
    return [f"{len(left_out)} of {files} recordings cannot be used", *left_out[:LISTED], *more]


def read_index(index_file: Path, samples_file: Path) -> Decoded | None:
    """What an earlier decoding found, or None where there is none or it is damaged."""
    try:
        decoded = from_plain(Decoded, parse_json(index_file.read_bytes()))
        whole = samples_file.stat().st_size == np.dtype(np.int16).itemsize * sum(decoded.lengths.values())
    except (OSError, ValueError):
        return None
    return decoded if whole else None


def decode_into(target: Path, paths: list[Path], names: list[str], rate: int) -> Decoded:
    """Append every recording to one file."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)  # standard output is for results
    show = {"console": console, "disable": not console.is_terminal, "transient": True}
    lengths, left_out = dict[str, int](), list[str]()
    with ProcessPoolExecutor(mp_context=WORKERS) as pool, target.open("wb") as out:
        results = pool.map(decode_int16, paths, [rate] * len(paths), chunksize=8)
        for name, result in track(zip(names, results, strict=True), "decoding", total=len(names), **show):
            if isinstance(result, str):
                left_out.append(result)
            else:
                lengths[name] = len(result)
                out.write(result.tobytes())
        out.flush()
        os.fsync(out.fileno())  # some file systems say only now that they are full
    return Decoded(lengths, tuple(left_out))


def decode_int16(path: Path, rate: int) -> np.ndarray | str:
    """Samples of the first channel as int16, or what is wrong with the file."""
    try:
        return np.round(np.clip(read_wav(path, rate)[0][0], -1, 1) * FULL_SCALE).astype(np.int16)
    except AudioError as error:
        return str(error)


def read_speakers(root: Path) -> dict[str, tuple[str, str]]:
    """Speaker and gender of each path in `manifest.csv`, or nothing where there is no such file."""
    import csv

    manifest = root / "manifest.csv"
    if not manifest.exists():
        return {}
    try:
        with manifest.open(newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines)
            if not {"path", "speaker"} <= set(rows.fieldnames or ()):
                raise DataError(f"{manifest}: expected columns named path and speaker")
            return {row["path"]: (row["speaker"], row.get("gender") or "") for row in rows if row["speaker"]}
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{manifest}: not a readable CSV file in UTF-8 ({error})") from error


def weight_of(path: str, weights: dict[str, float]) -> float:
    """The weight of the longest prefix of `path` that has one."""
    best = max((prefix for prefix in weights if path.startswith(prefix)), key=len, default=None)
    return 1.0 if best is None else weights[best]

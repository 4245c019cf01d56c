"""Recordings in, wav files out: the one place that says what is wrong with a sound file."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.levels import implausible
from edge_sdk.contract import write_files
from edge_sdk.errors import AudioError

Samples = NDArray[np.float32]

# libsndfile reads what is there of a file whose header promises more, and says so only in its log.
PROMISED = re.compile(r"^\s*(?:data|SSND|Data Size|Riff size|riff)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
UNKNOWN_LENGTH = (
    0x7FFFF000  # from here on a wav's length means "written to a pipe": SoX writes this one, FFmpeg 2**32 - 1
)
LOWEST_HZ, HIGHEST_HZ = 1_000, 768_000  # outside no recorder works, and resampling from 1 Hz would fill the memory
OGG_PAGE = 65_307  # bytes of the largest page (RFC 3533)


def read_wav(path: Path, sample_rate: int, mics: int | None = None) -> tuple[Samples, int]:
    """Samples `[channels, n]` at `sample_rate`, and the rate that the file has: resampled where the two differ.

    Reads what libsndfile reads (wav, flac, ogg, ...). `AudioError` where the file is missing, empty, truncated, not
    audio, without samples, with NaN or infinite ones, or has another number of channels than `mics`.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file; expected a sound file")
    if not path.stat().st_size:
        raise AudioError(f"{path}: an empty file; expected a sound file")
    samples, rate = decode(path)
    channels, count = samples.shape
    if mics is not None and channels != mics:
        raise AudioError(
            f"{path}: {channels} channels, the model takes {mics}; give another recording or another --model"
        )
    if not count:
        raise AudioError(f"{path}: holds no samples; give a longer recording")
    if not LOWEST_HZ <= rate <= HIGHEST_HZ:
        raise AudioError(f"{path}: {rate} Hz, expected {LOWEST_HZ} to {HIGHEST_HZ}; its header is damaged")
    if fault := implausible(samples):
        raise AudioError(f"{path}: carries {fault}; write it again from its source")
    if rate != sample_rate:
        samples = optional("soxr").resample(samples.T, rate, sample_rate).T
        if fault := implausible(samples):  # it overshoots: what was below the limit may be above it now
            raise AudioError(f"{path}: carries {fault}; write it again from its source")
    if not samples.size:
        raise AudioError(f"{path}: {count} samples at {rate} Hz are none at {sample_rate} Hz; give a longer recording")
    return np.ascontiguousarray(samples, np.float32), rate


def write_wav(path: Path, samples: Samples, sample_rate: int, subtype: str = "PCM_16") -> None:
    """Write samples `[channels, n]` as a wav file of 16-bit numbers, clipped at full scale, or of `subtype="FLOAT"`.

    The file is whole or not there; `AudioError` where it cannot be written or the samples are not finite.
    """
    write_wavs({path: samples}, sample_rate, subtype)


def write_wavs(recordings: Mapping[Path, Samples], sample_rate: int, subtype: str = "PCM_16") -> None:
    """Write several recordings as `write_wav` does, all of them or none."""
    files = {}
    for path, samples in recordings.items():
        if fault := implausible(samples):
            raise AudioError(f"{path}: not written, there are {fault}; report the model and the recording")
        memory = io.BytesIO()
        optional("soundfile").write(memory, samples.T, sample_rate, format="WAV", subtype=subtype)
        files[path] = memory.getvalue()
    try:
        write_files(files)
    except OSError as error:
        first = next(iter(files))
        raise AudioError(
            f"{first}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error


def decode(path: Path) -> tuple[Samples, int]:
    """Samples `[channels, n]` and rate of a file that is all there."""
    soundfile = optional("soundfile")
    try:
        # Opened here, not there: libsndfile takes only names that are UTF-8.
        with path.open("rb") as bytes_of_it, soundfile.SoundFile(bytes_of_it) as file:
            frames, rate, log = file.frames, int(file.samplerate), str(file.extra_info)
            kind, samples = file.format, file.read(dtype="float32", always_2d=True)
        whole = len(samples) == frames and not broken_promise(log) and (kind != "OGG" or ogg_ends(path))
    except MemoryError:
        raise AudioError(
            f"{path}: its header promises {frames} samples, more than memory holds; is it damaged?"
        ) from None
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: "name.raw" is taken for bare samples
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
        raise AudioError(f"{path}: not a readable sound file ({reason}); expected wav, flac or ogg") from error
    if not whole:
        raise AudioError(f"{path}: ends before the length that it promises; the file is truncated, copy it again")
    return samples.T, rate


def broken_promise(log: str) -> bool:
    """Whether libsndfile found less than the header says."""
    return any(int(there) < int(said) < UNKNOWN_LENGTH for said, there in PROMISED.findall(log))


def ogg_ends(path: Path) -> bool:
    """Whether the last Ogg page is whole and marked as the last."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * OGG_PAGE))
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    segments = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(segments)


def optional(package: str) -> Any:
    """A package that not every installation has."""
    try:
        return import_module(package)
    except (ImportError, OSError) as error:  # soundfile raises OSError where libsndfile is missing
        raise AudioError(f"sound files need {package} ({error}); pip install 'edge-sdk[device]'") from error

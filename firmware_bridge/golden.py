"""Golden clips: recordings of which the clean sources are known, separated by a new bundle and by what it replaces.

    FOLDER/NAME.wav         what the microphones heard
    FOLDER/NAME.clean.wav   the sources alone, a channel each, as long

16-bit wav files at the model's sample rate. The measure is SI-SDR (Le Roux et al., "SDR - half-baked or well done?",
2019) with the best assignment of outputs to sources.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from operator import mul
from pathlib import Path

from edge_sdk.contract import Bundle
from firmware_bridge import launch
from firmware_bridge.health import HealthError, Verdict

CLEAN = ".clean.wav"
LARGEST_DB = 100.0  # of an output that is exactly right, and minus this of silence
Channel = Sequence[int]  # samples


@dataclass(frozen=True)
class Clip:
    """A recording and its sources."""

    path: Path
    rate_hz: int
    mixture: tuple[Channel, ...]
    clean: tuple[Channel, ...]


def judge_clips(clips: Sequence[Clip], bundle: Bundle, before: Bundle | None, budget_db: float) -> Verdict:
    """Whether on every clip the bundle is at most so much worse than the one before.

    Where there is none, or it takes other microphones or gives other sources, the first microphone stands for it.
    `HealthError` for clips that are not made for such a model.
    """
    m, comparable = bundle.manifest, before
    if before is not None:
        b = before.manifest
        comparable = before if (b.mics, b.sources, b.sample_rate) == (m.mics, m.sources, m.sample_rate) else None
    for clip in clips:
        has, takes = (clip.rate_hz, len(clip.mixture), len(clip.clean)), (m.sample_rate, m.mics, m.sources)
        if has != takes:
            raise HealthError(f"{clip.path}: rate, microphones and sources are {has}, {m.name} has {takes}")
    for clip in clips:
        try:
            outputs = separated(clip, bundle)
        except HealthError as error:
            return Verdict(False, str(error))
        now_db = best_si_sdr(outputs, clip.clean)
        heard = [clip.mixture[0]] * m.sources if comparable is None else separated(clip, comparable)
        before_db = best_si_sdr(heard, clip.clean)
        if now_db < before_db - budget_db:
            return Verdict(
                False,
                f"{clip.path.name}: SI-SDR {now_db:.1f} dB, before {before_db:.1f} dB, allowed {budget_db:g} less",
            )
    return Verdict(True, f"{len(clips)} golden clips within {budget_db:g} dB")


def read_clips(folder: Path) -> list[Clip]:
    """All clips of a folder; `HealthError` where there is none or one is not as it must be."""
    found = []
    for path in sorted(p for p in folder.glob("*.wav") if not p.name.endswith(CLEAN)):
        (rate_hz, mixture), (_, clean) = read_samples(path), read_samples(path.with_name(path.stem + CLEAN))
        if len(mixture[0]) != len(clean[0]) or not mixture[0]:
            raise HealthError(f"{path}: {len(mixture[0])} samples, its sources {len(clean[0])}; expected as many")
        found.append(Clip(path, rate_hz, mixture, clean))
    if not found:
        raise HealthError(f"{folder}: no golden clips; expected NAME.wav and NAME{CLEAN}")
    return found


def read_samples(path: Path) -> tuple[int, tuple[Channel, ...]]:
    """Sample rate and channels of a 16-bit wav file."""
    try:
        with wave.open(os.fspath(path), "rb") as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except OSError as error:
        raise HealthError(f"{path}: cannot be read ({error.strerror}); expected a golden clip") from error
    except (wave.Error, EOFError) as error:
        raise HealthError(f"{path}: not a wav file of 16 bits ({error}); expected a golden clip") from error
    if width != 2:
        raise HealthError(f"{path}: {8 * width} bits; expected a golden clip of 16 bits")
    samples = array("h", data)
    return rate_hz, tuple(samples[channel::channels] for channel in range(channels))


def separated(clip: Clip, bundle: Bundle) -> list[Channel]:
    """What a bundle makes of a clip, in a process of its own that leaves the processor to the sound."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["separate", os.fspath(clip.path), "--out", folder]
        process = launch.start(
            command,
            bundle,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: os.nice(19),
        )
        _, said = process.communicate()
        if process.returncode:
            line = said.decode(errors="backslashreplace").strip().rpartition("\n")[2].removeprefix("edge-sdk: ")
            raise HealthError(f"{clip.path}: cannot be separated ({line or f'exit status {process.returncode}'})")
        names = [f"{clip.path.stem}-{source + 1}.wav" for source in range(bundle.manifest.sources)]
        return [read_samples(Path(folder) / name)[1][0] for name in names]


def best_si_sdr(outputs: Sequence[Channel], clean: Sequence[Channel]) -> float:
    """SI-SDR in dB, the mean over the sources, with the best assignment of outputs to them."""
    if len(outputs) < len(clean):
        raise HealthError(
            f"{len(outputs)} outputs, the golden clip has {len(clean)} sources; give clips for this model"
        )
    table = [[si_sdr(output, source) for output in outputs] for source in clean]
    ways = permutations(range(len(outputs)), len(clean))
    return max(sum(row[way] for row, way in zip(table, chosen, strict=True)) for chosen in ways) / len(clean)


def si_sdr(output: Channel, source: Channel) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, from -`LARGEST_DB` to `LARGEST_DB`."""
    length = min(len(output), len(source))
    output, source = output[:length], source[:length]
    cross, power, whole = (sum(map(mul, a, b)) for a, b in ((output, source), (source, source), (output, output)))
    if not (cross and power and whole):
        return -LARGEST_DB
    wanted = cross * cross / power
    rest = max(whole - wanted, 0.0)
    if not rest:
        return LARGEST_DB
    return max(-LARGEST_DB, min(LARGEST_DB, 10 * math.log10(wanted / rest)))

"""The clips of a gate, and what a model scores on them.

Two kinds of folders:

    a frozen set    as `edge-sdk simulate set` writes it, with `set.json`
    sound files     `mixtures/NAME.wav`, a channel per microphone, and `sources/NAME.wav`, a channel per source: what
                    the model should give. Any format that libsndfile reads, at the model's rate.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from edge_sdk.audio.wav import read_wav
from edge_sdk.contract import Manifest, canonical_json, read_bundle
from edge_sdk.errors import DataError
from edge_sdk.library import find_model
from models.checkpoint import load_network
from models.data.example import Example
from models.data.frozen import INDEX, FrozenSet, open_set
from models.evaluation.scores import reference_first, score
from models.zoo import architecture
from quantization.artifact import read_artifact
from quantization.evaluation import describe
from quantization.regression.baseline import METRIC, ScoredModel, ScoredSet, Scores, mean
from quantization.regression.verdict import PRECISION
from quantization.scoring import Model, one_thread, open_model, outputs, reference_of

VERSIONS = ("edge-sdk", "numpy", "torch", "ai-edge-litert")


class SoundFiles(Sequence[Example]):
    """Pairs of sound files as examples, in the order of their names."""

    array = None

    def __init__(self, folder: Path, sample_rate: int) -> None:
        mixtures, sources = (by_name(folder / kind) for kind in ("mixtures", "sources"))
        if mixtures.keys() != sources.keys():
            raise DataError(f"{folder}: {min(mixtures.keys() ^ sources.keys())} has no mixture or no sources; add it")
        if not mixtures:
            raise DataError(f"{folder}: no clips; expected mixtures/NAME.wav and sources/NAME.wav")
        self.name, self.sample_rate, self.names = folder.name, sample_rate, sorted(mixtures)
        self._pairs = [(mixtures[name], sources[name]) for name in self.names]
        hashes = [[n, *map(file_sha256, pair)] for n, pair in zip(self.names, self._pairs, strict=True)]
        self.sha256 = hashlib.sha256(canonical_json(hashes)).hexdigest()
        self.mics, self.sources = len(self[0].mixture), len(self[0].sources)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        mixture, sources = (self._read(path) for path in self._pairs[index])
        if mixture.shape[1] != sources.shape[1]:
            raise DataError(
                f"{self._pairs[index][0]}: {mixture.shape[1]} samples, its sources {sources.shape[1]}; expected as many"
            )
        return Example(mixture, sources, sources[:, np.newaxis], {})

    def _read(self, path: Path) -> np.ndarray:
        samples, rate = read_wav(path, self.sample_rate)
        if rate != self.sample_rate:
            raise DataError(f"{path}: {rate} Hz, the model works at {self.sample_rate} Hz; give clips at that rate")
        return samples


def by_name(folder: Path) -> dict[str, Path]:
    """The files of a folder by their names without suffix; `DataError` for two of one name."""
    files = sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith(".")) if folder.is_dir() else []
    found = {path.stem: path for path in files}
    if len(found) < len(files):
        raise DataError(f"{folder}: two files of one name; keep one of each")
    return found


def open_clips(folder: Path, sample_rate: int) -> FrozenSet | SoundFiles:
    """The clips in a folder; `DataError` where there are none for a model of that rate."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a frozen set, or sound files in mixtures/ and sources/")
    if not (folder / INDEX).is_file():
        return SoundFiles(folder, sample_rate)
    found = open_set(folder)
    if found.sample_rate != sample_rate:
        raise DataError(f"{folder}: a set at {found.sample_rate} Hz, the model works at {sample_rate} Hz")
    return found


def label(clips: FrozenSet | SoundFiles, index: int) -> str:
    """The name of a clip: its file's, or its number in a frozen set."""
    return clips.names[index] if isinstance(clips, SoundFiles) else f"{index:04}"


def descriptions(folder: Path) -> dict[str, str]:
    """What the clips of a frozen set are made of, by name; sound files say it by their names."""
    if not (folder / INDEX).is_file():
        return {}
    return {f"{i:04}": describe(m.about) for i, m in enumerate(open_set(folder).contents.mixtures)}


def score_clips(model: str, folder: Path, name: str | None = None) -> Scores:
    """What a model scores on the clips of a folder.

    model: a checkpoint, a .tflite, a bundle, or the name of a shipped one. name: its own where None is given.
    """
    about, runs = describe_model(model, name), open_model(model, "auto")
    clips = open_clips(folder, runs.sample_rate)
    check_fits(folder, about.name, runs, clips)
    with one_thread():  # so that sums round alike on every machine of a kind
        found = {label(clips, i): score_clip(runs, clips, i) for i in range(len(clips))}
    return Scores(about, ScoredSet(clips.name, clips.sha256), found, mean(found), installed())


def score_clip(model: Model, clips: FrozenSet | SoundFiles, index: int) -> float | None:
    """dB of one clip, the mean over its sources; None where they are silent."""
    reference = reference_of(clips)
    example = reference_first(clips[index], reference)
    found = score(lambda x: outputs(model, x, reference), example, index, model.sample_rate, (METRIC,)).after[METRIC]
    return None if math.isnan(found) else round(found, PRECISION)


def check_fits(folder: Path, name: str, model: Model, clips: FrozenSet | SoundFiles) -> None:
    """`DataError` where the clips are none for this model."""
    if clips.sources != model.sources or (model.mics > 1 and not model.fits(clips.mics)):
        raise DataError(
            f"{folder}: {clips.sources} source(s) at {clips.mics} microphone(s), {name} makes {model.sources} of "
            f"{model.mics}; give a fitting set"
        )


def describe_model(model: str, name: str | None) -> ScoredModel:
    """What a baseline keeps of a model."""
    if model.endswith(".safetensors"):
        network, _ = load_network(Path(model))
        config = network.config
        kind, sha256 = architecture(config), file_sha256(Path(model))
        sizes = config.sample_rate, network.mics, config.sources
        return ScoredModel(name or Path(model).stem, kind, *sizes, "float32", sha256)
    m: Manifest
    m = read_artifact(Path(model)).manifest if model.endswith(".tflite") else read_bundle(find_model(model)).manifest
    return ScoredModel(name or m.name, m.architecture, m.sample_rate, m.mics, m.sources, m.recipe, m.sha256)


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def installed() -> dict[str, str]:
    """Versions of what computes the scores."""
    found = {}
    for package in VERSIONS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

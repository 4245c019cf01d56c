"""Versions of one network, as trained, pruned or quantized, each as the stream that runs on a board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_sdk import Separator
from edge_sdk.contract import read_bundle
from edge_sdk.errors import EdgeError
from edge_sdk.library import find_model
from models.checkpoint import load_network
from quantization.artifact import Artifact, read_artifact
from quantization.export import export
from quantization.parity import check, recorded
from quantization.regression.clips import describe_model
from quantization.scoring import Model

MOST = 9  # each has a key of its own, 1 to 9
SAME = {
    "architecture": "architecture {}",
    "sample_rate": "{} Hz",
    "mics": "{} microphone(s)",
    "sources": "{} output(s)",
}


@dataclass(frozen=True)
class Version:
    """A model beside others. model: what it does; None where nothing but its scores is known. artifact: None where it
    is no stream for a board, so has neither size nor step time."""

    label: str
    recipe: str
    model: Model | None = None
    artifact: Artifact | None = None


def check_versions(given: Sequence[str]) -> int:
    """The sample rate of all; `EdgeError` where there is nothing to compare, or they are not of one network."""
    if not 2 <= len(given) <= MOST:
        raise EdgeError(
            f"{len(given)} version(s): expected 2 to {MOST}, the reference first; for one alone: "
            "edge-sdk evaluate MODEL --report DIR"
        )
    if twice := [name for name, count in Counter(given).items() if count > 1]:
        raise EdgeError(f"{twice[0]} is given twice; give different versions")
    reference, *others = models = [describe_model(name, None) for name in given]
    for name, other in zip(given[1:], others, strict=True):
        for key, words in SAME.items():
            ours, theirs = getattr(other, key), getattr(reference, key)
            if ours != theirs:
                said = f"{words.format(ours)}, {given[0]}: {words.format(theirs)}"
                raise EdgeError(f"{name}: {said}; give versions of one network")
    return models[0].sample_rate


def open_versions(given: Sequence[str]) -> list[Version]:
    """The versions, the reference first: checkpoints (exported to float32 here), .tflite files, bundles, shipped names.

    `EdgeError` as `check_versions` has it, and where one cannot be run.
    """
    check_versions(given)
    artifacts = [open_artifact(name) for name in given]
    return [streamed(label, artifact) for label, artifact in zip(labels(given), artifacts, strict=True)]


def streamed(label: str, artifact: Artifact) -> Version:
    """A version as its exported step runs, block by block."""
    separator, m = Separator(artifact.bundle), artifact.manifest
    about = f"{m.recipe}, {separator.interpreter.backend}, block by block"
    model = Model(separator.separate, m.sample_rate, m.mics, m.sources, about, m.mics.__eq__)
    return Version(label, m.recipe, model, artifact)


def open_artifact(given: str) -> Artifact:
    """A checkpoint as its float32 export, which has to pass the parity gate; other models as they are."""
    if given.endswith(".tflite"):
        return read_artifact(Path(given))
    if not given.endswith(".safetensors"):
        bundle = read_bundle(find_model(given))
        return Artifact(bundle.manifest, bundle.model)
    network, about = load_network(Path(given))
    try:
        artifact = export(network, "float32", provenance=about)
    except ValueError as error:
        raise EdgeError(f"{given}: not exported, so nothing that a board can run ({error})") from error
    return recorded(artifact, check(network, artifact))


def labels(given: Sequence[str]) -> list[str]:
    """Short names: of the files, with as many of their folders as it takes to tell them apart."""
    for parts in range(1, 1 + max(len(Path(name).parts) for name in given)):
        short = [str(Path(*Path(name).parts[-parts:]).with_suffix("")) for name in given]
        if len(set(short)) == len(given):
            return short
    return list(given)

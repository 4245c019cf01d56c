"""Anything that separates, scored on a set, by as many processes or machines as there are.

A task names its model and its set by their paths; whoever works on it opens both, once in a process.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_sdk import Separator
from edge_sdk.audio.arrays import MicArray
from edge_sdk.errors import DataError
from edge_sdk.made_for import array_named, array_of, doubt
from models.data.example import Example
from models.evaluation.metrics import METRICS
from models.evaluation.probes import MOST, Probes, probe
from models.evaluation.references import Reference, references
from models.evaluation.scores import Score, Separate, reference_first, score, separate_with
from models.evaluation.sets import open_examples, positions_of
from models.network import Network
from models.spread import spread
from quantization.artifact import read_artifact

log = logging.getLogger(__name__)

FEW = 12  # mixtures that are scored sooner than worker processes start


@dataclass(frozen=True)
class Task:
    """A model on a set: paths, and how to open them. quick: for SI-SDR alone, beside nothing. alone: beside nothing."""

    model: str
    set: Path
    data: Path | None
    cache: Path
    backend: str = "auto"
    quick: bool = False
    alone: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("si_sdr",) if self.quick else tuple(METRICS)


@dataclass(frozen=True)
class Model:
    """A function from mixture to sources, and what it takes and gives; `mics` microphones, or as many as `fits`, best
    those that it was `trained` for."""

    separate: Separate
    sample_rate: int
    mics: int
    sources: int
    about: str
    fits: Callable[[int], bool]
    trained: MicArray | None = None


def score_set(task: Task, workers: int | None = None, cluster: str | None = None) -> list[Score]:
    """The score of every mixture, references included, in the order of the set; see `models.spread.spread`."""
    opened.cache_clear()  # the files may have changed
    model, examples = opened(task)
    check_fits(task, model, examples)
    if workers is None and cluster is None and len(examples) <= FEW:
        workers = 0
    items = [(task, index) for index in range(len(examples))]
    scores = list(spread(score_mixture, items, "evaluating", workers, cluster))
    if not scores:
        raise DataError(f"{task.set}: the evaluation set is empty; its count must be 1 or more")
    return scores


def score_mixture(item: tuple[Task, int]) -> Score:
    """The score of one mixture of a task's set."""
    task, index = item
    model, examples = opened(task)
    example = reference_first(examples[index], reference_of(examples))
    with one_thread():  # so that sums round alike wherever they are done
        return score(
            lambda mixture: outputs(model, mixture, reference_of(examples)),
            example,
            index,
            model.sample_rate,
            task.metrics,
            references=references_of(task, examples),
            positions_m=positions_of(examples.array),
        )


def probe_model(task: Task) -> Probes:
    """What the model does with the set's talkers and noises by themselves, see `models.evaluation.probes`."""
    model, examples = opened(task)
    reference = reference_of(examples)
    some = [reference_first(examples[i], reference) for i in range(min(MOST, len(examples)))]
    with one_thread():
        return probe(lambda mixture: outputs(model, mixture, reference), some, model.sample_rate)


def separated(task: Task, index: int) -> tuple[Example, np.ndarray]:
    """A mixture of the set, its reference microphone first, and the model's outputs, `[S, n]`."""
    model, examples = opened(task)
    example = reference_first(examples[index], reference_of(examples))
    with one_thread():
        return example, outputs(model, example.mixture, reference_of(examples))


def outputs(model: Model, mixture: np.ndarray, reference: int) -> np.ndarray:
    """What the model makes of a mixture whose reference microphone stands first; a model of one gets that alone."""
    if model.mics == 1:
        return model.separate(mixture[:1])
    others = np.delete(mixture, 0, axis=0)
    return model.separate(np.insert(others, reference, mixture[0], axis=0))


def references_of(task: Task, examples: Any) -> dict[str, Reference]:
    """The baselines and ceilings for the mixtures of a set."""
    if task.quick or task.alone:
        return {}
    return references(examples.mics, examples.sources, examples.array is not None)


def reference_of(examples: Any) -> int:
    """The microphone at which a set's targets are defined."""
    return examples.array.reference if examples.array else 0


def check_fits(task: Task, model: Model, examples: Any) -> None:
    """`DataError` where a set is none for this model, and a warning where it is of other microphones."""
    if examples.sources != model.sources or (model.mics > 1 and not model.fits(examples.mics)):
        raise DataError(
            f"{task.set}: mixtures of {examples.sources} sources at {examples.mics} microphone(s), "
            f"{Path(task.model).name} makes {model.sources} of {model.mics}; use a fitting set"
        )
    if examples.array is not None and (line := doubt(Path(task.model).name, model.trained, examples.array)):
        log.warning("%s", line)


@lru_cache(maxsize=1)
def opened(task: Task) -> tuple[Model, Any]:
    """The model and the set of a task."""
    model = open_model(task.model, task.backend)
    return model, open_examples(task.set, task.data, task.cache, model.sample_rate)


def open_model(model: str, backend: str) -> Model:
    """A checkpoint, an exported model or a bundle, the latter two as the stream that runs on a board."""
    if model.endswith(".safetensors"):
        from models.checkpoint import load_network

        network, origin = load_network(Path(model))
        config = network.config
        about = "float32 network, torch"
        return Model(
            separate_with(network),
            config.sample_rate,
            network.mics,
            config.sources,
            about,
            partial(takes, network),
            array_named(str(origin.get("array", "any")), network.mics),
        )
    if model.endswith(".tflite"):
        separator = Separator(read_artifact(Path(model)).bundle, backend=backend)
    else:
        separator = Separator.open(model, backend=backend)
    about = f"{separator.manifest.recipe}, {separator.interpreter.backend}, block by block"
    mics = separator.mics
    trained = array_of(separator.manifest)
    return Model(separator.separate, separator.sample_rate, mics, separator.sources, about, mics.__eq__, trained)


def takes(network: Network, mics: int) -> bool:
    """Whether a network separates mixtures of so many microphones; some take fewer than they declare."""
    try:
        network.with_mics(mics)
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch works in this thread alone for as long as this lasts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""Fine-tuning of a prepared network by the loop that trains all others, in a run folder of its own."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch

from edge_sdk.errors import CheckpointError, DataError, RecipeError
from models.checkpoint import load_network
from models.data.mixing import Mixtures
from models.network import Network
from models.recipe import FitConfig, load_recipe
from models.runs import Pairs, check_mics, default_cache, load_data
from models.training.fitting import NETWORK, STATE, fit
from models.training.folder import locked
from models.training.provenance import commit, describe_session, keep_provenance, sha256_of
from models.training.trainer import Trainer
from quantization.calibration import Calibration, calibrate, calibration_from_plain
from quantization.export import export
from quantization.layers import graph_layers
from quantization.qat.prepare import fold_batch_norms, prepare
from quantization.recipes import Overrides, precisions
from quantization.step_graph import step_graph


@dataclass(frozen=True)
class Tuning:
    """What is fine-tuned, and how: steps and learning rate far below those of a training, the rest as its recipe says.

    percentile: of the ranges that fixed scales are made of, see `calibrate`.
    """

    checkpoint: Path
    recipe: str
    overrides: Overrides = ()
    steps: int = 500
    learning_rate: float = 1e-4
    percentile: float = 100.0

    def fit(self, config: FitConfig) -> FitConfig:
        """The training recipe's `[fit]`, for this."""
        return replace(
            config,
            start="",
            steps=self.steps,
            learning_rate=self.learning_rate,
            filterbank_rate=min(config.filterbank_rate, self.learning_rate),
            warmup=min(config.warmup, self.steps // 10),
            decay_from=0.5,
            average=0.99,  # the last hundred steps: there are few
            precision="float32",  # bfloat16 would round what is rounded already
            compile=False,
            dev_every=max(1, self.steps // 5),
            checkpoint_every=max(1, self.steps // 5),
            patience=0,
        )


@dataclass(frozen=True)
class Tuned:
    """What came out: the network in float, the limits its fixed scales were trained with, and how it went.

    entry: the last of the log. dev, reference: the recipe's development set, and the microphone of its targets.
    """

    network: Network
    calibration: Calibration | None
    dev: Pairs
    reference: int
    entry: dict[str, Any]


def fine_tune(
    tuning: Tuning,
    training: Path,
    data: Path,
    run: Path,
    cache: Path | None = None,
    max_minutes: float = math.inf,
    force: bool = False,
) -> Tuned:
    """Fine-tune a checkpoint for a recipe on the mixtures of a training recipe; goes on where the run folder stopped.

    The checkpoint that is kept does best on the `[dev]` set with everything rounded. force: go on although what the run
    was made of changed.
    """
    recipe, (network, about) = load_recipe(training), load_network(tuning.checkpoint)
    if recipe.dev.mix.sources != network.config.sources:
        raise RecipeError(
            f"{training}: {recipe.dev.mix.sources} sources, {tuning.checkpoint} makes {network.config.sources}"
        )
    recipe = replace(recipe, network=network.config)
    try:
        mixtures, dev = load_data(recipe, data, cache or default_cache())
        check_mics(network, mixtures, recipe)
        run.mkdir(parents=True, exist_ok=True)
        with locked(run):
            origin = keep_identity(tuning, training, run, force)
            fold_batch_norms(network)
            calibration = fixed_scales(tuning, network, mixtures)
            prepare(network, tuning.recipe, tuning.overrides, calibration)
            random.seed(recipe.seed)
            torch.manual_seed(recipe.seed)
            described = {**about, "commit": commit(), "start": origin, "quantization": describe(tuning, calibration)}
            entry = fit(Trainer(network, tuning.fit(recipe.fit)), mixtures, dev, run, described, max_minutes)
        return Tuned(load_network(run / NETWORK)[0], calibration, dev, mixtures.reference, entry)
    except OSError as error:
        raise DataError(f"{error.filename or run}: {error.strerror}; free space or choose another --run") from error


def keep_identity(tuning: Tuning, training: Path, run: Path, force: bool) -> dict[str, str]:
    """Write down what the run is made of, and the checkpoint alone; `RecipeError` where it was begun otherwise."""
    origin = {"from": tuning.checkpoint.name, "sha256": sha256_of(tuning.checkpoint)}
    made_of = {**asdict(tuning), "checkpoint": origin, "overrides": [list(pair) for pair in tuning.overrides]}
    session = describe_session(training.read_text(encoding="utf-8"), torch.device("cpu"), 1)
    identity = {"training": sha256_of(training), **made_of}
    keep_provenance(run, identity, session, (run / STATE).exists(), force)
    return origin


def fixed_scales(tuning: Tuning, network: Network, mixtures: Mixtures) -> Calibration | None:
    """The limits of activations for recipes that fix them, along the first mixtures of the training."""
    chosen, _ = precisions(graph_layers(step_graph(network, 1)), tuning.recipe, tuning.overrides)
    if not any(precision.static for precision in chosen.values()):
        return None
    numbered = ((f"mixture {i} of the training", mixtures[i][0]) for i in count())
    return calibrate(export(network, "calibration"), numbered, tuning.percentile)


def describe(tuning: Tuning, calibration: Calibration | None) -> dict[str, Any]:
    """What the header of the checkpoint says: enough to quantize it as it was trained to be."""
    overrides = [list(pair) for pair in tuning.overrides]
    return {
        "recipe": tuning.recipe,
        "overrides": overrides,
        "calibration": calibration.to_plain() if calibration else None,
    }


@dataclass(frozen=True)
class TrainedFor:
    """What a checkpoint was fine-tuned for. about: of its header, what a manifest should keep."""

    recipe: str
    overrides: Overrides
    calibration: Calibration | None
    about: dict[str, Any]


def trained_for(about: dict[str, Any], where: Path) -> TrainedFor | None:
    """What the header of a checkpoint says of its quantization, if it was fine-tuned for any."""
    kept = about.get("quantization")
    if kept is None:
        return None
    try:
        ranges, overrides = kept["calibration"], tuple((layers, recipe) for layers, recipe in kept["overrides"])
        calibration = calibration_from_plain(ranges, str(where)) if ranges else None
        rest = {**about, "quantization": {"trained_for": kept["recipe"]}}
        return TrainedFor(kept["recipe"], overrides, calibration, rest)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{where}: what it was fine-tuned for is damaged ({error}); fine-tune it again"
        ) from error

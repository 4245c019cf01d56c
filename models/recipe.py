"""Recipes: TOML files that say what is trained, on what, and how, so that a run can be repeated."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_sdk.contract import NAME, from_plain
from edge_sdk.errors import RecipeError
from models.data.mixing import MixConfig
from models.tasnet import TasNetConfig
from models.zoo import NetworkConfig, config_from_dict, preset

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


LOSSES = ("si-sdr", "snr", "phase-sensitive")
SILENT = ("", "quiet", "mixture")
PARTS = ("", "filterbank", "separator")


@dataclass(frozen=True)
class DataConfig:
    """Folders below the data root, and how often sub-folders are drawn relative to their minutes.

    rooms: folders of stored room impulse responses, below the data root too or anywhere by their whole path.
    """

    speech: tuple[str, ...]
    noise: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bad := [prefix for prefix, weight in self.weights.items() if not 0 < weight < math.inf]:
            raise ValueError(f"weights: {bad[0]} = {self.weights[bad[0]]}: expected positive numbers")


@dataclass(frozen=True)
class SetConfig:
    """A frozen evaluation set: the first `count` mixtures of a seed."""

    data: DataConfig
    mix: MixConfig
    seed: int = 0
    count: int = 48

    def __post_init__(self) -> None:
        if self.seed < 0 or self.count < 1:
            raise ValueError(f"seed {self.seed}, count {self.count}: expected a seed from 0 and a count from 1 on")


@dataclass(frozen=True)
class LossConfig:
    """What training makes small for every signal, under the best assignment of outputs to talkers.

    kind: negative `si-sdr` or `snr`, or the `phase-sensitive` spectral distance.
    spectral_weight: of the distance of compressed spectra beside that; it also fixes the level that SI-SDR leaves open.
    ceiling_db: the ratio beyond which there is little to win; `inf` without one.
    silent: what an output without a talker is to learn: `quiet`, or a copy of the `mixture`, by which
    `models.objectives.talking` finds it; empty where every mixture has all its talkers.
    """

    kind: str = "si-sdr"
    spectral_weight: float = 5.0
    ceiling_db: float = math.inf
    silent: str = ""

    def __post_init__(self) -> None:
        for name, values in (("kind", LOSSES), ("silent", SILENT)):
            if getattr(self, name) not in values:
                expected = ", ".join(map(repr, values))
                raise ValueError(f"loss.{name} = {getattr(self, name)!r}: expected one of {expected}")
        if not 0 <= self.spectral_weight < math.inf:
            raise ValueError(f"loss.spectral_weight = {self.spectral_weight}: expected a number from 0 on")
        if not self.ceiling_db > 0:
            raise ValueError(f"loss.ceiling_db = {self.ceiling_db}: expected a ratio above 0 dB, or inf")
        if self.kind == "phase-sensitive" and self.ceiling_db < math.inf:
            raise ValueError("loss.ceiling_db with kind 'phase-sensitive', which is no ratio: leave it out")
        if self.silent == "quiet" and (self.ceiling_db == math.inf or self.kind == "phase-sensitive"):
            raise ValueError("loss.silent = 'quiet' is measured on the scale of a ratio: give ceiling_db, such as 30.0")


@dataclass(frozen=True)
class FitConfig:
    """How the network is fitted.

    start: a checkpoint whose weights are the first ones, for fine-tuning: a file, a run folder, or the name of one in
    `runs` or `checkpoints`. start_part: what is taken of it where not all, the `separator` or the `filterbank`.
    patience: stop after so many evaluations in a row without a better one; 0: never.
    suited: of a network of two views, the share of batches in which each view gets the mixtures whose talkers it can
    order better than the other view can, see `models.training.views`.
    part: what of a TasNet is fitted: all of it, or for two-step training the `filterbank` alone, and in a training that
    starts with it the `separator` alone, see `models.training.two_step`.
    """

    steps: int = 1000
    batch: int = 8  # mixtures of a step, over all processes together
    start: str = ""
    start_part: str = ""
    part: str = ""
    optimizer: str = "adamw"  # or muon, see `models.training.optimizers`
    learning_rate: float = 1e-3
    filterbank_rate: float = 1e-3  # of the encoder and decoder; 0 keeps them as they start
    weight_decay: float = 0.01
    warmup: int = 200  # steps until the full learning rate
    decay_from: float = 0.6  # share of the steps after which the learning rate falls to zero as a cosine
    clip: float = 5.0  # largest norm of the gradient
    suited: float = 0.0
    average: float = 0.999  # decay of the running average of the weights, which is what is kept
    loss: LossConfig = field(default_factory=LossConfig)
    precision: str = "float32"  # or bfloat16, for processors and cards that multiply it natively
    compile: bool = False  # torch.compile; needs a C++ compiler on a CPU
    workers: int = 1  # processes that mix, for each process that trains
    checkpoint_every: int = 200
    dev_every: int = 1000
    patience: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.checkpoint_every, self.dev_every) < 1:
            raise ValueError("steps, batch, checkpoint_every and dev_every must be positive")
        if min(self.warmup, self.workers, self.patience) < 0:
            raise ValueError("warmup, workers and patience must not be negative")
        rates = (self.filterbank_rate, self.weight_decay)
        if not all(0 < rate < math.inf for rate in (self.learning_rate, self.clip)):
            raise ValueError("learning_rate and clip must be positive numbers")
        if not all(0 <= rate < math.inf for rate in rates):
            raise ValueError("filterbank_rate and weight_decay must be numbers from 0 on")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision {self.precision!r}: expected float32 or bfloat16")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"optimizer {self.optimizer!r}: expected adamw or muon")
        for name in ("part", "start_part"):
            if getattr(self, name) not in PARTS:
                raise ValueError(f"{name} {getattr(self, name)!r}: expected one of {', '.join(map(repr, PARTS))}")
        if self.part == "separator" and not self.start:
            raise ValueError("part 'separator' of a network whose filterbank nobody trained: give start = CHECKPOINT")
        if not (0 <= self.decay_from <= 1 and 0 <= self.suited <= 1 and 0 <= self.average < 1):
            raise ValueError("decay_from, suited and average are shares: expected 0 to 1")


@dataclass(frozen=True)
class DistillConfig:
    """A teacher to imitate (Hinton et al., 2015): a network of the same sources, microphones and rate.

    teacher: its checkpoint, found like `start`. weight: share of the loss that is the distance to its outputs.
    """

    teacher: str
    weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError(f"distill.weight = {self.weight}: expected a share above 0, at most 1")


@dataclass(frozen=True)
class Recipe:
    """One training: network, data, mixtures, fit, and the set it is watched on."""

    name: str
    network: NetworkConfig
    data: DataConfig
    mix: MixConfig
    fit: FitConfig
    dev: SetConfig
    distill: DistillConfig | None = None
    seed: int = 1

    @property
    def views(self) -> int:
        """In how many orders of the microphones the network looks at an array."""
        return getattr(self.network, "views", 1)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: expected small letters, digits, '.', '_' and '-', at most 64")
        if self.seed < 0:
            raise ValueError(f"seed {self.seed}: expected a number from 0 on")
        if {self.mix.sources, self.dev.mix.sources} != {self.network.sources}:
            raise ValueError(
                f"a network of {self.network.sources} sources needs mix.sources and dev.mix.sources equal to that"
            )
        if self.fit.part and (not has_shares(self.network) or self.distill):
            raise ValueError(
                f"fit.part = {self.fit.part!r}: expected a TasNet of one microphone whose mask is sigmoid or relu, and "
                "no [distill]; leave it out to train everything at once"
            )
        if self.views > 1 and (self.distill or self.fit.batch % self.views):
            raise ValueError(
                f"fit.batch = {self.fit.batch} for a network of {self.views} views: expected a multiple, for "
                "equal shares, and no [distill]"
            )
        if self.fit.suited and self.views != 2:
            raise ValueError(f"fit.suited = {self.fit.suited:g} is for networks of two views; leave it out")
        if self.mix.augment.noise_only and not self.fit.loss.silent:
            raise ValueError(
                f"mix.augment.noise_only = {self.mix.augment.noise_only}: silent targets have no ratio; "
                "give fit.loss.silent = 'quiet' with a ceiling_db, or 'mixture'"
            )


def has_shares(config: NetworkConfig) -> bool:
    """Whether a network masks coefficients of which each source can have a share."""
    return isinstance(config, TasNetConfig) and config.mask != "complex" and config.spatial is None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; `RecipeError` where it is missing or malformed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not a readable TOML file ({error})") from error


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; `[network]` is `preset = NAME` or the whole configuration."""
    tables = read_toml(path)
    try:
        network = tables.get("network", {})
        config = preset(network["preset"]) if set(network) == {"preset"} else config_from_dict(network)
        return from_plain(Recipe, {**tables, "network": config})
    except (TypeError, ValueError, KeyError) as error:
        raise RecipeError(f"{path}: {error}") from error


def load_set(path: Path) -> SetConfig:
    """The evaluation set of a recipe file: its `[dev]` table."""
    try:
        return from_plain(SetConfig, read_toml(path).get("dev", {}))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: [dev]: {error}") from error

"""One step of training, whatever the network, the objective and the hardware; and the state that makes it exact.

Everything the next step depends on is in the state: weights, their running average, the optimizer's moments and the
step number. Mixtures are numbered, so data needs no state.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from edge_sdk.errors import CheckpointError
from models.checkpoint import FORMAT, first_line, load_tensors, save_tensors, with_prefix
from models.data.mixing import Mixtures
from models.network import Network
from models.recipe import FitConfig
from models.training.averaging import RunningAverage
from models.training.development import gain
from models.training.losses import Objective, Separation
from models.training.optimizers import MOMENTS, make_optimizers
from models.training.schedule import rate_factor
from models.zoo import config_to_dict

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

Tensors = dict[str, Tensor]


class Trainer:
    """A network, its averaged twin and its optimizer; `step` turns a batch into a loss.

    The network may be any that has `delay` and `config`, one that was pruned or prepared for quantization too.
    fabric: see `models.training.fabric.make_fabric`, launched before if it is of several processes; without it, this
    process on the CPU. objective: without it, the loss of the configuration. module: what is run in training, where
    that is not the network itself; a subclass that gives one says in `losses` how.
    """

    def __init__(
        self,
        network: Network,
        config: FitConfig,
        fabric: Fabric | None = None,
        objective: Objective | None = None,
        module: nn.Module | None = None,
    ) -> None:
        if fabric is None:
            from models.training.fabric import make_fabric

            fabric = make_fabric(precision=config.precision)
        self.config, self.fabric, self.network = config, fabric, network.train()
        self.objective = objective or Separation(config.loss, network.reference)
        fabric.to_device(network)
        self.average = RunningAverage(network, config.average)
        self.optimizers = make_optimizers(network, config)
        self.rates = [group["lr"] for group in self.groups]
        module = module or network
        module = compiled(module, fabric.device) if config.compile else module
        # As Fabric wraps them: gradients averaged over processes, and precision.
        self.forward, *self.shared_optimizers = fabric.setup(module, *self.optimizers)
        self.statistics = running_statistics(network) if fabric.world_size > 1 else []
        self.done = 0

    def step(self, mixture: Tensor, sources: Tensor) -> float:
        """One update; the loss of the batch over all processes. Mixture `[B, M, n]`, sources `[B, S, n]`."""
        self.set_rates()
        mixture, sources = self.fabric.to_device((mixture, sources))
        loss = self.losses(mixture, sources).mean()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        for statistic in self.statistics:
            statistic.copy_(self.over_processes(statistic))
        if torch.isfinite(norm):  # a batch that overflows is skipped; the averaged loss shows it
            for optimizer in self.shared_optimizers:
                optimizer.step()
            self.average.update(self.network, self.done)
        self.done += 1
        return float(self.over_processes(loss.detach()))

    def losses(self, mixture: Tensor, sources: Tensor) -> Tensor:
        """What is to be made small, `[B]`."""
        return self.objective(self.forward(mixture), mixture, sources, self.network.delay)

    def gain(self, mixture: np.ndarray, sources: np.ndarray, reference: int) -> float:
        """Improvement of one mixture `[M, n]` of a development set by the averaged network, in dB."""
        return gain(self.average.network, mixture, sources, reference)

    def loaded(self, mixtures: Mixtures) -> Any:
        """What the loader of batches takes mixtures from."""
        return mixtures

    def over_processes(self, x: Tensor) -> Tensor:
        """The mean of what all processes have."""
        mean: Tensor = self.fabric.all_reduce(x, reduce_op="mean")  # type: ignore[assignment]
        return mean

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Parameters with what their optimizer does with them."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @property
    def learning_rate(self) -> float:
        """That of the last step, where a recipe's `learning_rate` is meant."""
        rate: float = self.groups[0]["lr"]
        return rate

    def set_rates(self) -> None:
        """The learning rates of the step to come."""
        factor = rate_factor(self.done, self.config.steps, self.config.warmup, self.config.decay_from)
        for group, rate in zip(self.groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Everything `set_state` needs to go on as if nothing had happened: tensors and a header."""
        tensors = {f"network.{n}": t for n, t in self.network.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self.average.network.state_dict().items()}
        names = {parameter: name for name, parameter in self.network.named_parameters()}
        for optimizer in self.optimizers:
            for parameter, moments in optimizer.state.items():
                tensors |= {f"optimizer.{moment}.{names[parameter]}": value for moment, value in moments.items()}
        config = config_to_dict(self.network.config)
        return tensors, {"format": FORMAT, "kind": "state", "config": config, "step": self.done}

    def set_state(self, tensors: Tensors, header: dict[str, Any], path: Path) -> None:
        """Go on from a state that was read from `path`."""
        try:
            self.network.load_state_dict(with_prefix(tensors, "network."))
            self.average.network.load_state_dict(with_prefix(tensors, "average."))
            self.done = int(header["step"])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: not a state of this training ({first_line(error)})") from error
        names = {parameter: name for name, parameter in self.network.named_parameters()}
        for optimizer in self.optimizers:
            for parameter in (p for group in optimizer.param_groups for p in group["params"]):
                moments = {m: tensors.get(f"optimizer.{m}.{names[parameter]}") for m in MOMENTS[type(optimizer)]}
                if None not in moments.values():
                    optimizer.state[parameter] = {
                        m: x if m == "step" else x.to(parameter.device) for m, x in moments.items()
                    }

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Write the state, and what else belongs into its header."""
        tensors, header = self.state()
        save_tensors(path, tensors, {**header, **about})

    def load(self, path: Path) -> dict[str, Any]:
        """Continue from a state file that the main process reads; what its header holds."""
        read = load_tensors(path) if self.fabric.is_global_zero else ({}, {})
        tensors, header = self.fabric.broadcast(read)
        self.set_state(tensors, header, path)
        return header


def compiled(network: nn.Module, device: torch.device) -> Any:
    """The network compiled, or as it is where there is no compiler to do it."""
    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        log.warning("no C++ compiler, so training is not compiled and runs slower; apt-get install g++")
        return network
    return torch.compile(network)


def running_statistics(network: nn.Module) -> list[Tensor]:
    """What batch norms remember. Each process normalizes by its own part of a batch, but all remember the same."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return [t for norm in norms for t in (norm.running_mean, norm.running_var) if t is not None]

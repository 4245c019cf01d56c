"""What a training runs on: a CPU, a GPU, or several processes on several nodes, by the same code (Lightning Fabric)."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.utilities.rank_zero import rank_zero_only

from edge_sdk.errors import EdgeError
from models.checkpoint import first_line

# How Fabric lets processes share a batch. The last is for networks with parameters that some batches do not reach.
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
PR_SET_PDEATHSIG = 1  # linux/prctl.h: the signal that a process gets when its parent dies


@dataclass(frozen=True)
class Hardware:
    """Devices to train on.

    device: `cpu`, `cuda`, or one that torch has here (`cuda:1`, `mps`). devices: of this kind on every node, one
    process each. nodes: machines that run the same command, told apart by the environment (`MASTER_ADDR`,
    `MASTER_PORT`, `NODE_RANK`, or what SLURM and torchrun set). None: as many as torchrun started, one without it, as
    in `torchrun --nproc-per-node 8 -m -- edge_sdk.cli train RECIPE --data DIR --device cuda`.
    """

    device: str = "cpu"
    devices: int | None = None
    nodes: int | None = None
    strategy: str = "auto"


class InnerPrecision(MixedPrecision):
    """bfloat16 inside the network, float32 samples at both ends.

    Fabric's own plugin also rounds the mixture; eight significant bits would be noise 50 dB below it.
    """

    def convert_input(self, data: Any) -> Any:
        return data


def make_fabric(hardware: Hardware | None = None, precision: str = "float32") -> Fabric:
    """A Fabric for that hardware, its processes not started yet; `EdgeError` where it is not there."""
    hardware = with_environment(hardware or Hardware())
    kind, _, index = hardware.device.partition(":")
    devices, nodes = hardware.devices or 1, hardware.nodes or 1
    check_device(hardware.device, devices)
    if index and devices > 1:
        raise EdgeError(
            f"--device {hardware.device} --devices {devices}: one device by its number, or several of {kind}"
        )
    plugin = InnerPrecision("bf16-mixed", kind) if precision == "bfloat16" else Precision()
    wanted: Any = [int(index)] if index and kind != "cpu" else devices
    try:
        return Fabric(accelerator=kind, devices=wanted, num_nodes=nodes, strategy=hardware.strategy, plugins=[plugin])
    except (ValueError, RuntimeError) as error:
        raise EdgeError(f"--device {kind} --devices {devices} --nodes {nodes}: {first_line(error)}") from error


def with_environment(hardware: Hardware) -> Hardware:
    """The hardware with what torchrun says filled in; `EdgeError` for what cannot be meant."""
    for flag, count in (("--devices", hardware.devices), ("--nodes", hardware.nodes)):
        if count is not None and count < 1:
            raise EdgeError(f"{flag} {count}: expected 1 or more")
    if hardware.strategy not in STRATEGIES:
        raise EdgeError(f"--strategy {hardware.strategy}: expected one of {', '.join(STRATEGIES)}")
    if not torch.distributed.is_torchelastic_launched():
        return hardware
    devices = int(os.environ["LOCAL_WORLD_SIZE"])
    nodes = int(os.environ["WORLD_SIZE"]) // devices
    if hardware.devices not in (None, devices) or hardware.nodes not in (None, nodes):
        raise EdgeError(
            f"--devices {hardware.devices} --nodes {hardware.nodes}: torchrun started {devices} processes on each of "
            f"{nodes} nodes; leave both out"
        )
    return Hardware(hardware.device, devices, nodes, hardware.strategy)


def check_device(device: str, devices: int) -> None:
    """`EdgeError` where torch cannot use it. CUDA devices are counted, not touched: that takes memory on them."""
    kind, _, index = device.partition(":")
    try:
        if kind != "cuda":
            torch.empty(0, device=device)
        elif torch.cuda.device_count() < (torch.device(device).index + 1 if index else devices):
            raise RuntimeError(f"this machine has {torch.cuda.device_count()} CUDA devices")
    except (RuntimeError, AssertionError, ValueError) as error:
        raise EdgeError(
            f"--device {device}: {first_line(error)}; expected cpu, or a device that torch has here"
        ) from error


@contextlib.contextmanager
def launched(fabric: Fabric) -> Iterator[None]:
    """All processes of a training, from their start to their end.

    Fabric starts the command that runs once more for every further device. When one process fails, all end; the next
    run goes on from the last checkpoint.
    """
    children = getattr(fabric.strategy.launcher, "procs", [])
    if fabric.local_rank > 0 and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a GPU is not held by those whom nobody waits for
    try:
        fabric.launch()
        yield
        if torch.distributed.is_initialized():
            fabric.barrier()
            outlive_wrappers(torch.distributed.group.WORLD)
            torch.distributed.destroy_process_group()
        for child in children:
            child.wait()
    except RuntimeError as error:
        if fabric.world_size > 1 and is_lost_peer(error):
            raise EdgeError(
                f"process {fabric.global_rank} of {fabric.world_size} lost another one, which says why; start again to "
                "go on from the last checkpoint"
            ) from error
        raise
    finally:
        for child in children:
            child.kill()  # nothing to those that have ended


def outlive_wrappers(group: object) -> None:
    """Keep a process group until the interpreter ends.

    The last to hold one waits for gloo's threads. They may need the interpreter to let go of a tensor: a wrapped
    network that is the last holds it while it waits, for ever; Python's own object for the group does not.
    """
    groups = [group]
    atexit.register(groups.clear)


def is_lost_peer(error: RuntimeError) -> bool:
    """Whether that is what torch raises where the process at the other end is gone."""
    if isinstance(error, torch.distributed.DistError):
        return True
    return any(sign in str(error) for sign in ("Connection closed by peer", "Connection reset by peer", "gloo"))


def is_main_process() -> bool:
    """Whether this process speaks for all."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0

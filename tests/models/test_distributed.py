"""Several processes train as one does: the same code path as several GPUs, over gloo on a CPU."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from models.zoo import PRESETS, build, preset
from tests.models.recordings import write_recipe
from tests.models.test_training import entries, run, saved_step, scalars, weights

# The mean over four mixtures, or of two means over two: float32 rounds them differently, and twenty steps of Adam make
# up to 6e-8 of that in the weights and 1e-6 in the losses.
TOLERANCE = 1e-5


def command(recipe: Path, data: Path, folder: Path, *words: object) -> list[str]:
    """The arguments of Python for a training."""
    words = ("--data", data, "--run", folder, "--cache", folder.parent / "cache", *words)
    return ["-m", "edge_sdk.cli", "train", str(recipe), *map(str, words)]


def environment(**variables: object) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **{name: str(value) for name, value in variables.items()}}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def started(words: list[str], **variables: object) -> Iterator[subprocess.Popen[str]]:
    """A process whose group does not outlive the test."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    process = subprocess.Popen([sys.executable, *words], env=environment(**variables), text=True, **pipes)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def other_rank(process: int) -> int:
    """The process that trains beside one, which started it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == process and b"LOCAL_RANK=1" in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
    raise AssertionError("there is no other process")


def wait_for(condition: Callable[[], object], seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_same_training(one: Path, other: Path) -> None:
    for ours, theirs in zip(entries(one), entries(other), strict=True):
        assert ours == pytest.approx(theirs, abs=TOLERANCE)
    ours, theirs = weights(one), weights(other)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=TOLERANCE)


def test_two_processes_train_as_one_with_the_joined_batch(corpus_root: Path, tmp_path: Path) -> None:
    """Started by the command itself, from a cold cache."""
    recipe = write_recipe(tmp_path / "tiny.toml", steps=20)
    run(recipe, corpus_root, tmp_path / "one")
    words = command(recipe, corpus_root, tmp_path / "new/two", "--devices", 2, "--json")
    ended = subprocess.run([sys.executable, *words], env=environment(), capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["step"] == 20, "one result, printed once"
    assert_same_training(tmp_path / "one", tmp_path / "new/two")
    assert [step for step, _ in scalars(tmp_path / "new/two", "loss")] == [10, 20]
    (session,) = json.loads((tmp_path / "new/two/run.json").read_text())["sessions"]
    assert session["machine"]["processes"] == 2


LETTING_GO = """
import sys
import torch
from lightning_fabric import Fabric
from models.training.fabric import launched

fabric = Fabric(accelerator="cpu", devices=1, strategy="ddp")
network = torch.nn.Linear(1, 1)
with launched(fabric):
    wrapped = fabric.setup(network, torch.optim.SGD(network.parameters(), 0.1))
    group = torch.distributed.group.WORLD
sys.setswitchinterval(1000)  # gloo's threads do not get the interpreter before the main thread waits for something
for _ in range(100):
    group.allreduce([torch.ones(1)])  # only they hold these tensors, and need the interpreter to let go of them
del group
del wrapped, fabric
print("ended")
"""


def test_a_process_that_lets_go_of_its_network_does_not_wait_for_gloo_for_ever() -> None:
    ended = subprocess.run([sys.executable, "-c", LETTING_GO], capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "ended"), ended.stderr


@pytest.mark.parametrize("name", PRESETS)
def test_every_parameter_of_a_preset_gets_a_gradient_from_every_batch(name: str) -> None:
    """What `ddp` needs: it waits for the gradients of all processes. Half a second is longer than a segment of SkiM."""
    network = build(preset(name))
    network(0.1 * torch.randn(2, network.mics, network.config.sample_rate // 2)).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.slow
def test_what_one_process_began_two_go_on_with_under_torchrun(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=20)
    run(recipe, corpus_root, tmp_path / "one")
    run(recipe, corpus_root, tmp_path / "two", max_minutes=0)
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port()), "-m", "--"]
    words = [sys.executable, *torchrun, *command(recipe, corpus_root, tmp_path / "two", "--json")[1:]]
    ended = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["step"] == 20
    assert weights(tmp_path / "two").keys() == weights(tmp_path / "one").keys()
    for name, tensor in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "two")[name], tensor, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_two_nodes_train_as_one_machine(corpus_root: Path, tmp_path: Path) -> None:
    """Two commands on this machine, told apart as on two: by the environment. The second has no run folder."""
    recipe = write_recipe(tmp_path / "tiny.toml", steps=20)
    run(recipe, corpus_root, tmp_path / "one")
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    words = [command(recipe, corpus_root, tmp_path / f"node{rank}", "--nodes", 2, "--json") for rank in range(2)]
    with started(words[0], NODE_RANK=0, **where) as first, started(words[1], NODE_RANK=1, **where) as second:
        printed = [node.communicate(timeout=200)[0] for node in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert json.loads(printed[0])["step"] == 20 and not printed[1]
    assert_same_training(tmp_path / "one", tmp_path / "node0")
    assert not (tmp_path / "node1").exists()


@pytest.mark.slow
def test_when_one_process_is_killed_all_end_and_the_next_run_goes_on(corpus_root: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "tiny.toml", steps=3000)
    words = command(recipe, corpus_root, tmp_path / "run", "--devices", 2)
    for victim in ("child", "parent"):
        step = saved_step(tmp_path / "run")
        with started(words) as process:
            wait_for(lambda step=step: saved_step(tmp_path / "run") > step)
            child = other_rank(process.pid)
            os.kill(child if victim == "child" else process.pid, signal.SIGKILL)
            wait_for(lambda child=child: not Path(f"/proc/{child}").exists())
            message = process.communicate(timeout=100)[1]
        if victim == "child":
            assert process.returncode == 1
            assert "process 0 of 2 lost another one" in message and "Traceback" not in message
    assert saved_step(tmp_path / "run") < 3000, "the kills came too late to test anything"

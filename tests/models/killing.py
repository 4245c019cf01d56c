"""Trainings in processes of their own that start fast, so that they can be killed often."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# Imports once, then forks for every training: a kill costs the training, not seconds of importing.
PARENT = """
import json, os, sys
from pathlib import Path
import lightning_fabric.loggers, torch.utils.tensorboard
import models.training.folder, models.runs
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.setsid()
        recipe, data, run, cache = map(Path, json.loads(line))
        models.runs.train(recipe, data, run, cache)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Trainings:
    """Starts one training after the other; `run` lets it finish, or kills it with its worker processes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(
        self, recipe: Path, data: Path, folder: Path, cache: Path, kill_when: Callable[[], bool] | None = None
    ) -> bool:
        """Whether it ended by itself, and well; killed as soon as `kill_when()` says so."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(p) for p in (recipe, data, folder, cache)]) + "\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        if kill_when is not None:
            while not kill_when() and not Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].startswith(" Z"):
                time.sleep(0.002)
            with contextlib.suppress(ProcessLookupError):  # it was faster, or has not made its group yet
                os.killpg(child, signal.SIGKILL)
        return int(self.process.stdout.readline()) == 0


@contextlib.contextmanager
def trainings() -> Iterator[Trainings]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # no threads before the forks
    )
    try:
        yield Trainings(process)
    finally:
        process.kill()
        process.wait()

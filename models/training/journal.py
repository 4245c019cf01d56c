"""The log of a run: a line of JSON for every entry, and the same numbers for TensorBoard."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_sdk.contract import write_file

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

LINES = "log.jsonl"
BOARD = "tensorboard"  # folder of event files


class Journal:
    """What was written up to step `done` stays; later entries are forgotten, because those steps are done again.

    Only the main process writes.
    """

    def __init__(self, run: Path, done: int, fabric: Fabric) -> None:
        self.path, self.last, self.board = run / LINES, {"step": done}, None
        if fabric.is_global_zero:
            from lightning_fabric.loggers.tensorboard import TensorBoardLogger

            self.last = keep_until(self.path, done)
            let_a_second_pass(run / BOARD)
            # TensorBoard drops what it read of steps from purge_step on.
            self.board = TensorBoardLogger(run, name="", version=BOARD, purge_step=done + 1)

    def write(self, entry: dict[str, Any]) -> None:
        """Add an entry; it is on disk when this returns."""
        self.last = entry
        if self.board is None:
            return
        with self.path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry) + "\n")
        self.board.log_metrics({name: value for name, value in entry.items() if name != "step"}, entry["step"])
        self.board.save()
        log.info("%s", entry)

    def close(self) -> None:
        if self.board is not None:
            self.board.finalize("success")


def keep_until(path: Path, step: int) -> dict[str, Any]:
    """The last entry up to a step, the later ones and a broken last line removed."""
    if not path.exists():
        return {"step": step}
    lines = [line for line in path.read_text().splitlines() if line.endswith("}") and json.loads(line)["step"] <= step]
    write_file(path, "".join(line + "\n" for line in lines).encode())
    return json.loads(lines[-1]) if lines else {"step": step}


def let_a_second_pass(board: Path) -> None:
    """Wait until a new event file has a later name than those that are there, at most a second.

    TensorBoard reads them in the order of their names: whole seconds, host, process. Of two that began in one second,
    the later one can be read first, and what it wrote is dropped when the earlier one is.
    """
    began = [int(path.name.split(".")[3]) for path in board.glob("events.out.tfevents.*")]
    time.sleep(min(max(0.0, max(began, default=0) + 1 - time.time()), 1.0))


@contextlib.contextmanager
def progress(total: int, done: int, fabric: Fabric) -> Iterator[Callable[[int, float], None]]:
    """A bar with the loss where there is a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    show = console.is_terminal and fabric.is_global_zero
    with Progress(*columns, console=console, transient=True, disable=not show) as bar:
        task = bar.add_task("training", total=total, completed=done)
        yield lambda step, loss: bar.update(task, completed=step, description=f"loss {loss:6.2f}")

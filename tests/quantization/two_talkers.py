"""A few seconds of two talkers at 8 kHz, and a network for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from models.tasnet import TasNet
from tests.conftest import small_network
from tests.models.recordings import write_recipe


def write_two_talkers(path: Path) -> Path:
    """A recipe whose set is a few seconds of two talkers."""
    head, dev = write_recipe(path, sources=2).read_text().split("[dev]\n")
    path.write_text(head + "[dev]\n" + dev.replace("seconds = 0.5", "seconds = 1.5"))
    return path


def network_at_8_khz() -> TasNet:
    """At that rate there is no PESQ-WB, which takes most of the time."""
    made = small_network("carry")
    made.config = replace(made.config, sample_rate=8_000)
    return made

"""What the README tells people to type is what there is."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.cli import parser

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.replace("\\\n", "") for block in README.split("```")[1::2]]
COMMANDS = [line[9:] for block in BLOCKS for line in block.splitlines() if line.startswith("edge-sdk ")]


def test_readme_has_commands():
    assert {command.split()[0] for command in COMMANDS} >= {"train", "export", "quantize", "evaluate", "pack", "bench"}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_one_that_the_parser_takes(command):
    parser().parse_args(shlex.split(command.partition(" > ")[0], comments=True))


def test_python_snippet_runs(tmp_path, monkeypatch):
    (snippet,) = [block.removeprefix("python\n") for block in BLOCKS if block.startswith("python\n")]
    noise = np.random.default_rng(0).normal(0, 0.1, 8_000)
    soundfile.write(tmp_path / "noisy.wav", noise, 16_000)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(snippet, names)
    assert names["whole"].shape == (1, 8_000)


def test_every_linked_file_exists():
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).is_file(), link

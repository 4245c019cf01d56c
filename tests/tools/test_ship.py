"""`tools/ship.sh` hands each command what it takes, and each file to the next."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_sdk.cli import parser

ROOT = Path(__file__).parents[2]
# Notes what it was given, wants every file but that of --out to be there, makes that one, and prints an empty object.
STAND_IN = """#!/usr/bin/env python3
import pathlib, shlex, sys
words = sys.argv[1:]
with open("given", "a") as given:
    print(shlex.join(words), file=given)
for before, word in zip(words, words[1:]):
    if "/" in word and before != "--out":
        assert pathlib.Path(word).exists(), f"{words[0]}: {word} is not there yet"
if words[0] in ("export", "quantize"):
    out = pathlib.Path(words[words.index("--out") + 1])
    out.mkdir(exist_ok=True)
    (out / (words[words.index("--name") + 1] + ".tflite")).write_text("model")
if words[0] == "pack":
    pathlib.Path(words[words.index("--out") + 1]).write_text("bundle")
print("{}")
"""


def ship(folder: Path, *more: str) -> list[list[str]]:
    """Words of every command that the script gave, in a copy of what it needs."""
    for made in ("tools", "run", "edge_sdk/shipped", "recipes"):
        (folder / made).mkdir(parents=True)
    for kind in ("toml", "md"):
        (folder / "recipes" / f"enhance-mono.{kind}").write_text("")
    shutil.copy(ROOT / "tools" / "ship.sh", folder / "tools")
    (folder / "run" / "network.safetensors").write_text("weights")
    command = folder / "edge-sdk"
    command.write_text(STAND_IN)
    command.chmod(0o755)
    (folder / "python").symlink_to(command)
    script = ["bash", str(folder / "tools" / "ship.sh"), "enhance-mono", str(folder / "run"), str(folder), *more]
    done = subprocess.run(
        script, env={"PATH": "/usr/bin:/bin", "EDGE_SDK": str(command)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in (folder / "given").read_text().splitlines()]


@pytest.mark.parametrize("minutes", [False, True])
def test_commands_are_ones_of_ours_and_files_are_there_when_needed(tmp_path: Path, minutes: bool) -> None:
    long = tmp_path / "long.toml"
    long.write_text("")
    given = ship(tmp_path, str(long)) if minutes else ship(tmp_path)
    scored = ["evaluate"] if minutes else []
    assert [words[0] for words in given] == ["export", "quantize", *["evaluate", "pack", "-m"] * 2, *scored, "card"]
    for words in given:
        if words[0] == "-m":
            assert words[1:] == ["edge_sdk.verifier", given[given.index(words) - 1][-2]], "what was packed just before"
        else:
            parser().parse_args(words)
    assert ("--minutes" in given[-1]) == minutes
    assert (tmp_path / "checkpoints" / "enhance-mono.safetensors").read_text() == "weights"
    bundles = {path.name for path in (tmp_path / "edge_sdk" / "shipped").iterdir()}
    assert bundles == {"enhance-mono.edge", "enhance-mono-float32.edge"}


def test_what_is_missing_is_said_in_one_line() -> None:
    done = subprocess.run(["bash", str(ROOT / "tools" / "ship.sh")], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("usage: tools/ship.sh NAME RUN DATA [LONG]")

"""Models as C source: they compile without a warning, hold the same bytes, and their header tells the truth."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edge_sdk.contract import Bundle
from quantization.artifact import Artifact
from quantization.formats.arena import ALIGNMENT, lifetimes, plan
from quantization.formats.c_array import identifier, sources

PRINT = """
#include <stdint.h>
#include <stdio.h>
#include "{name}.h"

int main(void) {{
    if ((uintptr_t){id}_model % 16 != 0) return 1;
    return fwrite({id}_model, 1, {id}_model_size, stdout) == {id}_model_size ? 0 : 2;
}}
"""


@pytest.fixture
def artifact(carry: Bundle) -> Artifact:
    return Artifact(carry.manifest, carry.model)


@pytest.mark.parametrize(("compiler", "standard"), [("gcc", "c11"), ("g++", "c++17")])
def test_the_source_compiles_and_holds_the_bytes_of_the_model(
    artifact: Artifact, tmp_path: Path, compiler: str, standard: str
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    name = "double-4.2"  # "double" alone is a word of C
    for file, text in sources(replace(artifact, manifest=replace(artifact.manifest, name=name))).items():
        (tmp_path / file).write_bytes(text)
    (tmp_path / "main.c").write_text(PRINT.format(name=name, id="double_4_2"))
    flags = [f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", "print"]
    subprocess.run([compiler, *flags, "main.c", f"{name}.c"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "print"], capture_output=True, check=True).stdout
    assert printed == artifact.model


def test_names_become_identifiers() -> None:
    assert [identifier(n) for n in ("enhance-mono", "a.b_c", "2spk")] == ["enhance_mono", "a_b_c", "m2spk"]


def test_the_header_describes_every_tensor_and_delay_line(artifact: Artifact) -> None:
    m, header = artifact.manifest, sources(artifact)["carry.h"].decode()
    for name in (*m.inputs, *m.outputs, *(n for c in m.carries for n in (c.input, c.output))):
        assert re.search(rf"^ \*   \d: {name}, ", header, re.MULTILINE)
    for carry in m.carries:
        assert f"{carry.output} of a step is {carry.input} of the next" in header
    (group,) = m.delays
    listed = re.findall(
        rf"line (\d+): {group.rows}\[(\d+)\.\.(\d+)\], .* {group.taps}\[(\d+)\.\.(\d+)\] = (.*)", header
    )
    assert [int(number) for number, *_ in listed] == list(range(len(group.lines)))
    taps = 0
    for line, (number, first, last, start, end, offsets) in zip(group.lines, listed, strict=True):
        assert (int(first), int(last)) == (3 * int(number), 3 * int(number) + 2)  # three frames a step
        assert tuple(int(offset) for offset in offsets.split(", ")) == line.past(m.frames_per_step)
        assert (int(start), int(end) + 1) == (taps, taps + len(line.past(m.frames_per_step)))
        taps = int(end) + 1
    assert f"{group.taps}, {taps} x {group.width}" in header
    assert f"#define CARRY_FRAMES_PER_STEP {m.frames_per_step}\n" in header
    assert f"#define CARRY_ARENA_ESTIMATE {plan(artifact.model).size}\n" in header


def test_no_two_tensors_share_memory_while_both_are_alive(artifact: Artifact, tiny: Bundle) -> None:
    for model in (artifact.model, tiny.model):
        arena = plan(model)
        for i, one in enumerate(arena.places):
            assert one.offset % ALIGNMENT == 0 and one.first <= one.last
            for other in arena.places[:i]:
                apart = one.offset + one.size <= other.offset or other.offset + other.size <= one.offset
                assert apart or not one.meets(other)
        everything = sum(place.size for place in arena.places)
        assert arena.live <= arena.size < everything / 2  # most tensors of a step are short-lived


def test_inputs_live_from_before_the_first_operator_and_outputs_to_after_the_last(artifact: Artifact) -> None:
    found = {place.name: place for place in lifetimes(artifact.model)}
    assert {name for name, place in found.items() if place.first == -1} == {
        f"step_{name}" for name in ("frames", "taps", "count", "statistics")
    }
    last = max(place.last for place in found.values())
    assert sum(place.last == last for place in found.values()) == 4
    assert all(place.size % ALIGNMENT == 0 for place in found.values())


def test_weights_are_not_in_the_arena(artifact: Artifact) -> None:
    assert not [place.name for place in lifetimes(artifact.model) if place.name.endswith(".weight")]

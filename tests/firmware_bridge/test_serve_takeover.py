"""A running `edge-sdk serve` is given another bundle: it takes over while the old one plays, or not at all."""

import hashlib
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_sdk.contract import read_bundle
from edge_sdk.library import find_model
from firmware_bridge.bundle import pack
from firmware_bridge.install import install
from firmware_bridge.launch import in_memory
from tests.firmware_bridge.serving import children, from_file, running, serving, until
from tests.firmware_bridge.sounds import MODEL, OTHER, active_model, shipped, shipped_slots


def test_the_bytes_that_were_verified_are_the_bytes_that_run() -> None:
    bundle = shipped(MODEL)
    with in_memory(pack(bundle.manifest, bundle.model)) as descriptor:
        path = f"/proc/self/fd/{descriptor}"
        read = read_bundle(path)
        assert (read.manifest, read.model) == (bundle.manifest, bundle.model)
        for attempt in (
            lambda: os.pwrite(descriptor, b"x", 0),
            lambda: os.truncate(descriptor, 1),
            lambda: Path(path).write_bytes(b"x"),
        ):
            with pytest.raises(OSError, match="not permitted"):
                attempt()
        assert read_bundle(path).model == bundle.model


def test_what_is_installed_meanwhile_takes_over_while_it_plays_and_a_rollback_too(tmp_path: Path) -> None:
    slots = shipped_slots(tmp_path, MODEL)
    with serving(slots, "--", *from_file(tmp_path), "--json") as process:
        reports, before = [running(process, MODEL)], children(process)
        install(slots, find_model(OTHER))
        reports.append(running(process, OTHER))
        assert slots.state().tries == 1
        slots.rollback()
        process.send_signal(signal.SIGHUP)
        reports.append(running(process, MODEL))
        assert children(process) == before, "the same process all the time"
    assert [report["swaps"] for report in reports] == [0, 1, 2]
    assert all(report["lost"] == 0 for report in reports)


def test_what_cannot_take_over_while_it_plays_starts_the_stream_anew(tmp_path: Path) -> None:
    """Here because its blocks are longer."""
    slots = shipped_slots(tmp_path, OTHER)
    with serving(slots, "--", *from_file(tmp_path), "--json") as process:
        running(process, OTHER)
        before = children(process)
        install(slots, find_model(MODEL))
        assert running(process, MODEL)["swaps"] == 0
        assert children(process) != before and process.stderr is not None
        said = process.stderr.read1().decode()
    assert "takes blocks of 64 and is 64 samples late" in said and "silent until it is loaded" in said


def test_a_model_that_is_broken_is_rolled_back_before_it_is_heard(tmp_path: Path) -> None:
    """It answers everything with NaN. What plays goes on, and nothing of it is lost."""
    from tests.quantization.flatbuffers import edited, set_values, values, weights

    def ruin(model: Any) -> None:
        for tensor in weights(model):
            numbers = values(model, tensor)
            if numbers.dtype == np.float32:
                set_values(model, tensor, np.full_like(numbers, np.nan))

    good = shipped(f"{OTHER}-float32")
    model = edited(good.model, ruin)
    m = replace(good.manifest, size=len(model), sha256=hashlib.sha256(model).hexdigest(), name="ruined")
    (tmp_path / "ruined.edge").write_bytes(pack(m, model))
    slots = shipped_slots(tmp_path, MODEL)
    with serving(slots, "--", *from_file(tmp_path), "--json") as process:
        running(process, MODEL)
        before = children(process)
        install(slots, tmp_path / "ruined.edge")
        until(lambda: len(slots.state().quarantine) == 1)
        for _ in range(3):
            report = running(process, MODEL)
        assert report["swaps"] == 0 and children(process) == before
    assert active_model(slots) == MODEL and slots.state().confirmed


@pytest.mark.slow  # and for machines with nothing else to do: where they are busy a good model is late, and rolled back
@pytest.mark.parametrize(("slowest", "kept"), [(1e6, OTHER), (1e-6, MODEL)])
def test_a_model_that_took_over_is_watched_from_then_on(tmp_path: Path, slowest: float, kept: str) -> None:
    """Confirmed, or rolled back without an end of the sound; one that is too slow takes a millionth of a block."""
    slots = shipped_slots(tmp_path, MODEL)
    with serving(slots, "--watch", 1, "--slowest", slowest, "--", *from_file(tmp_path)) as process:
        until(lambda: children(process) != set())
        before = children(process)
        install(slots, find_model(OTHER))
        until(lambda: slots.state().confirmed)
        assert active_model(slots) == kept and process.stderr is not None
        said = b"plays again" if kept == MODEL else b"confirmed"
        while said not in (line := process.stderr.readline()):
            assert line and b"starts anew" not in line
        assert children(process) == before

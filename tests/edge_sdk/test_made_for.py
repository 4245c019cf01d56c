"""A model of an array says whose microphones it was trained for; others are taken, with a word of warning."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import run_command
from edge_sdk.audio.arrays import FOLDER, load_array
from edge_sdk.audio.wav import write_wav
from edge_sdk.contract import encode_header, read_bundle
from edge_sdk.live.stream_config import StreamConfig
from edge_sdk.made_for import array_named, array_of, doubt
from edge_sdk.stream_options import stream_config
from tests.edge_sdk.bundles import bundle_bytes, manifest
from tests.edge_sdk.conftest import Run

SIX = load_array("respeaker-6mic")  # two of eight capture channels carry playback


def options(*words: object) -> StreamConfig:
    """As `edge-sdk run` has it."""
    parser = argparse.ArgumentParser()
    run_command.register(parser.add_subparsers())
    return stream_config(parser.parse_args(["run", *map(str, words)]))


def test_a_model_that_says_its_array_knows_where_its_microphones_stand() -> None:
    array = array_of(manifest(mics=6, array="respeaker-6mic"))
    assert array is not None and array.positions_m == SIX.positions_m
    assert (array.channels, array.capture_channels, array.playback) == (tuple(range(6)), 6, ())


@pytest.mark.parametrize(("mics", "array"), [(1, "mono"), (6, "any"), (6, "board-of-mine"), (6, "matrix-voice")])
def test_a_model_of_one_microphone_or_of_an_array_that_is_not_its_own_knows_nothing(mics: int, array: str) -> None:
    assert array_of(manifest(mics=mics, array=array)) is None
    assert not doubt("small", None, SIX)


def test_the_microphones_it_was_trained_for_are_not_doubted_by_whatever_name() -> None:
    assert SIX.positions_m == load_array("respeaker-core-v2").positions_m
    for name in ("respeaker-6mic", "respeaker-core-v2"):
        assert not doubt("six", array_named("respeaker-6mic", 6), load_array(name))


def test_other_microphones_are_doubted_in_a_line_that_says_how_far_off_they_are() -> None:
    line = doubt("ring", array_named("respeaker-4mic", 4), load_array("respeaker-usb-v2"))
    assert line.startswith(
        "ring was trained for respeaker-4mic; microphones of respeaker-usb-v2 are up to 17 mm nearer"
    )
    assert "\n" not in line


def test_run_takes_the_array_of_its_model_where_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model := tmp_path / "ring.edge").write_bytes(bundle_bytes(mics=4, array="respeaker-4mic"))
    places = ("--capture", "in.wav", "--playback", "out.wav", "--model", model)
    config = options(*places)
    assert config.array is not None and config.array.name == "respeaker-4mic"
    assert not capsys.readouterr().err
    config = options(*places, "--array", "respeaker-usb-v2")
    assert config.array == load_array("respeaker-usb-v2")
    assert capsys.readouterr().err.startswith("edge-sdk: small was trained for respeaker-4mic;")
    model.write_bytes(bundle_bytes(mics=4))
    assert options(*places).array is None


def test_separate_says_that_a_recording_is_of_other_microphones(
    run: Run, exported_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    small = read_bundle(exported_bundle("array"))
    m = replace(small.manifest, array="respeaker-4mic")
    (model := tmp_path / "ring.edge").write_bytes(encode_header(m.to_json()) + small.model)
    own = (FOLDER / "respeaker-usb-v2.toml").read_text().replace("reference = 0", "")
    (tmp_path / "own.toml").write_text("reference = 1\n" + own)
    write_wav(tmp_path / "four.wav", np.zeros((4, 1600), np.float32), 16_000)
    places = (tmp_path / "four.wav", "--out", tmp_path / "out", "--beam", "mvdr", "--array", tmp_path / "own.toml")
    code, _, err = run("separate", "--model", model, *places)
    assert code == 0 and "array was trained for respeaker-4mic; microphones of respeaker-usb-v2 are up to" in err

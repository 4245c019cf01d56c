"""A whole stream from file to file: what leaves is what the model gives, as late as declared, at any period."""

import argparse
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk import Separator, run_command
from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.calibration import Calibration, Correction
from edge_sdk.beamforming.named import beamformer
from edge_sdk.beamforming.zones import Zone
from edge_sdk.cli import main
from edge_sdk.live.stream_config import BeamConfig, StreamConfig
from edge_sdk.stream_options import stream_config
from tests.edge_sdk.live.streams import PERIODS, PLAIN, RATE, mixture, streamed, written


@pytest.mark.parametrize(("period", "isolate"), [*((period, False) for period in PERIODS), (64, True), (441, True)])
def test_a_stream_gives_what_the_separator_gives_of_the_file(tmp_path: Path, period: int, isolate: bool) -> None:
    """To the last bit, at every period, and as late as declared."""
    x = mixture()
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    config = StreamConfig(
        ("enhance-mono",), str(source), str(target), period=period, format="FLOAT_LE", isolate=isolate, **PLAIN
    )
    y, stream = streamed(config)
    assert y.shape == (1, x.shape[1] + stream.delay)
    np.testing.assert_array_equal(y[:, stream.delay :], Separator.open("enhance-mono").separate(x))
    assert stream.metrics.captured == stream.metrics.processed == x.shape[1] and stream.metrics.lost == 0
    assert not any(stream.metrics.fallbacks.values())


@pytest.mark.parametrize("period", PERIODS)
def test_an_array_of_six_is_heard_channel_by_channel(tmp_path: Path, period: int) -> None:
    """A model for one microphone hears the reference of the array, on whatever channel of the capture it comes."""
    array = load_array("respeaker-usb-v2")
    x = mixture(1.0, array.capture_channels)
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    config = StreamConfig(("enhance-mono",), str(source), str(target), array=array, period=period, **PLAIN)
    y, stream = streamed(config)
    want = Separator.open("enhance-mono").separate(x[array.channels[array.reference]])
    # The last bit of 16, and half of one that rounding adds.
    np.testing.assert_allclose(y[:, stream.delay :], want, rtol=0, atol=0.51 / 2**15)


def test_a_beam_steered_by_the_model_gives_what_it_gives_of_the_file(tmp_path: Path) -> None:
    array = load_array("respeaker-usb-v2")
    x = mixture(1.0, array.capture_channels)
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    config = StreamConfig(
        ("enhance-mono",),
        str(source),
        str(target),
        array=array,
        beam=BeamConfig("mwf", suppression=0.7),
        format="FLOAT_LE",
        **PLAIN,
    )
    y, stream = streamed(config)
    steered = beamformer(Separator.open("enhance-mono"), RATE, array, "mwf", suppression=0.7)
    want = steered.separate(x[list(array.channels)])
    # Covariances summed in other blocks: float32 rounding, through an inversion.
    np.testing.assert_allclose(y[:, stream.delay :], want, rtol=0, atol=1e-4)
    assert stream.metrics.rungs == ("enhance-mono+mwf", "bypass")


def test_a_beam_is_steered_by_hand_and_directions_stand_on_the_page(tmp_path: Path) -> None:
    """As `edge-sdk run` has it of its options."""
    array = load_array("respeaker-usb-v2")
    x = mixture(1.0, array.capture_channels)
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    parser = argparse.ArgumentParser()
    run_command.register(parser.add_subparsers())
    options = [
        "--beam",
        "mvdr",
        "--azimuth",
        "30",
        "--null",
        "80",
        "120",
        "--null",
        "-100",
        "-90",
        "--array",
        array.name,
    ]
    places = ["--capture", str(source), "--playback", str(target), "--format", "FLOAT_LE", "--priority", "0"]
    args = parser.parse_args(
        ["run", *places, *options, "--wet", "1", "--high-pass", "0", "--ceiling", "0", "--http", "8080"]
    )
    y, stream = streamed(stream_config(args))
    zones = [Zone(*np.deg2rad(degrees)) for degrees in ((80, 120), (-100, -90))]
    steered = beamformer(Separator.open("enhance-mono"), RATE, array, "mvdr", azimuths_deg=[30.0], null=zones)
    want = steered.separate(x[list(array.channels)])
    np.testing.assert_allclose(y[:, stream.delay :], want, rtol=0, atol=1e-4)  # covariances summed in other blocks
    assert stream.taps is not None
    bearings = run_command.bearings_beside(stream, stream.taps[0])
    assert bearings is not None and len(bearings.as_plain()["power"]) == 72


def test_a_fixed_beam_stands_between_the_models_and_the_microphone(tmp_path: Path) -> None:
    """Its delay is longer than the model's, so the model's output waits for it, and is the same otherwise."""
    array = load_array("respeaker-usb-v2")
    x = mixture(0.5, array.capture_channels)
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    config = StreamConfig(("enhance-mono",), str(source), str(target), array=array, look_deg=90.0, **PLAIN)
    y, stream = streamed(config)
    assert stream.metrics.rungs == ("enhance-mono", "delay-and-sum", "bypass")
    want = Separator.open("enhance-mono").separate(x[[array.channels[array.reference]]])
    np.testing.assert_allclose(y[:, stream.delay :], want, rtol=0, atol=0.51 / 2**15)


def test_a_calibration_makes_the_microphones_equal_and_is_part_of_the_delay(tmp_path: Path) -> None:
    """A fixed beam of them is that of the corrected recording."""
    array = load_array("respeaker-4mic")
    calibration = Calibration(array.name, "x", "direction", RATE, (0.0, 2.0, -1.0, 1.0), (0.0, 0.4, -0.2, 0.0), 0.1)
    x = mixture(mics=4)
    target = tmp_path / "y.wav"
    config = StreamConfig(
        (),
        str(written(tmp_path / "x.wav", x, "FLOAT")),
        str(target),
        array=array,
        look_deg=90.0,
        calibration=calibration,
        **PLAIN,
    )
    y, stream = streamed(config)
    equal = written(tmp_path / "equal.wav", calibration.corrected(x, RATE), "FLOAT")
    want, plain = streamed(replace(config, capture=str(equal), calibration=None))
    assert stream.delay == plain.delay + Correction(calibration, RATE).delay
    late = stream.delay - plain.delay
    # To 16 bits, and from where no filter reaches back beyond the beginning, which the file does not hold.
    np.testing.assert_allclose(y[:, late + 64 :], want[:, 64 : y.shape[1] - late], atol=1e-4)
    with pytest.raises(ValueError, match="expected that array"):
        replace(config, array=load_array("hearing-aid-pair"))


def test_without_a_model_the_reference_microphone_goes_through(tmp_path: Path) -> None:
    array = load_array("respeaker-usb-v2")
    x = mixture(0.5, array.capture_channels)
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    options = ["--capture", str(source), "--playback", str(target), "--array", array.name, "--quiet"]
    assert main(["run", "--model", "none", *options, "--high-pass", "0", "--ceiling", "0"]) == 0
    y, _ = soundfile.read(target, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(y.T, x[[array.channels[array.reference]]])


def test_the_ceiling_holds_whatever_the_gain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = written(tmp_path / "in.wav", mixture()), tmp_path / "out.wav"
    options = ["--capture", str(source), "--playback", str(target), "--gain", "30", "--ceiling", "-12", "--quiet"]
    assert main(["run", *options, "--format", "FLOAT_LE", "--priority", "0"]) == 0
    y, _ = soundfile.read(target, dtype="float32")
    assert np.abs(y).max() == np.float32(10 ** (-12 / 20))


def test_a_pipe_is_a_microphone_and_a_loudspeaker(tmp_path: Path) -> None:
    """Raw samples in at standard input, raw samples out at standard output, nothing else on it."""
    x = mixture()
    command = [sys.executable, "-m", "edge_sdk.cli", "run", "--capture", "-", "--playback", "-", "--quiet"]
    command += ["--priority", "0", "--high-pass", "0", "--ceiling", "0"]
    done = subprocess.run(command, input=(x[0] * 2**15).astype("<i2").tobytes(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    y = np.frombuffer(done.stdout, "<i2") / 2**15
    delay = len(y) - x.shape[1]
    want = Separator.open("enhance-mono").separate(x)[0]
    np.testing.assert_allclose(y[delay:], want, rtol=0, atol=0.51 / 2**15)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_fades_out_and_leaves_a_whole_file(tmp_path: Path, number: int) -> None:
    source, target = written(tmp_path / "in.wav", mixture(20.0)), tmp_path / "out.wav"
    command = [sys.executable, "-m", "edge_sdk.cli", "run", "--capture", str(source), "--playback", str(target)]
    process = subprocess.Popen([*command, "--paced", "--json", "--priority", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["stream"]["processed"] < RATE // 2:
        pass
    process.send_signal(number)
    began = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert time.monotonic() - began < 10, "a second on an idle machine; this one may be busy"
    y, rate = soundfile.read(target)
    assert rate == RATE and RATE // 2 <= len(y) < 20 * RATE
    assert abs(y[-1]) < 1e-3 < np.abs(y).max()

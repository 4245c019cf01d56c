"""`edge-sdk doctor` on recordings of an array: which microphones are good, what is wrong with others, their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.wav import write_wav
from edge_sdk.doctor.findings import Finding, bad
from edge_sdk.doctor.selftest import SETTLING_S, record, self_test
from edge_sdk.errors import EdgeError
from tests.edge_sdk.audio.test_microphone_order import noise, plane_wave, swap
from tests.edge_sdk.audio.test_microphones import FAULTS
from tests.edge_sdk.test_doctor import board, good_machine, run

__all__ = ["board", "good_machine"]  # fixtures

RATE = 16_000
ARRAY = load_array("respeaker-6mic")

pytestmark = pytest.mark.usefixtures("good_machine")


def changed(m: int, make: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    x = noise(ARRAY)
    x[m] = make(x[m])
    return x


def lines(x: np.ndarray) -> dict[str, Finding]:
    return {finding.check: finding for finding in self_test(x, RATE, ARRAY)}


def test_good_microphones_in_order_are_two_good_lines() -> None:
    found = lines(noise(ARRAY))
    assert {check: f.status for check, f in found.items()} == {"microphones": "good", "order": "good"}
    assert "6 good, -40 dB" in found["microphones"].found and "turned or mirrored" in found["order"].found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("m", [0, 5])
def test_a_faulty_microphone_is_named_with_what_to_do(fault: str, m: int) -> None:
    make, word = FAULTS[fault]
    found = lines(changed(m, make))
    faulty = [check for check in found if check.startswith("microphone ")]
    assert faulty == [f"microphone {m}"]
    finding = found[f"microphone {m}"]
    assert finding.found.startswith(word) and finding.expected and finding.todo and "\n" not in finding.line()
    assert finding.status == ("warning" if word == "offset" else "bad")
    assert found["microphones"].found.startswith("5 good") and found["order"].status == "warning"


@pytest.mark.parametrize("sound", [noise, lambda array: plane_wave(array, 25.0)])
def test_swapped_microphones_are_named(sound: Callable[..., np.ndarray]) -> None:
    finding = lines(swap(sound(ARRAY), 0, 2))["order"]
    assert finding.status == "bad" and "correct channels" in finding.todo
    assert "microphone 2 on the channel of 0, microphone 0 on the channel of 2" in finding.found


def test_a_sound_that_says_nothing_of_the_order_asks_for_another() -> None:
    finding = lines(np.repeat(noise(ARRAY)[:1], 6, axis=0))["order"]
    assert finding.status == "warning" and "clap" in finding.todo


def test_a_muted_device_is_one_line() -> None:
    found = lines(np.zeros((6, 2 * RATE), np.float32))
    assert [f.status for f in found.values()] == ["bad"] and "unmute" in found["microphones"].todo


def test_a_quiet_room_is_said() -> None:
    assert lines(noise(ARRAY) / 100)["room"].status == "warning"


def test_a_recording_of_another_array_or_of_nothing_is_refused() -> None:
    with pytest.raises(EdgeError, match="4 microphones, respeaker-6mic has 6"):
        list(self_test(noise(ARRAY)[:4], RATE, ARRAY))
    with pytest.raises(EdgeError, match=r"0\.50 s of sound: expected at least 1 s"):
        list(self_test(noise(ARRAY)[:, : RATE // 2], RATE))


def test_without_an_array_the_microphones_alone_are_judged() -> None:
    found = list(self_test(changed(3, np.zeros_like), RATE))
    assert [f.check for f in found] == ["microphone 3", "microphones"] and bad(found)


class Microphones:
    """Says the number of each sample; ends after `length`."""

    device, rate_hz, mics, period = "made up", RATE, 2, 160

    def __init__(self, length: int) -> None:
        self.given, self.length = 0, length
        self._block = np.zeros((2, 160), np.float32)

    def read(self) -> tuple[np.ndarray, int]:
        n = min(160, self.length - self.given)
        self._block[:, :n] = np.arange(self.given, self.given + n)
        self.given += n
        return self._block[:, :n], 0

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("length", "expected"), [(10 * RATE, 2 * RATE), (RATE, RATE - 4800), (100, 0), (0, 0)])
def test_what_is_recorded_begins_when_the_device_has_settled(length: int, expected: int) -> None:
    x = record(Microphones(length), 2.0)
    assert x.shape == (2, expected)
    np.testing.assert_array_equal(x, np.tile(np.arange(expected) + round(SETTLING_S * RATE), (2, 1)))


def test_the_command_examines_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "room.wav"
    write_wav(path, noise(ARRAY), RATE)
    assert run("--wav", path, "--array", "respeaker-6mic") == 0
    write_wav(path, swap(changed(2, np.zeros_like), 0, 1), RATE)
    capsys.readouterr()
    assert run("--wav", path, "--array", "respeaker-6mic", "--json") == 1
    found = [row for row in json.loads(capsys.readouterr().out) if row["status"] == "bad"]
    assert [row["check"] for row in found] == ["microphone 2"]


def test_channels_that_are_no_microphones_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "room.wav"
    eight = np.zeros((8, 2 * RATE), np.float32)  # as the board delivers it: the last two are what it plays
    eight[list(ARRAY.channels)] = noise(ARRAY)
    write_wav(path, eight, RATE)
    assert run("--wav", path, "--array", "respeaker-6mic") == 0
    assert run("--wav", path) == 1
    assert "BAD  microphone 6: dead" in capsys.readouterr().out


def test_a_device_may_be_a_recording_too_and_needs_its_array(tmp_path: Path) -> None:
    path = tmp_path / "room.wav"
    eight = np.zeros((8, 3 * RATE), np.float32)
    eight[list(ARRAY.channels)] = noise(ARRAY, seconds=3.0)
    write_wav(path, eight, RATE)
    with pytest.raises(EdgeError, match="--capture without --array"):
        run("--capture", path)
    assert run("--capture", path, "--array", "respeaker-6mic", "--seconds", 2) == 1  # which is not plugged in here


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wav", "nowhere.wav"], "nowhere.wav"),
        (["--array", "nonsense"], "unknown array 'nonsense'"),
        (["--wav", __file__], "not a readable sound file"),
    ],
)
def test_what_is_no_recording_or_array_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(EdgeError, match=message) as refused:
        run(*words)
    assert "\n" not in str(refused.value)


def test_a_recording_with_too_few_channels_is_one_line(tmp_path: Path) -> None:
    write_wav(tmp_path / "stereo.wav", noise(ARRAY)[:2], RATE)
    with pytest.raises(EdgeError, match="2 channels, the microphones are on"):
        run("--wav", tmp_path / "stereo.wav", "--array", "respeaker-6mic")


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--wav", "a.wav", "--capture", "hw:0"], ["--format", "U8"]])
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2

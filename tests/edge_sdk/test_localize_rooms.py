"""Talkers in simulated rooms are located as exactly as promised, by the tool that measures it."""

import json

import numpy as np
import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.beamforming.localizer import LocalizerConfig
from tools.measure_localization import RATE, apart_deg, main, measure, recording, speech_like


@pytest.mark.slow
@pytest.mark.parametrize(("rt60_s", "most_deg"), [(0.3, 8.0), (0.0, 3.0)])
@pytest.mark.parametrize("name", ["respeaker-4mic", "respeaker-6mic"])
def test_one_talker_is_located_within_a_few_degrees(name: str, rt60_s: float, most_deg: float) -> None:
    found = measure(load_array(name), LocalizerConfig(), rt60_s, talkers=1, rooms=6)
    assert found.median_deg < most_deg
    assert found.missed < 0.05 and found.extra < 0.05


def test_a_talker_in_the_open_is_located_within_a_degree() -> None:
    found = measure(load_array("respeaker-4mic"), LocalizerConfig(), 0.0, talkers=1, rooms=1, seconds=2.0)
    assert found.median_deg < 1 and found.missed == found.extra == 0


def test_what_the_microphones_hear_comes_from_where_it_is_said_to() -> None:
    """The delay between opposite microphones is that of the azimuth: largest across, none from the side."""
    array = load_array("respeaker-4mic")
    for room in range(3):
        x, (azimuth,) = recording(array, 0.0, 1, 1.0, 60.0, [0, room], speech_like)
        for first, second in ((0, 2), (1, 3)):
            apart = np.subtract(array.positions_m[second], array.positions_m[first])[:2]
            lead = apart @ [np.cos(azimuth), np.sin(azimuth)] / 343.0 * RATE
            lags = np.correlate(x[first, 4000:12000], x[second, 4020:11980], "valid")
            # Talkers up to 0.8 rad above or below shorten delays to 0.7 of these; and lags are whole samples.
            assert np.argmax(lags) - 20 == pytest.approx(0.85 * lead, abs=0.15 * abs(lead) + 1)


def test_tracks_and_talkers_are_paired_so_that_the_errors_are_least() -> None:
    rad = np.deg2rad
    assert apart_deg([rad(179), rad(10)], [rad(12), rad(-179)]) == pytest.approx([2, 2])
    assert apart_deg([rad(50)], [rad(0), rad(40)]) == pytest.approx([10])
    assert apart_deg([rad(50), rad(1)], [rad(0)]) == pytest.approx([1])
    assert apart_deg([], [0.0]) == []


def test_the_tool_prints_a_row_for_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--array", "respeaker-4mic", "--rt60", "0", "--rooms", "1", "--seconds", "2", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["array"] == "respeaker-4mic" and row["rt60_s"] == 0 and row["median_deg"] < 1
    assert main(["--data", "/nowhere"]) == 1
    assert "no such folder" in capsys.readouterr().err

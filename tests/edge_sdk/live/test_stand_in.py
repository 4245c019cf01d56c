"""A broken reference microphone costs a second: then the nearest good one is heard in its place, without a click."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.arrays import load_array
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.stand_in import FADE_S, StandIn
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig
from tests.edge_sdk.live.test_stream import PLAIN, RATE, mixture, written

PERIOD = 128


def heard(x: np.ndarray, order: list[int]) -> tuple[np.ndarray, Metrics]:
    """What the row of the reference holds after all of it."""
    metrics = Metrics(len(x), 1, RATE, PERIOD)
    stand_in, y = StandIn(metrics, order), x.copy()
    for begin in range(0, x.shape[1], PERIOD):
        piece = y[:, begin : begin + PERIOD]
        stand_in.watch(piece.copy())
        stand_in.replace(piece)
    return y[order[0]], metrics


def dying(seconds: float = 4.0, dead_s: tuple[float, float] = (1.0, 4.0), mics: int = 3) -> np.ndarray:
    x = mixture(seconds, mics)
    x[0, round(dead_s[0] * RATE) : round(dead_s[1] * RATE)] = 0
    return x


def test_a_dead_reference_is_replaced_within_a_second_by_the_next_in_order() -> None:
    x = dying()
    y, metrics = heard(x, [0, 2, 1])
    np.testing.assert_array_equal(y[:RATE], x[0, :RATE])
    np.testing.assert_array_equal(y[2 * RATE :], x[2, 2 * RATE :])
    assert metrics.mic_faults[0] and not any(metrics.mic_faults[1:])


def test_it_is_heard_again_when_it_is_well_again() -> None:
    x = dying(8.0, (1.0, 3.0))
    y, metrics = heard(x, [0, 1, 2])
    np.testing.assert_array_equal(y[2 * RATE : 3 * RATE], x[1, 2 * RATE : 3 * RATE])
    np.testing.assert_array_equal(y[7 * RATE :], x[0, 7 * RATE :])
    assert not any(metrics.mic_faults)


def test_the_change_takes_ten_milliseconds_and_does_not_click() -> None:
    """From silence to a tone of 100 Hz in the middle of its swing."""
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(3 * RATE) / RATE)
    x = np.stack([tone, tone]).astype(np.float32)
    x[0, RATE:] = 0
    y, _ = heard(x, [0, 1])
    np.testing.assert_array_equal(y[2 * RATE :], x[1, 2 * RATE :])
    steepest = 0.5 * 2 * np.pi * 100 / RATE + 0.5 * np.pi / (2 * FADE_S * RATE)  # of the tone, and of half a cosine
    assert np.abs(np.diff(y)).max() < 1.01 * steepest


@pytest.mark.parametrize("order", [[0], [0, 1]])
def test_nothing_stands_in_where_nothing_may_or_all_are_dead(order: list[int]) -> None:
    x = dying(2.0, (0.0, 2.0), 2)
    if len(order) == 2:
        x[:] = 0
    y, metrics = heard(x, order)
    np.testing.assert_array_equal(y, x[0])
    assert metrics.mic_faults[0]


def test_a_stream_of_an_array_goes_on_when_its_reference_dies(tmp_path: Path) -> None:
    array = load_array("respeaker-usb-v2")
    x = mixture(3.0, array.capture_channels)
    x[array.channels[array.reference], RATE:] = 0
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    stream = LiveStream(StreamConfig(("enhance-mono",), str(source), str(target), array=array, **PLAIN))
    stream.run(lambda: False)
    stream.close()
    y, _ = soundfile.read(target, dtype="float32")
    level = np.sqrt(np.mean(np.square(y[2 * RATE : 3 * RATE])))
    assert level > 0.3 * np.sqrt(np.mean(np.square(y[:RATE])))
    assert stream.metrics.mic_faults[array.reference] and sum(map(bool, stream.metrics.mic_faults)) == 1

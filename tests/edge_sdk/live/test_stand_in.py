"""A broken reference microphone costs a second: then the nearest good one is heard in its place, without a click.

A network of an array hears it turned, and silence from what is broken.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.arrays import load_array, shipped_arrays
from edge_sdk.live.metrics import Metrics
from edge_sdk.live.sound import Sound
from edge_sdk.live.stand_in import FADE_S, Order, StandIn, best_order, replacing, rows_of_views, turning
from edge_sdk.live.stream import LiveStream, stand_in
from edge_sdk.live.stream_config import StreamConfig
from tests.edge_sdk.live.streams import PLAIN, RATE, mixture, written

PERIOD = 128


def heard(x: np.ndarray, order: list[int]) -> tuple[np.ndarray, Metrics]:
    """What the row of the reference, the first of the order, holds after all of it."""
    rows = list(range(len(x)))
    y, metrics = replaced(x, [tuple([*rows[: order[0]], mic, *rows[order[0] + 1 :]]) for mic in order], order[:1])
    return y[order[0]], metrics


def replaced(x: np.ndarray, orders: list[Order], rows: Sequence[int], mute: bool = False) -> tuple[np.ndarray, Metrics]:
    """What the rows hold after all of it."""
    metrics = Metrics(len(x), 1, RATE, PERIOD)
    return through(StandIn(metrics, orders, rows, mute), x), metrics


def through(replacer: StandIn, x: np.ndarray) -> np.ndarray:
    y = x.copy()
    for begin in range(0, x.shape[1], PERIOD):
        piece = y[:, begin : begin + PERIOD]
        replacer.watch(piece.copy())
        replacer.replace(piece)
    return y


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


@pytest.mark.parametrize(("model", "name"), [("enhance-mono", "respeaker-usb-v2"), ("array4-2spk", "respeaker-4mic")])
def test_a_stream_of_an_array_goes_on_when_its_reference_dies(tmp_path: Path, model: str, name: str) -> None:
    array = load_array(name)
    x = mixture(3.0, array.capture_channels)
    x[array.channels[array.reference], RATE:] = 0
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    stream = LiveStream(StreamConfig((model,), str(source), str(target), array=array, **PLAIN))
    stream.run(lambda: False)
    stream.close()
    y, _ = soundfile.read(target, dtype="float32")
    level = np.sqrt(np.mean(np.square(y[2 * RATE : 3 * RATE])))
    assert level > 0.3 * np.sqrt(np.mean(np.square(y[:RATE])))
    assert stream.metrics.mic_faults[array.reference] and sum(map(bool, stream.metrics.mic_faults)) == 1


@pytest.mark.parametrize("name", shipped_arrays())
def test_a_turned_array_has_the_distances_it_had(name: str) -> None:
    array = load_array(name)
    places = np.array(array.positions_m)
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    usual, *turned = turning(array)
    assert usual == tuple(range(array.mics))
    for order in turned:
        assert sorted(order) == list(usual) and order[array.reference] != array.reference
        np.testing.assert_allclose(apart[np.ix_(order, order)], apart, rtol=0, atol=1.1e-3)


def test_where_one_microphone_is_listened_to_the_nearest_good_one_takes_its_place() -> None:
    array = load_array("respeaker-4mic-linear")
    assert replacing(array) == [(0, 1, 2, 3), (1, 1, 2, 3), (2, 1, 2, 3), (3, 1, 2, 3)]


def test_a_circle_turns_to_every_microphone_and_a_line_only_round() -> None:
    ring = [(0, 1, 2, 3), (1, 2, 3, 0), (3, 0, 1, 2), (2, 3, 0, 1)]
    assert turning(load_array("respeaker-4mic")) == ring, "not mirrored, and the old reference last at first"
    assert turning(load_array("respeaker-4mic-linear")) == [(0, 1, 2, 3), (3, 2, 1, 0)]
    assert turning(load_array("mono")) == [(0,)]


def test_a_network_of_an_array_hears_it_turned_and_silence_from_the_broken_one() -> None:
    array = load_array("respeaker-4mic")
    x = dying(4.0, (1.0, 3.0), array.mics)
    y, metrics = replaced(x, turning(array), rows_of_views(array), mute=True)
    np.testing.assert_array_equal(y[:, :RATE], x[:, :RATE])
    order = turning(array)[1]
    expected = x[list(order)]
    expected[order.index(0)] = 0
    np.testing.assert_array_equal(y[:, 2 * RATE : 3 * RATE], expected[:, 2 * RATE : 3 * RATE])
    assert metrics.mic_faults[0] and y[0, 2 * RATE : 3 * RATE].any()


def test_the_second_microphone_is_missed_next_most_and_so_the_ring_is_turned_for_it_too() -> None:
    array = load_array("respeaker-4mic")
    ways, rows = turning(array), rows_of_views(array)
    assert rows == (0, 1)
    dead = {mic: best_order(ways, rows, [mic != other for other in range(4)]) for mic in range(4)}
    assert dead == {0: (1, 2, 3, 0), 1: (3, 0, 1, 2), 2: (0, 1, 2, 3), 3: (0, 1, 2, 3)}
    assert best_order(ways, rows, [False, True, False, True]) == (1, 2, 3, 0), "the reference counts for more"
    assert best_order(ways, rows, [False] * 4) == best_order(ways, rows, [True] * 4) == ways[0]


@pytest.mark.parametrize(("mics", "order"), [(4, [3, 0, 1, 2]), (1, [0, 1, 2, 3])])
def test_a_stream_turns_the_ring_for_a_network_of_all_microphones_alone(mics: int, order: list[int]) -> None:
    """With the second microphone stuck: a network of one does not hear it anyway."""
    array, x = load_array("respeaker-4mic"), mixture(3.0, 4)
    x[1, RATE:] = 0.5
    config = StreamConfig((), "in.wav", "out.wav", array=array)
    replacer = stand_in(config, Sound(RATE, mics, 1, PERIOD), Metrics(4, 1, RATE, PERIOD))
    y = through(replacer, x)
    assert not y[order.index(1), 2 * RATE :].any() if mics > 1 else y[1, -1] == 0.5
    kept = [row for row, mic in enumerate(order) if mic != 1]
    np.testing.assert_array_equal(y[kept, 2 * RATE :], x[[order[row] for row in kept], 2 * RATE :])


def test_a_broken_microphone_in_a_row_that_matters_less_is_silent_and_the_array_stays() -> None:
    array = load_array("respeaker-4mic")
    x = mixture(4.0, array.mics)
    x[2, RATE:] = 0.5  # stuck
    y, _ = replaced(x, turning(array), rows_of_views(array), mute=True)
    np.testing.assert_array_equal(y[[0, 1, 3]], x[[0, 1, 3]])
    assert not y[2, 2 * RATE :].any()


def test_nothing_is_muted_where_most_microphones_are_broken() -> None:
    x = mixture(2.0, 4)
    x[1:] = 0.5
    y, metrics = replaced(x, turning(load_array("respeaker-4mic")), [0, 1], mute=True)
    np.testing.assert_array_equal(y, x)
    assert sum(map(bool, metrics.mic_faults)) == 3

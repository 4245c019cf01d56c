"""Channels that changed places are found by the sound they hear, and where nothing can be told, nothing is said."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from edge_sdk.audio.arrays import MicArray, load_array, shipped_arrays
from edge_sdk.audio.microphone_order import microphone_order, orders
from models.data.diffuse import diffuse

RATE = 16_000
ARRAYS = [name for name in shipped_arrays() if load_array(name).mics > 2]


def noise(array: MicArray, seed: int = 0, seconds: float = 2.0) -> np.ndarray:
    """Noise from all around, and the microphones' own 20 dB below."""
    rng = np.random.default_rng(seed)
    field = diffuse(rng.standard_normal((array.mics, round(seconds * RATE))), array.positions_m, RATE)
    return (0.01 * (field + 0.1 * rng.standard_normal(field.shape))).astype(np.float32)


def plane_wave(array: MicArray, azimuth_deg: float, seed: int = 0, seconds: float = 2.0) -> np.ndarray:
    """A hiss from far away at an elevation of 20 degrees, and some noise from all around."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * RATE)
    azimuth, elevation = np.deg2rad([azimuth_deg, 20.0])
    towards = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    early_s = np.array(array.positions_m) @ towards / 343.0
    shift = np.exp(2j * np.pi * np.fft.rfftfreq(samples, 1 / RATE) * early_s[:, None])
    wave = np.fft.irfft(shift * np.fft.rfft(rng.standard_normal(samples)), samples)
    return (0.1 * wave).astype(np.float32) + noise(array, seed, seconds)


def swap(x: np.ndarray, a: int, b: int) -> np.ndarray:
    x = x.copy()
    x[[a, b]] = x[[b, a]]
    return x


def distances(array: MicArray, order: tuple[int, ...]) -> np.ndarray:
    placed = np.array(array.positions_m)[list(order)]
    return np.linalg.norm(placed[:, None] - placed, axis=-1)


def swapped_order(mics: int, a: int, b: int) -> tuple[int, ...]:
    return tuple({a: b, b: a}.get(m, m) for m in range(mics))


def tellable(array: MicArray, order: tuple[int, ...]) -> bool:
    """Whether the order changes any distance; those of a circle turned round do not."""
    return bool(np.abs(distances(array, order) - distances(array, tuple(range(array.mics)))).max() > 2e-3)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("sound", ["noise", "delays"])
def test_arrays_in_order_are_never_called_swapped(name: str, sound: str) -> None:
    array = load_array(name)
    for seed in range(2):
        x = noise(array, seed) if sound == "noise" else plane_wave(array, 77.0 * seed + 10, seed)
        found = microphone_order(x, array.positions_m, RATE)
        assert not found.known or found.as_described
        assert found.known or array.mics < 4 or sound == "delays"


@pytest.mark.parametrize("name", ["respeaker-6mic", "respeaker-4mic-linear", "minidsp-uma8"])
@pytest.mark.parametrize("sound", ["noise", "delays"])
def test_every_two_that_changed_places_are_found(name: str, sound: str) -> None:
    array = load_array(name)
    x = noise(array) if sound == "noise" else plane_wave(array, 25.0)
    told = 0
    for a, b in combinations(range(array.mics), 2):
        wanted = swapped_order(array.mics, a, b)
        if not tellable(array, wanted):
            continue
        found = microphone_order(swap(x, a, b), array.positions_m, RATE)
        assert not found.as_described, (a, b)
        if found.known:
            told += 1
            assert any(
                np.allclose(distances(array, order), distances(array, wanted), atol=2e-3) for order in found.orders
            )
            assert all(sum(m != i for i, m in enumerate(order)) == 2 for order in found.orders)
    assert told >= 0.7 * sum(
        tellable(array, order) for order in orders(array.mics) if sum(m != i for i, m in enumerate(order)) == 2
    )


def test_of_a_square_both_pairs_that_may_have_changed_places_are_named() -> None:
    array = load_array("respeaker-4mic")
    found = microphone_order(swap(noise(array), 0, 1), array.positions_m, RATE)
    assert len(found.orders) > 1 and swapped_order(4, 0, 1) in found.orders


def test_a_circle_turned_round_is_not_told_from_one_that_is_not() -> None:
    array = load_array("respeaker-6mic")
    found = microphone_order(np.roll(noise(array), 1, axis=0), array.positions_m, RATE)
    assert found.as_described  # by the distances, which is all that can be said


@pytest.mark.parametrize("kind", ["two", "short", "silence", "independent", "the same"])
def test_where_nothing_can_be_told_nothing_is(kind: str) -> None:
    array = load_array("respeaker-6mic")
    positions, x = array.positions_m, noise(array)
    if kind == "two":
        positions, x = positions[:2], x[:2]
    elif kind == "short":
        x = x[:, :1000]
    elif kind == "silence":
        x = np.zeros_like(x)
    elif kind == "independent":
        x = np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    else:
        x = np.repeat(x[:1], 6, axis=0)  # a source straight above, or one microphone on all channels
    assert not microphone_order(x, positions, RATE).known


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match="expected \\[mics, n\\] with 6 microphones"):
        microphone_order(np.zeros((4, 9999), np.float32), load_array("respeaker-6mic").positions_m, RATE)


@pytest.mark.parametrize("sound", ["chirp", "hiss"])
def test_in_rooms_with_echoes_no_good_array_is_called_swapped_and_no_swapped_one_good(sound: str) -> None:
    pytest.importorskip("pyroomacoustics", reason="needs rooms: pip install 'edge-sdk[train]'")
    from scipy.signal import chirp, fftconvolve

    from models.data.rooms import RoomConfig
    from models.data.simulation import simulate_room

    array, told = load_array("respeaker-4mic-linear"), 0
    seconds = np.arange(2 * RATE) / RATE
    for index in range(3):
        rng = np.random.default_rng(index)
        source = chirp(seconds, 200, 2, 7000) if sound == "chirp" else rng.standard_normal(2 * RATE)
        room = simulate_room(RoomConfig(positions=1), array, RATE, seed=5, index=index)
        heard = fftconvolve(source[np.newaxis], room.rirs[0], axes=1)[:, : 2 * RATE]
        x = (0.05 * heard / heard.std()).astype(np.float32) + noise(array, index) / 3
        in_order, swapped = (microphone_order(y, array.positions_m, RATE) for y in (x, swap(x, 1, 3)))
        assert in_order.as_described or not in_order.known
        assert not swapped.as_described
        told += in_order.known and swapped.known
    assert told >= 2

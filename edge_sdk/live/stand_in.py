"""Other microphones in the place of broken ones.

Where one microphone alone is listened to, another takes its place. A network of an array knows places: to it the array
is turned or mirrored, which leaves all its distances as they are, until good microphones are where it needs them most:
in the place of the reference, and in the next one, with which the other view of a network of two views begins. What
broken ones deliver is silence, as in its training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.microphones import MicrophoneMonitor
from edge_sdk.live.gaps import half_cosine
from edge_sdk.live.metrics import Metrics

Samples = NDArray[np.float32]
Order = tuple[int, ...]  # the microphone that is heard in each row
FADE_S = 0.01
ALIKE_M = 1e-3  # arrays are built to less


class StandIn:
    """Watches the microphones, says in `metrics.mic_faults` what is wrong with each, and uses the one of `orders` that
    puts good ones into `rows`.

    orders: the usual one first. rows: what matters most first. mute: faulty microphones are silent, as long as half of
    all are good.
    """

    def __init__(
        self, metrics: Metrics, orders: Sequence[Order], rows: Sequence[int] = (0,), mute: bool = False
    ) -> None:
        self._monitor = MicrophoneMonitor(metrics.mics, metrics.rate_hz)
        self._metrics, self._rows, self._mute = metrics, tuple(rows), mute
        self._fade = half_cosine(round(FADE_S * metrics.rate_hz))
        self._orders, self._everyone = tuple(orders), np.ones((metrics.mics, 1), np.float32)
        self._usual = self._from = self._to = (np.array(self._orders[0]), self._everyone)
        self._faded = len(self._fade)

    def watch(self, x: Samples) -> None:
        """Take samples of the microphones, `[mics, n]`, as they were captured, without silence for lost ones."""
        if self._monitor.observe(x):
            self._metrics.mic_faults = self._monitor.faults
            self._from, self._to, self._faded = self._to, self._chosen(self._monitor.good), 0

    def replace(self, x: Samples) -> None:
        """Write what is to be listened to into the rows."""
        fade = self._fade[self._faded : self._faded + x.shape[1]]
        if self._to is self._usual and not len(fade):
            return
        after = heard(x, *self._to)
        if len(fade):
            before = heard(x[:, : len(fade)], *self._from)
            after[:, : len(fade)] = before + fade * (after[:, : len(fade)] - before)
            self._faded += len(fade)
        x[...] = after

    def _chosen(self, good: Sequence[bool]) -> tuple[NDArray[np.int64], Samples]:
        """Which microphone is heard in each row, and how loud."""
        chosen = best_order(self._orders, self._rows, good)
        mute = self._mute and not all(good) and 2 * sum(good) >= len(good)
        if chosen == self._orders[0] and not mute:
            return self._usual
        order = np.array(chosen)
        return order, np.array(good, np.float32)[order, None] if mute else self._everyone


def best_order(orders: Sequence[Order], rows: Sequence[int], good: Sequence[bool]) -> Order:
    """The first order with a good microphone in the first of the rows, and among such ones in the next."""
    return max(orders, key=lambda order: [good[order[row]] for row in rows])


def rows_of_views(array: MicArray) -> tuple[int, ...]:
    """The rows that matter most to a network of an array: the reference, and where a second view begins."""
    return array.reference, (array.reference + 1) % array.mics


def heard(x: Samples, order: NDArray[np.int64], gains: Samples) -> Samples:
    """The microphones in that order, each so loud."""
    return gains * x[order]


def replacing(array: MicArray) -> list[Order]:
    """The array as it is, and with each other microphone in the place of the reference, the nearest first."""
    usual, reference = tuple(range(array.mics)), array.reference
    swapped = ((*usual[:reference], mic, *usual[reference + 1 :]) for mic in by_distance(array))
    return [usual, *swapped]


def turning(array: MicArray) -> list[Order]:
    """The array as it is, and turned so that another microphone is where the reference was, the nearest first, as far
    as its shape allows; mirrored where no turn does it.

    A mirrored ring would have the old reference as its second microphone, with which another view of a network begins.
    """
    places = np.array(array.positions_m)
    turned = (
        min(congruent(array, mic), key=lambda order: mirrored(places, order), default=None)
        for mic in by_distance(array)
    )
    return [tuple(range(array.mics)), *(order for order in turned if order is not None)]


def mirrored(places: NDArray[np.float64], order: Order) -> bool:
    """Whether microphones that stand at `places`, `[M, 3]`, go round the other way in that order."""
    before, after = (np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0) for ring in (places, places[list(order)]))
    return bool(before @ after < 0)


def by_distance(array: MicArray) -> list[int]:
    """All microphones but the reference, the nearest to it first."""
    places, reference = array.positions_m, array.reference
    others = (mic for mic in range(array.mics) if mic != reference)
    return sorted(others, key=lambda mic: math.dist(places[mic], places[reference]))


def congruent(array: MicArray, first: int) -> Iterator[Order]:
    """Every order of the microphones with all distances as they were and `first` in the place of the reference."""
    places, rows = np.array(array.positions_m), [array.reference, *by_distance(array)]
    apart_m = np.linalg.norm(places[:, None] - places, axis=-1)

    def completed(chosen: list[int]) -> Iterator[Order]:
        if len(chosen) == len(rows):
            yield tuple(mic for _, mic in sorted(zip(rows, chosen, strict=True)))
            return
        wanted = apart_m[rows[len(chosen)], rows[: len(chosen)]]
        for mic in range(array.mics):
            if mic not in chosen and np.allclose(apart_m[mic, chosen], wanted, rtol=0, atol=ALIKE_M):
                yield from completed([*chosen, mic])

    return completed([first])

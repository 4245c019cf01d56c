"""Stored rooms of several folders as one list: small and large ones, simulated and measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from edge_sdk.audio.arrays import MicArray
from edge_sdk.errors import DataError
from models.data.rirs import Room, RoomStore


class SeveralRooms:
    """The rooms of all stores, in their order; `DataError` where they are of different arrays or rates."""

    def __init__(self, stores: Sequence[RoomStore]) -> None:
        self.stores, self.ends = tuple(stores), list(accumulate(len(store) for store in stores))
        first = stores[0]
        self.array: MicArray = first.array
        self.sample_rate, self.mics = first.sample_rate, first.mics
        for other in stores[1:]:
            if (other.array.positions_m, other.sample_rate) != (first.array.positions_m, first.sample_rate):
                raise DataError(
                    f"{first.folder} has rooms of {first.array.name} at {first.sample_rate} Hz, {other.folder} of "
                    f"{other.array.name} at {other.sample_rate} Hz; name folders of one array and rate"
                )

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, index: int) -> Room:
        if not 0 <= index < len(self):
            raise IndexError(f"room {index} of {len(self)}")
        number = next(n for n, end in enumerate(self.ends) if index < end)
        return self.stores[number][index - self.ends[number] + len(self.stores[number])]

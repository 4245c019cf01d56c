"""The microphones that a network of an array was trained for, and what others mean for it."""

from __future__ import annotations

from dataclasses import replace

from edge_sdk.audio.arrays import MicArray, load_array, shipped_arrays
from edge_sdk.contract import Manifest

ALIKE_M = 2e-3  # distances between microphones that differ by less: the same board, built or measured anew


def array_of(m: Manifest) -> MicArray | None:
    """Where the microphones stand that a model was trained for, see `array_named`."""
    return array_named(m.array, m.mics)


def array_named(name: str, mics: int) -> MicArray | None:
    """Where so many microphones of a network of several stand, one capture channel each in their order; None where the
    name is none of those that come with this package, such as "any"."""
    if mics < 2 or name not in shipped_arrays():
        return None
    array = load_array(name)
    if array.mics != mics:
        return None
    return replace(array, channels=tuple(range(array.mics)), capture_channels=array.mics, processed=None, playback=())


def doubt(model: str, trained: MicArray | None, array: MicArray) -> str:
    """Why the model of that name, trained for some microphones, may do less with these, in a line; nothing where there
    is no doubt, or nothing known."""
    if trained is None or trained.mics != array.mics:
        return ""
    theirs = trained.distances()
    off_m = max(abs(apart - theirs[pair]) for pair, apart in array.distances().items())
    if off_m <= ALIKE_M:
        return ""
    return (
        f"{model} was trained for {trained.name}; microphones of {array.name} are up to {1e3 * off_m:.0f} mm "
        "nearer or further apart, so expect less, or train it for them (edge-sdk simulate rooms, edge-sdk train)"
    )

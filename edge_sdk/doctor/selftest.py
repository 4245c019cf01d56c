"""Findings about a microphone array, from a few seconds of what it hears."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.microphone_order import OrderFinding, microphone_order
from edge_sdk.audio.microphones import SELF_TEST, MicrophoneLimits, MicrophoneSignal, faults, signals
from edge_sdk.audio.pcm import Capture
from edge_sdk.doctor.findings import Finding
from edge_sdk.errors import AudioError

Samples = NDArray[np.float32]
LEAST_S = 1.0
QUIET_DB = -75.0  # below, what a microphone should hear is hardly above what its converter adds
SETTLING_S = 0.3  # that many sound cards need after they start


def record(capture: Capture, seconds: float) -> Samples:
    """What an array hears from now on, `[mics, n]`, without the first moments; less where a recording ends before."""
    skip, wanted = round(SETTLING_S * capture.rate_hz), round(seconds * capture.rate_hz)
    pieces: list[Samples] = []
    count = 0
    while count < skip + wanted:
        samples, _ = capture.read()
        if not samples.shape[1]:
            break
        pieces.append(samples.copy())
        count += samples.shape[1]
    heard = np.concatenate(pieces, axis=1) if pieces else np.zeros((capture.mics, 0), np.float32)
    return heard[:, skip : skip + wanted]


def self_test(
    x: Samples, rate_hz: int, array: MicArray | None = None, limits: MicrophoneLimits = SELF_TEST
) -> Iterator[Finding]:
    """Findings from sound, `[mics, n]`: each microphone by itself, then their order, if it is known where they sit."""
    if x.shape[1] < LEAST_S * rate_hz:
        raise AudioError(
            f"{x.shape[1] / rate_hz:.2f} s of sound: expected at least {LEAST_S:g} s; record the room for five"
        )
    if array is not None and len(x) != array.mics:
        raise AudioError(f"{len(x)} microphones, {array.name} has {array.mics}; give another recording or --array")
    found = signals(x)
    words = faults(found, limits)
    others_db = [mic.level_db for mic, word in zip(found, words, strict=True) if not word]
    usual_db = median(others_db) if others_db else median(mic.level_db for mic in found)
    if all(word == "dead" for word in words):
        yield Finding("microphones", "bad", "all silent", "sound", "unmute the device (alsamixer), check --capture")
        return
    for m, (mic, word) in enumerate(zip(found, words, strict=True)):
        if word:
            yield faulty(m, mic, word, usual_db, limits)
    if others_db:
        spread_db = max(others_db) - min(others_db)
        text = f"{len(others_db)} good, {usual_db:.0f} dB, {spread_db:.1f} dB apart"
        yield Finding("microphones", "good", text)
    if usual_db < QUIET_DB:
        todo = "make some noise, or a dead microphone may go unseen"
        yield Finding("room", "warning", f"{usual_db:.0f} dB", f"more than {QUIET_DB:.0f} dB", todo)
    if array is not None and array.mics > 2:
        if any(words):
            yield Finding("order", "warning", "not looked at", "good microphones", "mend the others first")
        else:
            yield in_order(microphone_order(x, array.positions_m, rate_hz), array)


def faulty(m: int, mic: MicrophoneSignal, word: str, usual_db: float, limits: MicrophoneLimits) -> Finding:
    """A microphone with a fault."""
    among = f"within {limits.unequal_db:g} dB of the others' {usual_db:.0f} dB"
    found, expected, todo = {
        "dead": (
            "dead: every sample is the same" if mic.stuck else f"dead: {mic.level_db:.0f} dB",
            among,
            "check its wiring, and its channel in the array's description",
        ),
        "clipped": (
            f"clipped: {100 * mic.clipped:.1f} % of the samples are at full scale",
            f"at most {100 * limits.clipped:g} %",
            "turn the gain down (alsamixer) or the sound",
        ),
        "offset": (
            f"offset by {100 * mic.offset:+.1f} % of full scale",
            f"at most {100 * limits.offset:g} %",
            "a high-pass takes it out; look for a leaky capacitor or a wrong bias",
        ),
        "quiet": (f"quiet: {mic.level_db:.0f} dB", among, "look for a covered port; set its gain"),
        "loud": (f"loud: {mic.level_db:.0f} dB", among, "look for a source close by, or a loose contact; set its gain"),
    }[word]
    # The high-pass makes an offset harmless while a stream runs.
    return Finding(f"microphone {m}", "warning" if word == "offset" else "bad", found, expected, todo)


def in_order(found: OrderFinding, array: MicArray) -> Finding:
    """What the sound says about the order of the channels."""
    how = "noise from all around" if found.way == "noise" else "the delays of one source"
    if not found.known:
        return Finding(
            "order",
            "warning",
            "nothing can be told from this sound",
            "noise from all around, or one source alone",
            "play noise from several sides, or clap to the side of the array",
        )
    if found.as_described:
        return Finding("order", "good", f"fits {array.name}, by {how}; turned or mirrored it would too")
    maybe = " or ".join(moved(order) for order in found.orders[:4])
    todo = f"correct channels in the array's description (now {list(array.channels)}), and tap on each to be sure"
    return Finding("order", "bad", f"by {how} {maybe}", f"the order of {array.name}", todo)


def moved(order: tuple[int, ...]) -> str:
    """Which microphone is heard on which other's channel."""
    return ", ".join(f"microphone {m} on the channel of {i}" for i, m in enumerate(order) if m != i)

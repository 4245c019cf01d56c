"""Microphones that break while a stream runs: which to listen to, and others in the place of those."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge_sdk.audio.microphones import MicrophoneMonitor
from edge_sdk.beamforming.signals import Samples

WINDOW_S = 0.4  # between two judgements; a fault is seen within two
CALM_S = 0.8  # without a fault, after which a microphone is well; statistics take longer before they count on it
FADE_S = 0.01


class MicrophoneWatch:
    """Judges the microphones of a stream once per window, and replaces the faulty ones for a network, which was never
    taught to do without. However the stream is cut, judgements fall on the same samples."""

    def __init__(self, mics: int, sample_rate: int, reference: int = 0) -> None:
        self._mics, self._rate, self._reference = mics, sample_rate, reference
        self._window = round(WINDOW_S * sample_rate)
        fade = max(1, round(FADE_S * sample_rate))
        self._fade = (0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 1) / fade)).astype(np.float32)
        self._before: list[int] = []  # for each row, the microphone that is heard there; `_now` after the fade
        self._now: list[int] = []
        self._judged = self._faded = 0  # samples since the last judgement, and since the last change as far as it fades
        self.reset()

    def pieces(self, x: Samples) -> Iterator[Samples]:
        """Samples `[M, n]` in pieces that end where a judgement is due, which is made before the next one. Run it to
        its end: what is left is not judged."""
        begin = 0
        while begin < x.shape[1]:
            piece = x[:, begin : begin + self._window - self._judged]
            yield piece
            self._monitor.observe(piece)
            self._judged = (self._judged + piece.shape[1]) % self._window
            if not self._judged and any(self._monitor.good):  # where none is, the room is silent
                self._listen_to(self._monitor.good)
            begin += piece.shape[1]

    def _listen_to(self, good: tuple[bool, ...]) -> None:
        self.good = good
        stand_in = self._reference if good[self._reference] else good.index(True)
        self._before, self._now = self._now, [m if ok else stand_in for m, ok in enumerate(good)]
        if self._now != self._before:
            self._faded = 0

    def replaced(self, x: Samples) -> Samples:
        """A piece with good microphones in the rows of faulty ones: the reference, or the first one that is good."""
        fade = self._fade[self._faded :][: x.shape[1]]
        self._faded += len(fade)
        y = x[self._now]
        changing = x[self._before, : len(fade)]
        y[:, : len(fade)] = changing + fade * (y[:, : len(fade)] - changing)
        return y

    def reset(self) -> None:
        """Take all microphones for good."""
        self._monitor = MicrophoneMonitor(self._mics, self._rate, window_s=WINDOW_S, calm_s=CALM_S)
        self.good = (True,) * self._mics
        self._before = self._now = list(range(self._mics))
        self._judged, self._faded = 0, len(self._fade)

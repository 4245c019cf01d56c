"""Ranges of activations along real streams: what recipes with fixed scales need to know of a network.

The ranges are of (block, state) pairs as they really occur: a model runs over whole mixtures as it will on the board,
and for every step all that went in, memory included, goes through a second interpreter that keeps its inner tensors.
States of noise would be of another distribution than those that a stream reaches, and the quantizer's own calibration
keeps a moving average of minima and maxima, which clips every peak of speech.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.contract import from_plain
from edge_sdk.errors import CheckpointError, DataError
from edge_sdk.framing import FrameBuffer
from edge_sdk.interpreter import StepInterpreter
from edge_sdk.windows import make_windows
from quantization.artifact import Artifact
from quantization.layers import POINTWISE, layers

Samples = NDArray[np.float32]

SHORTEST_S = 4.0  # of sound together: with less, whole classes of phones are missing
LONGEST_S = 40.0  # after this nothing more is listened to
SILENCE = 1e-10  # mean square below which a mixture is silent: -100 dBFS
BINS = 8192  # of a histogram; a percentile is exact to 1/4096 of the largest magnitude
BATCH = 1 << 16  # values that are counted at once


@dataclass(frozen=True)
class Limits:
    """Least and greatest of what goes into a layer, and of what comes out."""

    inputs: tuple[float, float]
    outputs: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """The limits of layers by name. about: what was listened to, for the manifest."""

    ranges: dict[str, Limits]
    about: dict[str, Any]

    def to_plain(self) -> dict[str, Any]:
        """As plain data, for the header of a checkpoint."""
        return asdict(self)


def calibration_from_plain(plain: Mapping[str, Any], where: str) -> Calibration:
    """What `to_plain` gave."""
    try:
        return from_plain(Calibration, dict(plain))
    except ValueError as error:
        raise CheckpointError(f"{where}: its calibration is damaged ({error}); give --calibration") from error


def calibrate(artifact: Artifact, mixtures: Iterable[tuple[str, Samples]], percentile: float = 100.0) -> Calibration:
    """The limits of every pointwise layer while the float32 model separates mixtures, `[mics, n]`, given by name.

    percentile: 100 keeps minimum and maximum. Less gives what rare peaks need to the others: 99.99 leaves one value in
    ten thousand at either end outside, where it is clipped. The same mixtures give the same limits every time.
    Raises `DataError` where they are none, too short together, silent, not finite, or of other microphones.
    """
    if not 90 <= percentile <= 100:
        raise ValueError(f"percentile = {percentile}: expected 90 to 100")
    m, seconds, number, digest = artifact.manifest, 0.0, 0, hashlib.sha256()
    watched = WatchedStep(artifact)
    windows, buffer = make_windows(m, watched), FrameBuffer(m.mics, m.context + m.window, m.hop, m.frames_per_step)
    for name, mixture in mixtures:
        check_mixture(name, mixture, m.mics)
        if (left := int((LONGEST_S - seconds) * m.sample_rate)) < m.block:
            break
        watched.reset()
        buffer.reset()
        heard = mixture[:, :left].astype(np.float32)
        for frames in buffer.push(heard):
            windows.make(frames)
        seconds, number = seconds + heard.shape[1] / m.sample_rate, number + 1
        digest.update(heard.tobytes())
    if not seconds >= SHORTEST_S:
        given = f"{seconds:.1f} s of sound" if number else "no mixtures"
        raise DataError(f"calibration: {given}, at least {SHORTEST_S:g} s expected; give more recordings")
    about = {"mixtures": number, "seconds": round(seconds, 2), "percentile": percentile, "sha256": digest.hexdigest()}
    return Calibration(watched.limits(percentile), about)


def check_mixture(name: str, mixture: Samples, mics: int) -> None:
    """`DataError` where nothing can be learned from a mixture."""
    if mixture.ndim != 2 or len(mixture) != mics:
        raise DataError(f"calibration: {name} has {len(mixture)} microphone(s), the model takes {mics}; give others")
    if not np.isfinite(mixture).all():
        raise DataError(f"calibration: {name} holds NaN or infinite samples; leave it out or write it again")
    if not mixture.size or np.mean(np.square(mixture, dtype=np.float64)) < SILENCE:
        raise DataError(f"calibration: {name} is silent; give mixtures as the model will hear them")


class WatchedStep(StepInterpreter):
    """The step as it runs, and the values that go into and come out of its pointwise layers."""

    def __init__(self, artifact: Artifact) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        super().__init__(artifact.manifest, artifact.model)
        self.layers = [layer for layer in layers(artifact.model) if layer.op == POINTWISE]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that kept tensors take memory
            self.open = Interpreter(
                model_content=artifact.model,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
        self.open.allocate_tensors()
        self.given = [int(detail["index"]) for detail in self.open.get_input_details()]
        indices = {detail["name"]: int(detail["index"]) for detail in self.open.get_tensor_details()}
        names = dict.fromkeys(name for layer in self.layers for name in (*layer.inputs, *layer.outputs))
        self.seen = {name: (indices[name], Histogram()) for name in names}

    def invoke(self) -> None:
        for index in self.given:  # both interpreters are of one model, so their tensors have the same numbers
            self.open.set_tensor(index, self._interpreter.get_tensor(index))
        self.open.invoke()
        for index, histogram in self.seen.values():
            histogram.add(self.open.get_tensor(index))
        super().invoke()

    def limits(self, percentile: float) -> dict[str, Limits]:
        """What was seen until now, of several operators of a layer together."""
        of = {name: histogram.limits(percentile) for name, (_, histogram) in self.seen.items()}

        def widest(names: tuple[str, ...]) -> tuple[float, float]:
            return min(of[name][0] for name in names), max(of[name][1] for name in names)

        return {layer.name: Limits(widest(layer.inputs), widest(layer.outputs)) for layer in self.layers}


class Histogram:
    """How often values occur, in bins of a range that doubles whenever one lies outside."""

    def __init__(self) -> None:
        self.low, self.high, self.reach = math.inf, -math.inf, 2.0**-20
        self.counts, self.waiting, self.size = np.zeros(BINS, np.int64), list[Samples](), 0

    def add(self, values: Samples) -> None:
        """Count some values, whatever their shape."""
        self.waiting.append(values.ravel())
        self.size += values.size
        if self.size >= BATCH:
            self.count()

    def count(self) -> None:
        """Take those that wait into the bins."""
        if not self.waiting:
            return
        values = np.concatenate(self.waiting).astype(np.float64)
        self.waiting, self.size = [], 0
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        while self.reach <= max(-self.low, self.high):
            merged = np.zeros_like(self.counts)
            merged[BINS // 4 : -BINS // 4] = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts, self.reach = merged, 2 * self.reach
        bins = ((values / self.reach + 1) * (BINS // 2)).astype(np.int64)
        self.counts += np.bincount(bins, minlength=BINS)

    def limits(self, percentile: float) -> tuple[float, float]:
        """The values below and above which so few lie; the least and the greatest for 100."""
        self.count()
        if percentile == 100:
            return self.low, self.high
        shares = np.cumsum(self.counts) / self.counts.sum()
        edges = (np.arange(BINS + 1) / (BINS // 2) - 1) * self.reach
        outside = 1 - percentile / 100
        low = edges[int(np.searchsorted(shares, outside, side="right"))]
        high = edges[int(np.searchsorted(shares, 1 - outside)) + 1]
        return max(self.low, float(low)), min(self.high, float(high))

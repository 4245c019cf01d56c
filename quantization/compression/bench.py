"""Candidates measured: built, run, proved against their network, timed beside the reference and scored in dB."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_sdk.audio.wav import write_wav
from edge_sdk.contract import from_plain, to_plain
from edge_sdk.errors import EdgeError
from models.network import Network
from models.runs import Pairs
from quantization.artifact import Artifact
from quantization.compression.candidates import NARROW, REFERENCE, WIDE, Candidate, Measured, Origin
from quantization.compression.front import Point
from quantization.compression.journal import Journal
from quantization.compression.origins import Origins
from quantization.costs import gains_of
from quantization.layers import layers
from quantization.parity import check
from quantization.quantize import quantize
from quantization.recipes import get_recipe
from quantization.sensitivity import lost
from quantization.timing import step_times

log = logging.getLogger(__name__)

STEPS = 600  # of a candidate and of the reference that are timed in turn
SENSED = 2  # mixtures that put layers in an order; what counts is measured on all
# What a candidate is proved on, besides weight by weight: a part of the first mixture, because the network block by
# block in torch takes ten times as long as all else of a candidate. What is written passes the gate of every export.
GATE_S = 1.5
GATE = "gate.wav"


class Bench:
    """Measures what is not in the journal yet, and says what it is at.

    mixtures: the whole set; the first `count` compare candidates. reference: the microphone of the targets.
    """

    def __init__(
        self,
        folder: Path,
        origins: Origins,
        mixtures: Pairs,
        count: int,
        reference: int,
        journal: Journal,
        say: Callable[[str], None] = log.debug,
    ) -> None:
        self.origins, self.mixtures, self.everything = origins, mixtures[:count], mixtures
        self.reference, self.journal = reference, journal
        self.gate, self.say = folder / GATE, say
        self.baseline: Artifact | None = None

    def measure(self, candidate: Candidate) -> Measured:
        """What the journal says of a candidate, or a measurement."""
        found = self.journal.remember(candidate.label, lambda: to_plain(self.measured(candidate)))
        try:
            return from_plain(Measured, found)
        except ValueError as error:
            raise EdgeError(
                f"{self.journal.path}: what it says of {candidate.label} is not readable ({error}); remove that line"
            ) from error

    def measured(self, candidate: Candidate) -> Measured:
        """A candidate built and measured."""
        self.say(f"{self.journal.count} measured; {candidate.label}")
        network, floating = self.origins.open(candidate.origin)
        proof = self.proof(network)
        try:
            artifact = build(candidate, floating)
            parity = check(network, artifact, proof)
        except EdgeError as error:
            if candidate == REFERENCE:
                raise
            log.warning("%s: %s", candidate.label, error)
            return Measured(candidate, refused=str(error))
        times = np.median(step_times([self.whole(), artifact], STEPS), axis=0)
        before = self.journal.remember("gains", lambda: self.gains(self.whole(), self.mixtures))
        row = lost(candidate.label, 1.0, np.array(before), np.array(self.gains(artifact, self.mixtures)))
        size, (reference_us, step_us) = artifact.manifest.size, (round(1e6 * float(t), 2) for t in times)
        step_us = reference_us if candidate == REFERENCE else step_us
        return Measured(candidate, size, step_us, reference_us, row.loss_db, row.worst_db, parity.model_db)

    def confirm(self, point: Point) -> Point:
        """The point with its losses on the whole set."""
        if len(self.mixtures) == len(self.everything):
            return point
        self.say(f"{point.label} on all {len(self.everything)} mixtures")
        artifact = build(point.candidate, self.origins.open(point.candidate.origin)[1])
        before = self.on_all(REFERENCE, self.whole())
        after = self.on_all(point.candidate, artifact)
        row = lost(f"{point.label} on all", 1.0, before, after)
        return replace(point, loss_db=row.loss_db, worst_db=row.worst_db)

    def on_all(self, candidate: Candidate, artifact: Artifact) -> np.ndarray:
        """The improvement of every mixture of the set by the model of a candidate."""
        found = self.journal.remember(f"all gains {candidate.label}", lambda: self.gains(artifact, self.everything))
        return np.array(found)

    def order(self, origin: Origin) -> list[tuple[str, int]]:
        """Layers of an origin that narrow differently, and their weights: least lost per weight first.

        Each layer alone is narrowed in the whole network, once for all origins; what gains by it loses nothing.
        """
        wide, narrow = (get_recipe(name).precision for name in (WIDE, NARROW))
        _, floating = self.origins.open(origin)
        weights = {layer.name: layer.weights for layer in layers(floating.model) if wide(layer) != narrow(layer)}
        whole = {layer.name: layer.weights for layer in layers(self.whole().model)}
        losses = {name: self.loss_of(name) for name in weights if name in whole}
        ranked = sorted(losses, key=lambda name: (max(losses[name], 0.0) / whole[name], -whole[name]))
        return [(name, weights[name]) for name in ranked]

    def loss_of(self, layer: str) -> float:
        """What the whole network in int8 loses by one layer in int4."""

        def alone() -> float:
            self.say(f"{self.journal.count} measured; {layer} alone in {NARROW}")
            before = self.journal.remember(f"gains {WIDE}", lambda: gains().tolist())
            return lost(layer, 1.0, np.array(before), gains(layer)).loss_db

        def gains(*narrow: str) -> np.ndarray:
            artifact = build(Candidate(REFERENCE.origin, WIDE, narrow), self.whole())
            return gains_of(artifact, self.mixtures[:SENSED], self.reference)

        return float(self.journal.remember(f"layer {layer}", alone))

    def gains(self, artifact: Artifact, mixtures: Pairs) -> list[float]:
        """The improvement of every mixture by a model; `EdgeError` where one has none."""
        found = gains_of(artifact, mixtures, self.reference)
        if not np.isfinite(found).all():
            raise EdgeError(
                f"mixture {int(np.flatnonzero(~np.isfinite(found))[0])} of the set has no SI-SDR improvement by "
                f"{artifact.manifest.name}: a source is silent; choose other mixtures"
            )
        return [float(gain) for gain in found]

    def whole(self) -> Artifact:
        """The model of the reference."""
        if self.baseline is None:
            self.baseline = self.origins.open(REFERENCE.origin)[1]
        return self.baseline

    def proof(self, network: Network) -> Path:
        """The mixture of the gate, written once."""
        if not self.gate.is_file():
            rate, mixture = network.config.sample_rate, self.mixtures[0][0]
            start = max(0, mixture.shape[1] // 2 - round(GATE_S * rate / 2))
            write_wav(self.gate, mixture[:, start : start + round(GATE_S * rate)], rate, "FLOAT")
        return self.gate


def build(candidate: Candidate, floating: Artifact) -> Artifact:
    """The model of a candidate, from the float32 model of its origin; it runs."""
    if candidate.recipe == "float32" and not candidate.narrow:
        return floating
    return quantize(floating, candidate.recipe, "candidate", candidate.overrides)

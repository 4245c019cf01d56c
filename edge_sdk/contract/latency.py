"""Where the algorithmic latency of a model comes from: of its frames, not of the time that computing takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LatencyPart:
    """Samples that a part of a model adds to its latency, and why."""

    name: str
    samples: int
    reason: str


def latency_parts(
    window: int, hop: int, context: int = 0, alignment: int = 0, frames_per_step: int = 1
) -> tuple[LatencyPart, ...]:
    """The parts of the latency of causal layers over such frames, lengths in samples; their sum is the whole."""
    hops, waits = window // hop, (frames_per_step - 1) * hop
    return (
        LatencyPart("hop", hop, f"a frame comes every {hop} samples, and the first of them waits for the last"),
        LatencyPart("window", window - hop, f"a sample is complete when {hops} windows that overlap have been added"),
        LatencyPart("alignment", alignment, "how far filters reach into the future of a microphone"),
        LatencyPart("frames per step", waits, f"the first of {frames_per_step} frames waits for the last"),
        LatencyPart("context", 0, f"{context} samples more of the past are seen; they have arrived long ago"),
        LatencyPart("layers", 0, "all are causal: none waits for a later frame"),
    )

"""A report in the text format that Prometheus collects (exposition format, version 0.0.4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_sdk.live.metrics import BINS_PER_OCTAVE, UPPER_S
from edge_sdk.live.reports import Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Family:
    """A metric: samples of one name, each with labels."""

    name: str
    kind: str  # counter, gauge or histogram
    help: str
    samples: Sequence[tuple[str, dict[str, str], float]]  # what is appended to the name, labels, value


def exposition(report: Report) -> str:
    """The report as text, a line per value."""
    return "".join(f"{line}\n" for family in families(report) for line in lines(family))


def families(report: Report) -> Iterator[Family]:
    """Every metric of a report."""
    s, system = report.stream, report.system
    yield gauge("uptime_seconds", "Since the stream began.", s.uptime_s)
    yield gauge("sample_rate_hertz", "Samples per second and channel.", s.rate_hz)
    yield counter("blocks", "Blocks that went through the chain.", s.blocks)
    yield counter("samples_captured", "Samples of one channel read from the microphones.", s.captured)
    yield counter("samples_lost", "Samples that never arrived, and were filled with silence.", s.lost)
    yield counter("samples_processed", "Samples that went through the chain, lost ones included.", s.processed)
    yield gauge("samples_waiting", "Samples that wait to fill a block.", s.waiting)
    yield counter("samples_played", "Samples written to the playback device.", s.played)
    yield counter("samples_inserted", "Silence added to keep the playback device filled.", s.inserted)
    yield counter("samples_dropped", "Samples left out to keep the playback device from overflowing.", s.dropped)
    yield counter("samples_limited", "Samples that the limiter made smaller.", s.limited)
    yield counter("samples_repaired", "Samples that were not finite and became silence.", s.repaired)
    yield counter("howls", "Times that feedback was heard and turned down.", s.howls)
    yield counter("overruns", "Times that the microphones were read too late.", s.overruns)
    yield counter("underruns", "Times that the playback device ran dry.", s.underruns)
    yield counter("devices_reopened", "Times that a device went away and came back.", s.reopened)
    yield labelled(
        "fallback_blocks_total", "counter", "Blocks that left as the reference microphone.", "reason", s.fallbacks
    )
    yield gauge("rung", "Place on the ladder, 0 is the chosen model.", s.rung)
    active = {name: float(i == s.rung) for i, name in enumerate(s.rungs)}
    yield counter("swaps", "Models that took the place of another without a pause.", s.swaps)
    yield labelled("engine_active", "gauge", "1 for what makes the sound now.", "engine", active)
    yield gauge("block_seconds", "How long a block lasts, and may take.", s.block_s)
    yield counter("blocks_late", "Blocks that took longer than they last.", s.missed)
    yield histogram("step_seconds", "Time per block.", s.step_bins, s.step_total_s)
    yield labelled("input_peak_dbfs", "gauge", "Peak meter, falling 20 dB in 1.5 s.", "mic", numbered(s.peak_in_db, 0))
    yield labelled("output_peak_dbfs", "gauge", "The same of the outputs.", "source", numbered(s.peak_out_db, 1))
    good = [float(not fault) for fault in s.mic_faults]
    yield labelled("mic_good", "gauge", "0 for a microphone that was found faulty.", "mic", numbered(good, 0))
    yield gauge("cpu_cores", "Cores kept busy, workers included.", system.cpu)
    yield gauge("resident_memory_bytes", "Memory, workers included.", system.resident_bytes)
    if system.temperature_c is not None:
        yield gauge("temperature_celsius", "Of the processor.", system.temperature_c)
    yield gauge("throttled", "1 while the processor is held back.", bool(system.throttled))


def gauge(name: str, help: str, value: float) -> Family:
    return Family(f"edge_sdk_{name}", "gauge", help, [("", {}, value)])


def counter(name: str, help: str, value: float) -> Family:
    return Family(f"edge_sdk_{name}_total", "counter", help, [("", {}, value)])


def labelled(name: str, kind: str, help: str, label: str, values: dict[str, int] | dict[str, float]) -> Family:
    """One value per value of a label."""
    return Family(f"edge_sdk_{name}", kind, help, [("", {label: key}, value) for key, value in values.items()])


def histogram(name: str, help: str, bins: Sequence[int], total: float) -> Family:
    """An octave a bucket; the bins' upper ends belong to them, as `le` wants it."""
    samples: list[tuple[str, dict[str, str], float]] = []
    for end in range(BINS_PER_OCTAVE, len(bins) + 1, BINS_PER_OCTAVE):
        samples.append(("_bucket", {"le": number(UPPER_S[end - 1])}, sum(bins[:end])))
    samples += [("_sum", {}, total), ("_count", {}, sum(bins))]
    return Family(f"edge_sdk_{name}", "histogram", help, samples)


def numbered(values: Sequence[float], first: int) -> dict[str, float]:
    return {str(i): value for i, value in enumerate(values, first)}


def lines(family: Family) -> Iterator[str]:
    """A family as the format writes it."""
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for suffix, labels, value in family.samples:
        pairs = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items())
        yield f"{family.name}{suffix}{f'{{{pairs}}}' if pairs else ''} {number(value)}"


def escaped(text: str) -> str:
    """A label's value, which is anything: an engine is called as its file is."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))

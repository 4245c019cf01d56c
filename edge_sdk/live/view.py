"""A stream as a terminal shows it while it runs: live with rich, a line a second without it or without a terminal."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from edge_sdk.live.metrics import UPPER_S, Snapshot
from edge_sdk.live.reports import Listener, Report, writable
from edge_sdk.live.system import SystemState

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

LIVE_S, LINE_S = 0.2, 1.0  # between pictures, between lines
FLOOR_DB = -60.0  # left end of a meter
LOUD_DB, NEAR_CLIPPING_DB = -12.0, -3.0
LABEL, LEVEL = 10, 10  # characters beside a meter
BARS, ASCII_BARS = " ▁▂▃▄▅▆▇█", " .:-=+*%#"


@contextmanager
def terminal_view(out: TextIO) -> Iterator[tuple[float, Listener]]:
    """How often to report, and to whom, so that people see it: a live picture where `out` can show one, else lines."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:  # a board without it
        yield LINE_S, Lines(out)
        return
    console = Console(file=out)
    if not console.is_terminal or console.is_dumb_terminal:
        yield LINE_S, Lines(out)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live, logged_above(console, out):

        def show(report: Report) -> None:
            if writable(out):
                live.update(Picture(report), refresh=True)

        yield LIVE_S, show


@contextmanager
def logged_above(console: Console, out: TextIO) -> Iterator[None]:
    """What is logged to the terminal meanwhile stands above the picture, and not across it."""
    from rich.file_proxy import FileProxy

    handlers = [getattr(handler, "inner", handler) for handler in logging.getLogger().handlers]  # of a LogLimit
    across = [h for h in handlers if isinstance(h, logging.StreamHandler) and h.stream is out]
    for handler in across:
        handler.setStream(FileProxy(console, out))
    try:
        yield
    finally:
        for handler in across:
            handler.setStream(out)


class Lines:
    """A listener that writes a line for people at each report."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def __call__(self, report: Report) -> None:
        if writable(self.out):
            self.out.write(line(report) + "\n")
            self.out.flush()


def line(report: Report) -> str:
    """A report in one line of ASCII."""
    s, system = report.stream, report.system
    parts = [
        clock(s.uptime_s),
        f"in {' '.join(f'{db:.0f}' for db in s.peak_in_db)} dB",
        f"out {' '.join(f'{db:.0f}' for db in s.peak_out_db)} dB",
        *(f"mic {m} {fault}" for m, fault in enumerate(s.mic_faults) if fault),
        f"block p50 {1e3 * s.step_p50_s:.2f} p99 {1e3 * s.step_p99_s:.2f} of {1e3 * s.block_s:.2f} ms",
        f"lost {s.lost}",
        f"xruns {s.overruns}+{s.underruns}",
        f"fallbacks {s.fell_back}",
        rung(s),
        *computer(system, " C"),
    ]
    return " | ".join(parts)


class Picture:
    """A report as something that rich can draw at any width."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        s, system = self.report.stream, self.report.system
        width, ascii_only = options.max_width, options.ascii_only
        yield Text.assemble((rung(s), "bold" if s.rung == 0 else "bold yellow"), f"  up {clock(s.uptime_s)}")
        for m, (db, fault) in enumerate(zip(s.peak_in_db, s.mic_faults, strict=True)):
            yield meter(f"mic {m}", db, fault, width, ascii_only)
        for source, db in enumerate(s.peak_out_db, 1):
            yield meter(f"source {source}", db, "", width, ascii_only)
        yield histogram(s, width, ascii_only)
        yield Text(
            f"p50 {duration(s.step_p50_s)}, p99 {duration(s.step_p99_s)}, p99.9 {duration(s.step_p999_s)},"
            f" slowest {duration(s.step_slowest_s)} of {duration(s.block_s)}"
        )
        yield counted("too late", {f"of {s.steps} blocks": s.missed})
        yield counted("fallbacks", s.fallbacks)
        yield counted("lost", {"samples": s.lost, "overruns": s.overruns, "reopened": s.reopened})
        yield counted("playback", {"underruns": s.underruns, "inserted": s.inserted, "dropped": s.dropped})
        yield counted("limiter", {"samples": s.limited, "repaired": s.repaired, "howls": s.howls}, "")
        hot = "red" if system.throttled else ""
        yield Text(", ".join(computer(system, " C" if ascii_only else " °C")), style=hot)


def meter(name: str, db: float, fault: str, width: int, ascii_only: bool) -> Text:
    """A level as a bar from -60 dB to full scale, in green, yellow from -12 dB, red from -3 dB."""
    from rich.text import Text

    room = max(0, width - LABEL - LEVEL - (len(fault) + 1 if fault else 0))
    filled = round(room * min(max(1 - db / FLOOR_DB, 0.0), 1.0))
    colour = "red" if db >= NEAR_CLIPPING_DB else "yellow" if db >= LOUD_DB else "green"
    full, empty = ("#", ".") if ascii_only else ("█", "·")
    return Text.assemble(
        f"{name:{LABEL}}"[:LABEL],
        (full * filled, colour),
        (empty * (room - filled), "dim"),
        f"{db:7.1f} dB",
        (f" {fault}" if fault else "", "bold red"),
    )


def histogram(s: Snapshot, width: int, ascii_only: bool) -> Text:
    """Times of the blocks, a column a bin, on logarithmic scales; red are those that took longer than a block lasts."""
    from rich.text import Text

    used = [i for i, count in enumerate(s.step_bins) if count]
    first, last = (used[0], used[-1]) if used else (0, -1)
    low, high = duration(UPPER_S[first - 1] if first else 0.0), duration(s.step_slowest_s)
    room = max(1, width - len(low) - len(high) - 2)
    each = -(-(last - first + 1) // room) or 1  # bins in a column
    columns = [(i, sum(s.step_bins[i : min(i + each, last + 1)])) for i in range(first, last + 1, each)]
    most = math.log1p(max((count for _, count in columns), default=1))
    bars = ASCII_BARS if ascii_only else BARS
    text = Text(f"{low} ")
    for i, count in columns:
        late = UPPER_S[i] > s.block_s * (1 + 1e-9)
        text.append(bars[math.ceil((len(bars) - 1) * math.log1p(count) / most)], "red" if late else "green")
    return text.append(f" {high}")


def counted(name: str, counts: dict[str, int], alarm: str = "red") -> Text:
    """A line of counters, those that are not 0 in the colour of alarm."""
    from rich.text import Text

    text = Text(f"{name:{LABEL}}")
    for i, (what, count) in enumerate(counts.items()):
        text.append(", " if i else "").append(f"{count} {what}", alarm if count else "")
    return text


def rung(s: Snapshot) -> str:
    """What makes the sound now, and where on the ladder that is."""
    name = s.rungs[s.rung] if s.rung < len(s.rungs) else str(s.rung)
    return name if len(s.rungs) == 1 else f"{name} (rung {s.rung + 1} of {len(s.rungs)})"


def computer(system: SystemState, degrees: str) -> Iterator[str]:
    """What there is to say about the computer."""
    yield f"cpu {100 * system.cpu:.0f} %"
    yield f"{system.resident_bytes / 1e6:.0f} MB"
    if system.temperature_c is not None:
        yield f"{system.temperature_c:.0f}{degrees}"
    if system.governor is not None:
        yield system.governor
    yield from system.throttled


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, s = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{s:02}"


def duration(seconds: float) -> str:
    """A short time with three digits or so."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} us"
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"

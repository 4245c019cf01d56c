"""The terminal shows what a report holds, at any width, in any alphabet, with and without rich."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import select
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from edge_sdk.live.log_limit import limited_log
from edge_sdk.live.reports import Report
from edge_sdk.live.view import LINE_S, LIVE_S, Picture, duration, line, terminal_view
from tests.edge_sdk.live.reported import busy, quiet

WIDTHS = (20, 40, 80, 200)


class Ascii(io.StringIO):
    encoding = "ascii"  # type: ignore[assignment]


def drawn(report: Report, width: int, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(Picture(report))
    return out.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_there_at_every_width(width: int) -> None:
    text = drawn(busy(), width)
    assert all(len(row) <= width for row in text.splitlines())
    words = " ".join(text.split())
    for expected in (
        *("delay-and-sum (rung 2 of 3)", "up 0:00:0", "mic 0", "mic 1", "source 1", "source 2", "dead"),
        *("-6.0 dB", "-120.0 dB", "-20.0 dB", "p50 1.52 ms", "p99 2.15 ms", "slowest 25 ms of 10 ms"),
        *("too late 2 of 1000 blocks", "2 late, 6 bad, 0 dead", "1160 samples, 3 overruns, 1 reopened"),
        *(
            "4 underruns, 320 inserted, 5 dropped",
            "77 samples",
            "cpu 123 %",
            "81 MB",
            "61 °C",
            "ondemand",
            "under-voltage",
        ),
    ):
        assert expected in words, expected


@pytest.mark.parametrize("width", WIDTHS)
def test_before_the_first_block_there_is_a_picture_too(width: int) -> None:
    text = drawn(quiet(), width)
    assert all(len(row) <= width for row in text.splitlines())
    assert "rung" not in text and "MB" in text and "°C" not in text


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert drawn(busy(), 80, Ascii()).isascii() and not drawn(busy(), 80).isascii()


def test_a_meter_is_as_long_as_the_level_is_high() -> None:
    report = quiet()
    rows = []
    for db in (-120.0, -60.0, -30.0, -15.0, 0.0, 120.0):
        text = drawn(Report(replace(report.stream, peak_in_db=(db,)), report.system), 79)
        rows.append(text.splitlines()[1].count("█"))
    assert rows == [0, 0, 30, 44, 59, 59]


def test_the_histogram_shows_late_blocks_in_red_and_the_others_in_green() -> None:
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=True, color_system="standard").print(Picture(busy()))
    row = next(row for row in out.getvalue().splitlines() if "25 ms" in row)
    green, red = (re.findall(rf"\x1b\[{code}m([^\x1b]*)", row) for code in (32, 31))
    assert len("".join(red).replace(" ", "")) == 2  # one column each for 15 ms and 25 ms
    assert 4 <= len("".join(green).replace(" ", "")) <= 6  # 1 ms to 2 ms is an octave, four bins


def test_a_line_holds_the_same_in_ascii() -> None:
    text = line(busy())
    assert text.isascii() and "\n" not in text
    for part in (
        *("in -6 -120 dB", "out -20 0 dB", "mic 1 dead", "block p50 1.52 p99 2.15 of 10.00 ms", "lost 1160"),
        *("xruns 3+4", "fallbacks 8", "delay-and-sum (rung 2 of 3)", "cpu 123 %", "61 C", "under-voltage"),
    ):
        assert part in text, part


def shown(terminal: int, last: str) -> str:
    """What a terminal is sent, up to a word."""
    seen = ""
    while last not in seen and select.select([terminal], [], [], 20)[0]:
        seen += os.read(terminal, 1 << 16).decode()
    return seen


def test_no_terminal_gets_a_line_per_report() -> None:
    out = io.StringIO()
    with terminal_view(out) as (interval_s, listener):
        assert interval_s == LINE_S
        listener(busy())
        listener(quiet())
    first, second = out.getvalue().splitlines()
    assert "| lost 1160 |" in first and "| lost 0 |" in second and "\x1b" not in first


def test_a_terminal_gets_a_picture_that_replaces_the_one_before() -> None:
    outer, inner = pty.openpty()
    with open(inner, "w", encoding="utf-8") as out, terminal_view(out) as (interval_s, listener):
        assert interval_s == LIVE_S
        listener(quiet())
        listener(busy())
        seen = shown(outer, "source 2")
    os.close(outer)
    first, again, second = seen.partition("\x1b[1A")  # the cursor goes up
    assert "mic 0" in first and again and "source 2" in second


def test_what_is_logged_stands_above_the_picture() -> None:
    outer, inner = pty.openpty()
    root = logging.getLogger()
    before = list(root.handlers)
    with open(inner, "w", encoding="utf-8") as out:
        root.handlers[:] = [logging.StreamHandler(out)]
        try:
            with limited_log(), terminal_view(out) as (_, listener):
                listener(quiet())
                shown(outer, "MB")  # the last line
                logging.getLogger("x").warning("device [hw:1] is gone")
                out.flush()
                seen = shown(outer, "MB")
            assert root.handlers[0].stream is out  # type: ignore[attr-defined]
        finally:
            root.handlers[:] = before
    os.close(outer)
    above, said, below = seen.partition("device [hw:1] is gone")
    assert said and "\x1b[1A" in above and "mic 0" in below


def test_a_board_without_rich_gets_lines() -> None:
    script = """
import io, sys
sys.modules["rich"] = None
from edge_sdk.live.view import Lines, terminal_view
out = io.StringIO()
out.isatty = lambda: True
with terminal_view(out) as (interval_s, listener):
    assert isinstance(listener, Lines)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 us"), (12.3e-6, "12 us"), (1.5e-3, "1.5 ms"), (0.25, "250 ms"), (12.34, "12.3 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text

"""The page that the demo writes: one HTML file with its sounds, pictures and style inside."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

Pairs = tuple[tuple[str, str], ...]

FRAME, HOP = 512, 160  # of the spectrogram: 32 ms and 10 ms at 16 kHz
FLOOR_DB, CEILING_DB, STEP_DB = -100.0, -30.0, 2.0  # steps that nobody sees, for which PNG files are half the size
TEMPLATE = Path(__file__).with_name("demo_page.html")


@dataclass(frozen=True)
class Table:
    """A table of finished cells, so that terminal and page show the same figures."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        """For the terminal: the first column to the left, figures to the right."""
        rows = (self.header, *self.rows)
        first, *others = (max(len(cell) for cell in column) for column in zip(*rows, strict=True))
        lines = [
            "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, others, strict=True))])
            for name, *cells in rows
        ]
        return "\n".join([self.title, *lines])

    def html(self) -> str:
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in self.header)
        rows = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
            for row in self.rows
        )
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(self.title)}"><table>'
            f"<caption>{escape(self.title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )


@dataclass(frozen=True)
class Clip:
    """A signal to look at, samples `[n]`, and to listen to, the bytes of a wav file."""

    title: str
    what: str
    score: str
    samples: NDArray[np.float32]
    wav: bytes
    accent: bool = False


@dataclass(frozen=True)
class Section:
    """One mixture in all its forms."""

    title: str
    lead: str
    clips: tuple[Clip, ...]
    sample_rate: int


def page(
    headline: Pairs, sections: list[Section], tables: list[Table], about: Pairs, attribution: tuple[str, ...]
) -> str:
    """The whole page; it loads nothing from anywhere."""
    parts = {
        "headline": "".join(f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for value, what in headline),
        "sections": "".join(section_html(section) for section in sections),
        "tables": "".join(table.html() for table in tables),
        "about": "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in about),
        "attribution": "".join(f"<li>{escape(line)}</li>" for line in attribution),
        "range": f"{CEILING_DB - FLOOR_DB:g}",
    }
    html = TEMPLATE.read_text(encoding="utf-8")
    for name, part in parts.items():
        html = html.replace(f"[[{name}]]", part)
    return html


def section_html(section: Section) -> str:
    clips = "".join(clip_html(clip, section) for clip in section.clips)
    return (
        f'<section class="mixture"><h2>{escape(section.title)}</h2><p>{escape(section.lead)}</p>'
        f'<div class="clips">{clips}</div></section>'
    )


def clip_html(clip: Clip, section: Section) -> str:
    seconds, top_khz = len(clip.samples) / section.sample_rate, section.sample_rate // 2000
    times = "".join(f'<span style="left:{100 * s / seconds:.2f}%">{s} s</span>' for s in range(int(seconds) + 1))
    pitches = "".join(f"<span>{khz}</span>" for khz in range(top_khz, -1, -2))
    score = f'<span class="score">{escape(clip.score)}</span>' if clip.score else ""
    where = f"{clip.what} ({section.title})"
    picture, sound = data_uri("image/png", spectrogram_png(clip.samples)), data_uri("audio/wav", clip.wav)
    return (
        f"<figure{' class=accent' if clip.accent else ''}>"
        f"<figcaption><h3>{escape(clip.title)}</h3>{score}<p>{escape(clip.what)}</p></figcaption>"
        f'<div class="plot"><div class="khz" aria-hidden="true">{pitches}</div>'
        f'<img alt="Spectrogram of {escape(where)}, {seconds:.1f} seconds, 0 to {top_khz} kHz" '
        f'src="{picture}">'
        f'<div class="seconds" aria-hidden="true">{times}</div></div>'
        f'<audio controls preload="metadata" aria-label="Listen to {escape(where)}" src="{sound}">'
        "</audio></figure>"
    )


def spectrogram_png(samples: NDArray[np.float32]) -> bytes:
    """Level over time and frequency; one pixel for 10 ms and 31 Hz at 16 kHz."""
    window = np.hanning(FRAME)
    padded = np.pad(samples, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    amplitudes = np.abs(np.fft.rfft(frames * window)) / (window.sum() / 2)  # a sine of full scale is 0 dB
    level_db = 20 * np.log10(np.maximum(amplitudes, 1e-9))
    steps = np.round(np.clip(level_db, FLOOR_DB, CEILING_DB) / STEP_DB) * STEP_DB
    file = io.BytesIO()
    imsave(file, steps.T, vmin=FLOOR_DB, vmax=CEILING_DB, cmap="magma", origin="lower", format="png")
    return file.getvalue()


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"

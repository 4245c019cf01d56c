"""What all pages have in common: a frame with places to fill, one style, and files that are written whole."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from edge_sdk.contract import write_files
from edge_sdk.errors import EdgeError

PAGE = "index.html"
PLACE = re.compile(r"\[\[(\w+)\]\]")


def check_free(folder: Path, option: str, force: bool = False) -> None:
    """`EdgeError` where a page cannot be written, or would overwrite one and not `force`: before the work is done.

    option: what the folder was given as.
    """
    if (folder / PAGE).exists() and not force:
        raise EdgeError(f"{folder / PAGE} exists; choose another {option} or give --force")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise EdgeError(f"{folder}: cannot be written below {there}; choose another {option}")


def write_page(folder: Path, html: str, name: str, data: Mapping[str, Any], option: str) -> None:
    """Write the page and its figures as JSON under a name, both or none."""
    try:
        write_files({folder / PAGE: html.encode(), folder / name: json.dumps(data, indent=1).encode()})
    except OSError as error:
        where = error.filename or folder
        raise EdgeError(
            f"{where}: cannot be written ({error.strerror}); free space or choose another {option}"
        ) from error


def fill(kind: str, parts: Mapping[str, str]) -> str:
    """The whole page of a kind, `comparison` or `evaluation`, with HTML in its places; it loads nothing from anywhere.

    Of `assets`, `page.html` and `page.css` are of all pages; KIND.html, KIND.js and, where there is one, KIND.css are
    of this one.
    """
    frame, main = asset("page.html"), asset(f"{kind}.html")
    own = {"style": asset("page.css") + asset(f"{kind}.css"), "script": asset(f"{kind}.js"), "data": f"{kind}.json"}
    html = PLACE.sub(lambda place: main if place[1] == "main" else place[0], frame)
    return PLACE.sub(lambda place: {**own, **parts}[place[1]], html)


def asset(name: str) -> str:
    """The text of a file of `assets`, empty where there is none."""
    file = files("quantization") / "assets" / name
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what they mean, for a `dl`."""
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)


def figures(drawings: Iterable[tuple[str, str]]) -> str:
    """Drawings below their titles."""
    return "".join(f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>" for title, svg in drawings)


def made_by(date: str, program: str = "edge-sdk") -> Iterator[tuple[str, str]]:
    """What else the figures of any page depend on."""
    yield "software", f"edge-sdk {version('edge-sdk')}, NumPy {np.__version__}, Python {platform.python_version()}"
    yield "date", date
    yield "command", shlex.join([program, *sys.argv[1:]])

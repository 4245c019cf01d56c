"""Pages taken apart: tags, tables, and what was never closed. And looked at in a browser: all of it shows and plays."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from tests.browser import browser

VOID = {"meta", "img", "br", "link", "input", "hr"}


def check_inside(html: str) -> None:
    """The page names no other place, and all that it shows and plays is in it."""
    assert not re.search(r"https?://|url\((?!#)|@import|<link|<iframe", html, re.IGNORECASE)
    for tag, attributes in Page.of(html).tags:
        for name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
            assert attributes.get(name, "#").startswith(("data:", "#")), (tag, name)


def check_shown(page: Path, sounds: int, folder: Path, width: int) -> None:
    """A browser opens the page from disk and asks for nothing else: so many sounds and pictures are decoded, drawings
    have a height, nothing is wider than the window, and nobody complains. folder: for the browser's profile."""
    with browser(folder, width) as shown:
        shown.open(page)
        ready = """Promise.all([...document.querySelectorAll("audio")].map(a => a.readyState > 0 ? 0 :
          new Promise(done => a.addEventListener("loadedmetadata", done))))"""
        shown.run(f"{ready}.then(() => true)")
        assert shown.run('[...document.querySelectorAll("audio")].filter(a => a.duration > 1).length') == sounds
        assert shown.run("[...document.images].filter(i => i.naturalWidth > 0).length") == sounds
        assert shown.run('[...document.querySelectorAll("svg")].every(s => s.getBoundingClientRect().height > 50)')
        assert shown.run("document.documentElement.scrollWidth <= innerWidth")
        assert shown.requests == [page.as_uri()]
        assert shown.complaints == []  # violations of the page's own policy, script errors


@dataclass
class Page(HTMLParser):
    """Tags, tables and what was never closed."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, html: str) -> Page:
        page = cls()
        page.feed(html)
        page.close()
        return page

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("th", "td"):
            self.tables[-1][-1][-1] += data

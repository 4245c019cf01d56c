"""Tables of finished cells, so that terminal, document and page show the same figures."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Table:
    """Rows of text below a header; `accent` is the number of the row that matters most."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    accent: int | None = None

    def text(self) -> str:
        """For the terminal: the first column to the left, figures to the right."""
        rows = (self.header, *self.rows)
        first, *others = (max(len(cell) for cell in column) for column in zip(*rows, strict=True))
        lines = [
            "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, others, strict=True))])
            for name, *cells in rows
        ]
        return "\n".join([self.title, *(f"  {line.rstrip()}" for line in lines)])

    def markdown(self) -> str:
        """For a document: the title in a line above."""
        rows = (self.header, ("---",) * len(self.header), *self.rows)
        return "\n".join([f"{self.title}:", "", *("| " + " | ".join(row) + " |" for row in rows)])

    def html(self) -> str:
        """For the page: scrolls by itself where it is too wide."""
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in self.header)
        rows = "".join(
            f"<tr{' class=accent' if number == self.accent else ''}>"
            f'<th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
            for number, row in enumerate(self.rows)
        )
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(self.title)}"><table>'
            f"<caption>{escape(self.title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

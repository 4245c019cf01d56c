"""What the doctor says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MARKS = {"good": "ok  ", "warning": "warn", "bad": "BAD "}


@dataclass(frozen=True)
class Finding:
    """status: good; warning, a stream runs but not as well as it could; bad, it does not or sounds wrong.

    found and expected as they stand in a sentence; `todo` is empty where there is nothing to do.
    """

    check: str
    status: Literal["good", "warning", "bad"]
    found: str
    expected: str = ""
    todo: str = ""

    def line(self) -> str:
        """One line for people."""
        expected = f"; expected {self.expected}" if self.expected else ""
        todo = f"; {self.todo}" if self.todo else ""
        return f"{MARKS[self.status]} {self.check}: {self.found}{expected}{todo}"


def bad(findings: Iterable[Finding]) -> bool:
    """Whether there is anything that has to be mended."""
    return any(finding.status == "bad" for finding in findings)

"""What a search has measured, one JSON line each, so that a second start goes on from there.

A line is on the disk before the next measurement begins. Of a line that a crash tore, which can only be the last, the
work is done again; any other that cannot be read is named, because nobody knows what it said.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_sdk.contract import canonical_json, parse_json
from edge_sdk.errors import EdgeError

FILE = "search.jsonl"
IDENTITY = "search"  # name of the first line


class Journal:
    """The findings of one search by their names; open it in a `with` statement, one process at a time.

    identity: what the findings depend on, plain data. `EdgeError` where the folder is of a search with another one,
    holds something else, or another process works in it.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.path = folder / FILE
        if folder.is_dir() and any(folder.iterdir()) and not self.path.exists():
            raise EdgeError(f"{folder}: holds files, and none is the {FILE} of a search; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        self.file = self.path.open("a+b")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.close()
            raise EdgeError(f"{folder}: another search works here; wait for it or choose another --out") from None
        try:
            self.found = self.read()
            self.check(identity)
        except EdgeError:
            self.file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()

    def remember(self, name: str, measure: Callable[[], Any]) -> Any:
        """What was found under this name; where nothing was, what measuring gives, plain data, kept from now on."""
        if name not in self.found:
            found = measure()
            self.append(name, found)
        return self.found[name]

    @property
    def count(self) -> int:
        """How many findings there are."""
        return len(self.found) - 1

    def append(self, name: str, found: Any) -> None:
        """Add a line and wait until the disk has it."""
        line = canonical_json({"found": found, "of": name})
        self.file.write(line + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.found[name] = json.loads(line)["found"]

    def read(self) -> dict[str, Any]:
        """All lines; a torn last one is cut off."""
        self.file.seek(0)
        lines, found, whole = self.file.read().splitlines(keepends=True), dict[str, Any](), 0
        for number, line in enumerate(lines, 1):
            try:
                entry = parse_json(line)
                name, value = entry["of"], entry["found"]
                if not line.endswith(b"\n") or not isinstance(name, str):
                    raise ValueError("not a name and what was found")
            except (ValueError, TypeError, KeyError) as error:
                if number < len(lines):
                    raise EdgeError(
                        f"{self.path}, line {number}: not readable ({error}); remove the line to measure it again, or "
                        "choose another --out"
                    ) from error
                break
            found[name], whole = value, whole + len(line)
        self.file.truncate(whole)
        return found

    def check(self, identity: dict[str, Any]) -> None:
        """The first line is this search's; it is written where there is none yet."""
        if not self.found:
            self.append(IDENTITY, identity)
            return
        kept, given = self.found.get(IDENTITY), json.loads(canonical_json(identity))
        if not isinstance(kept, dict):
            raise EdgeError(f"{self.path}: does not begin with the identity of a search; choose another --out")
        if changed := [name for name in {**kept, **given} if kept.get(name) != given.get(name)]:
            raise EdgeError(
                f"{self.path.parent}: the search there is of another {' and '.join(changed)}; bring "
                f"{'it' if len(changed) == 1 else 'them'} back, or choose another --out"
            )

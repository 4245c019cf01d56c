"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write aside in the same folder, sync, rename: a full disk or a kill leaves the old file or none.

    Makes the folder. `OSError` where it cannot be done; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())  # some file systems find the disk full only here
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)

"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write aside in the same folder, sync, rename: a full disk or a kill leaves the old file or none.

    Makes the folder. `OSError` where it cannot be done; nothing is left behind then.
    """
    write_files({path: data})


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write several files that belong together: all of them aside and synced, then renamed.

    Makes their folders. `OSError` where one cannot be written; then none is.
    """
    asides = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in files}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with asides[path].open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())  # some file systems find the disk full only here
        for path, aside in asides.items():
            aside.replace(path)
    finally:
        for aside in asides.values():
            with contextlib.suppress(OSError):  # the folder may not even be one
                aside.unlink(missing_ok=True)

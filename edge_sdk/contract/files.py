"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write aside in the same folder, sync, rename: a full disk or a kill leaves the old file or none.

    Makes the folder. `OSError`, with the path as its `filename`, where it cannot be done; nothing is left behind then.
    """
    write_files({path: data})


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together: all of them aside and synced before the first is renamed.

    Makes their folders. `OSError`, with the path as its `filename`, where one cannot be written; nothing is left behind
    then.
    """
    asides: dict[Path, Path] = {}
    try:
        for path, data in files.items():
            with naming(path):
                if path.is_dir():  # renaming would find it too late, with other files in place
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                path.parent.mkdir(parents=True, exist_ok=True)
                asides[path] = path.with_name(f".{path.name}.{os.getpid()}.part")
                with asides[path].open("wb") as out:
                    out.write(data)
                    out.flush()
                    os.fsync(out.fileno())  # some file systems find the disk full only here
        for path, aside in asides.items():
            with naming(path):
                aside.replace(path)
    finally:
        for aside in asides.values():
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An `OSError` names the file that was asked for: writing names none, opening the one aside."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error

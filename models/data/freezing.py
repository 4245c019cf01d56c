"""Writing frozen sets: aside, mixture by mixture, so that the same call goes on where it was stopped."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sdk.contract import canonical_json, from_plain, parse_json, to_plain, write_file, write_files
from edge_sdk.errors import DataError
from models.data.frozen import (
    INDEX,
    SCHEMA,
    FrozenSet,
    SetIndex,
    SetMixture,
    digest,
    digest_of_set,
    encoded,
    frozen,
    open_set,
)
from models.data.mixing import Mixtures
from models.spread import spread

PLAN, ENTRY, LOCK = "plan.json", "entry.json", ".lock"


@dataclass(frozen=True)
class Job:
    """One mixture for a worker to make."""

    mixtures: Mixtures
    index: int


def write_set(
    out: Path,
    mixtures: Mixtures,
    count: int,
    name: str,
    made_of: dict[str, Any],
    force: bool = False,
    workers: int | None = None,
    cluster: str | None = None,
) -> FrozenSet:
    """The first `count` mixtures as a set in the folder `out`, which is not there before all of it is written.

    made_of: what they were made of, plain data. `DataError` where `out` is there already, unless `force`, and where
    the disk is too small.
    """
    check_free(out, force)
    aside = out.with_name(f"{out.name}.part")
    try:
        with locked(aside):
            there = resume(aside, {"schema": SCHEMA, "name": name, "count": count, "made_of": made_of})
            missing = [i for i in range(count) if i not in there]
            check_space(aside, len(missing) * mixture_bytes(mixtures))
            made = spread(make_mixture, [Job(mixtures, i) for i in missing], "mixtures", workers, cluster)
            for i, (files, entry) in zip(missing, made, strict=True):
                parts = {aside / name: data for name, data in files.items()}
                write_files({**parts, aside / numbered(i, ENTRY): canonical_json(to_plain(entry))})  # renamed last
                there[i] = entry
            entries = tuple(there[i] for i in range(count))
            index = SetIndex(
                schema=SCHEMA,
                name=name,
                sample_rate=mixtures.sample_rate,
                mics=mixtures.mics,
                sources=mixtures.config.sources,
                array=mixtures.rooms.array if mixtures.rooms is not None else None,
                made_of=made_of,
                sha256=digest_of_set(mixtures.sample_rate, [m.sha256 for m in entries]),
                mixtures=entries,
            )
            write_file(aside / INDEX, json.dumps(to_plain(index), indent=1, allow_nan=False).encode())
            put_in_place(aside, out, count)
    except OSError as error:
        where = error.filename or out
        raise DataError(f"{where}: {error.strerror}; free space or choose another --out") from error
    return open_set(out)


def make_mixture(job: Job) -> tuple[dict[str, bytes], SetMixture]:
    """The files of a mixture, by name within the set, and its entry in the index."""
    example = frozen(job.mixtures.example(job.index))
    files = {numbered(job.index, name): data for name, data in encoded(example, job.mixtures.sample_rate).items()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return files, SetMixture(example.about, digest(example), hashes)


def numbered(index: int, name: str) -> str:
    return f"{index:04}/{name}"


def resume(aside: Path, plan: dict[str, Any]) -> dict[int, SetMixture]:
    """The mixtures that an earlier call with this plan has finished; what was made by another plan is removed."""
    text = canonical_json(plan)
    if (aside / PLAN).is_file() and (aside / PLAN).read_bytes() == text:
        return {int(file.parent.name): entry for file in aside.glob(f"*/{ENTRY}") if (entry := read_entry(file))}
    for folder in aside.glob("[0-9]*"):
        shutil.rmtree(folder)
    write_file(aside / PLAN, text)
    return {}


def read_entry(file: Path) -> SetMixture | None:
    """The entry of a mixture whose files are all there, or None."""
    try:
        entry = from_plain(SetMixture, parse_json(file.read_bytes()))
        whole = all(
            hashlib.sha256((file.parent.parent / name).read_bytes()).hexdigest() == sha256
            for name, sha256 in entry.files.items()
        )
    except (OSError, ValueError):
        return None
    return entry if whole else None


def put_in_place(aside: Path, out: Path, count: int) -> None:
    """Rename the finished folder, in the place of an earlier set if there is one."""
    before = out.with_name(f"{out.name}.before")
    if out.exists():
        out.rename(before)
    aside.rename(out)
    if before.exists():
        shutil.rmtree(before)
    for name in (PLAN, LOCK, *(numbered(i, ENTRY) for i in range(count))):
        (out / name).unlink(missing_ok=True)


def check_free(out: Path, force: bool) -> None:
    """`DataError` where something is in the way that is not a set, or a set that is not to be replaced."""
    if not out.exists():
        return
    if not (out / INDEX).is_file():
        raise DataError(f"{out} is there already and holds no set; choose another --out")
    if not force:
        raise DataError(f"{out} holds a set already; choose another --out, or --force to replace it")


def check_space(folder: Path, size: float) -> None:
    """`DataError` where so many bytes do not fit on the disk."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"{folder}: up to {size / 1e9:.2g} GB are to be written, {free / 1e9:.2g} GB are free; free space, choose "
            "another --out or a smaller dev.count"
        )


def mixture_bytes(mixtures: Mixtures) -> float:
    """Size of a mixture before compression."""
    config = mixtures.config
    channels = mixtures.mics + config.sources * (1 + mixtures.mics)
    return 2 * channels * config.seconds * mixtures.sample_rate


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else writes into the folder meanwhile; a process that ends, however it ends, lets go of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(
                f"{folder}: another process writes this set; wait for it or choose another --out"
            ) from error
        yield

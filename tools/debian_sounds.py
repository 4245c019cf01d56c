"""Free sounds of Debian packages, as noise to train with: rain, engines, birds, alarms, music of games and desktops.

usage: python -m tools.debian_sounds OUT [--packages LIST.toml] [--debs DIR]

Packages come through apt, which checks whom they are from. Of each sound, the copyright file of its package says who
made it and under which licences: those that allow changes and passing on are taken, mixed down to one channel of 16 kHz
and written below OUT, with a manifest of authors and licences, from which `tools/data_attribution.py` makes a page. A
recipe's `[data] noise` names the folder. Needs apt, and python-debian (in the extra `dev`).
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import hashlib
import io
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from edge_sdk.errors import EdgeError
from models.recipe import read_toml

RATE = 16_000
SUFFIXES = (".ogg", ".oga", ".wav", ".flac")
LONGEST_S, SHORTEST_S = 60.0, 0.3  # of a sound: one piece of music shall not outweigh a hundred noises
SILENT, PEAK = 1e-3, 0.5  # of full scale: quieter ones are left out, others are brought to it
COLUMNS = ("path", "kind", "corpus", "seconds", "licence", "attribution", "sha1_pcm")


@dataclass(frozen=True)
class Wanted:
    """A package. sources: installed folders, and what they are in the source package that its copyright file speaks of.
    leave_out: patterns of installed paths."""

    name: str
    sources: dict[str, str]
    leave_out: tuple[str, ...] = field(default=())

    def source_of(self, path: str) -> str | None:
        """What the copyright file calls an installed file; None where nobody asked for it."""
        if any(fnmatch.fnmatch(path, pattern) for pattern in self.leave_out):
            return None
        for installed, source in self.sources.items():
            if PurePosixPath(path).is_relative_to(installed):
                within = PurePosixPath(path).relative_to(installed).as_posix()
                return within if source == "." else f"{source}/{within}"
        return None


@dataclass(frozen=True)
class Sound:
    """A file of a package by its path in the source package, and who made it."""

    path: str
    data: bytes
    licence: str
    authors: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder that is made; it must not be there yet")
    parser.add_argument("--packages", type=Path, default=Path(__file__).with_suffix(".toml"), metavar="LIST.toml")
    parser.add_argument("--debs", type=Path, help="folder of packages that are here already; new ones are kept there")
    args = parser.parse_args()
    if args.out.exists():
        raise EdgeError(f"{args.out} exists; choose another folder, or remove it first")
    listed = read_toml(args.packages)
    wanted = [Wanted(p["name"], p["sources"], tuple(p.get("leave_out", ()))) for p in listed["package"]]
    debs = args.debs or args.out / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {}  # by what they sound like: some packages hold one twice
    for package in wanted:
        before, left = len(rows), 0
        for sound in sounds_of(fetched(package.name, debs), package):
            allowed, samples = is_free(sound.licence, listed["licences"]), prepared(sound.data)
            if not allowed or samples is None:
                left += 1
                continue
            digest = hashlib.sha1(samples.tobytes()).hexdigest()
            if digest not in rows:
                rows[digest] = write(args.out, package.name, sound, samples, digest)
        print(f"{package.name}: {len(rows) - before} sounds, {left} left out for their licence or length", flush=True)
    with (args.out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(sorted(rows.values(), key=lambda row: str(row["path"])))
    print(f"{len(rows)} sounds, {sum(row['seconds'] for row in rows.values()) / 60:.0f} minutes in {args.out}")
    return 0


def fetched(name: str, debs: Path) -> Path:
    """The package file, from the folder or else from apt."""
    if not list(debs.glob(f"{name}_*.deb")):
        try:
            subprocess.run(["apt-get", "download", "-q", name], cwd=debs, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise EdgeError("apt-get: not found; this needs Debian, or packages from there in --debs") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines() or ["no reason given"]
            raise EdgeError(f"{name}: apt-get download failed ({said[-1]}); apt-get update may help") from error
    return sorted(debs.glob(f"{name}_*.deb"))[-1]


def sounds_of(deb: Path, package: Wanted) -> Iterator[Sound]:
    """The sounds of a package that are wanted, of whatever licence."""
    from debian.copyright import Copyright
    from debian.debfile import DebFile

    with DebFile(deb) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of slips in copyright files
        said = opened.data.get_content(f"./usr/share/doc/{package.name}/copyright", encoding="utf-8")
        terms, archive = Copyright(io.StringIO(said), strict=False), opened.data.tgz()
        for member in archive:
            path = member.name.removeprefix("./")
            source = package.source_of(path)
            if source is None or not member.isfile() or not path.lower().endswith(SUFFIXES):
                continue
            paragraph = terms.find_files_paragraph(source)
            data = archive.extractfile(member)
            if paragraph is not None and paragraph.license is not None and data is not None:
                authors = " ".join((paragraph.copyright or "").split())
                yield Sound(source, data.read(), paragraph.license.synopsis, authors)


def is_free(licence: str, allowed: list[str]) -> bool:
    """Whether one of the licences that a choice is given of is on the list. What needs two at once is not."""
    return any(fnmatch.fnmatch(one.strip(), pattern) for one in licence.split(" or ") for pattern in allowed)


def prepared(data: bytes) -> np.ndarray | None:
    """A sound as 16-bit samples of one channel, `[n]`; None where it is too short, silent or not to be read."""
    import soundfile
    import soxr

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        return None
    mono = soxr.resample(samples[:, 0], rate, RATE)[: int(LONGEST_S * RATE)]
    peak = float(np.abs(mono).max(initial=0.0))
    if len(mono) < SHORTEST_S * RATE or peak < SILENT:
        return None
    return np.round(mono * (PEAK / peak * 32767)).astype(np.int16)


def write(out: Path, package: str, sound: Sound, samples: np.ndarray, digest: str) -> dict[str, Any]:
    """Keep a sound; its row of the manifest."""
    import soundfile

    path = Path(package, sound.path).with_suffix(".flac")
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(out / path, samples, RATE)
    seconds = round(len(samples) / RATE, 3)
    authors = f"{sound.authors or 'no author named'}; Debian package {package}"
    return dict(zip(COLUMNS, (path.as_posix(), "noise", package, seconds, sound.licence, authors, digest), strict=True))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgeError as error:
        sys.exit(f"edge-sdk: {error}")

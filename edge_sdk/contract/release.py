"""The document of a bundle with several variants of a model: what each fits, and the size and hash of every file."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass

from edge_sdk.contract.container import MAX_MODEL
from edge_sdk.contract.manifest import NAME, SHA256, Manifest
from edge_sdk.contract.plain import canonical_json, from_plain, parse_json, to_plain
from edge_sdk.errors import BundleError, ManifestError

FILE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\.(tflite|json)")  # one folder, one case: no two names mean one file
MAX_FILES = 32
MAX_JSON = 2**20  # bytes of a manifest, list of parts or provenance
MAX_TIME = 2**40  # seconds since 1970, far beyond any clock


@dataclass(frozen=True)
class Machine:
    """What is known of the machine that a model is for; what is None refuses nothing.

    cpu: as `uname -m` says it. array: its microphones by name, as `edge-sdk arrays` lists them. runtime: the package of
    the interpreter.
    """

    cpu: str | None = None
    array: str | None = None
    runtime: str | None = None


def this_machine() -> Machine:
    """The processor that runs this; microphones and interpreter are chosen later."""
    return Machine(cpu=platform.machine())


@dataclass(frozen=True)
class Fits:
    """The machines that a variant is for; what is empty allows all."""

    cpus: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()

    def refusal(self, machine: Machine) -> str | None:
        """Why it is not for this machine; None where it is."""
        wanted = {"processor": (machine.cpu, self.cpus), "array": (machine.array, self.arrays)}
        wanted["runtime"] = (machine.runtime, self.runtimes)
        for what, (given, allowed) in wanted.items():
            if given is not None and allowed and given not in allowed:
                return f"made for {what} {' or '.join(allowed)}, not for {given}"
        return None


def fits_of(manifest: Manifest) -> Fits:
    """The machines that a manifest by itself is for: those with the microphones that it names."""
    return Fits() if manifest.array == "any" else Fits(arrays=(manifest.array,))


@dataclass(frozen=True)
class File:
    """Bytes in the bundle."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Variant:
    """One form of the model: the names of its manifest and model in the bundle."""

    name: str
    manifest: str
    model: str
    fits: Fits = Fits()


@dataclass(frozen=True)
class Release:
    """Variants, the preferred ones first, and files in the order in which they follow the envelope.

    security_epoch: rises when older releases must never run again, whatever their version says; so a release with a
    lower version number can still be installed. created, expires: seconds since 1970, where they are said.
    """

    name: str
    version: str
    variants: tuple[Variant, ...]
    files: tuple[File, ...]
    security_epoch: int = 0
    created: int | None = None
    expires: int | None = None
    schema: int = 1

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise ValueError(problem)

    def problems(self) -> list[str]:
        """What contradicts itself, in words."""
        if self.schema != 1:
            return [f"release schema {self.schema}: expected 1, update edge-sdk"]
        found, names = [], [file.name for file in self.files]
        if not all(NAME.fullmatch(name) for name in (self.name, *(variant.name for variant in self.variants))):
            found.append("name of release or variant: expected small letters, digits, '.', '_' and '-', at most 64")
        if not all(FILE.fullmatch(name) for name in names) or len(set(names)) < len(names) or len(names) > MAX_FILES:
            found.append(f"files {names}: expected at most {MAX_FILES} different names ending in .tflite or .json")
        for file in self.files:
            most = MAX_MODEL if file.name.endswith(".tflite") else MAX_JSON
            if not (0 < file.size <= most and SHA256.fullmatch(file.sha256)):
                found.append(f"{file.name} of {file.size} bytes: expected 1 to {most} and a SHA-256")
        if not self.variants or len({variant.name for variant in self.variants}) < len(self.variants):
            found.append("variants: expected one or more, of different names")
        for variant in self.variants:
            if not {variant.manifest, variant.model} <= set(names) or not variant.model.endswith(".tflite"):
                found.append(f"variant {variant.name}: expected its manifest and model among the files")
        if unused := sorted({n for n in names if n.endswith(".tflite")} - {v.model for v in self.variants}):
            found.append(f"{unused[0]} belongs to no variant")
        times = [time for time in (self.created, self.expires) if time is not None]
        if not all(0 <= time <= MAX_TIME for time in times) or times != sorted(times):
            found.append(f"created {self.created}, expires {self.expires}: expected seconds since 1970 in this order")
        if not 0 <= self.security_epoch <= 2**31 - 1:
            found.append(f"security epoch {self.security_epoch}: expected 0 to {2**31 - 1}")
        return found

    def choose(self, machine: Machine, name: str | None, source: str) -> Variant:
        """The variant of that name, or the first that fits; `ManifestError` where there is none."""
        known = ", ".join(variant.name for variant in self.variants)
        if name is not None:
            for variant in self.variants:
                if variant.name == name:
                    return variant
            raise ManifestError(f"{source}: no variant {name!r}; choose one of {known}")
        reasons = [variant.fits.refusal(machine) for variant in self.variants]
        for variant, reason in zip(self.variants, reasons, strict=True):
            if reason is None:
                return variant
        raise ManifestError(f"{source}: none of {known} fits this machine ({reasons[0]}); choose another bundle")

    def to_json(self) -> bytes:
        """Canonical JSON that `release_from_json` turns back."""
        return canonical_json(to_plain(self))


def release_from_json(data: bytes, source: str) -> Release:
    """The release in a JSON text; `BundleError` where it is malformed."""
    try:
        release = from_plain(Release, parse_json(data))
        if release.to_json() != data:
            raise ValueError("not in canonical form")
    except ValueError as error:
        raise BundleError(f"{source}: not a valid release ({error})") from error
    return release

"""Boards that bundles are made for: one TOML file each, beside this module in `boards/`.

A file says what decides whether a bundle fits (processor, memory, interpreter, microphones), where sound comes in and
goes out, where the slots are, and in its table `sources` where each of these facts comes from.
"""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from edge_sdk.contract import NAME, Bundle, Machine, from_plain
from edge_sdk.errors import EdgeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "boards"
SUFFIX = ".toml"
SHARE = 8  # a model may take one part in so many of the memory; the rest is the system's, Python's and the sound's
FACTS = ("cpu", "memory_mib", "runtime", "array", "capture", "playback")  # have a source wherever they are said


class BoardError(EdgeError):
    """A board is unknown, its description cannot be used, or a bundle is too large for it."""


@dataclass(frozen=True)
class Board:
    """A kind of board.

    cpu: as `uname -m` says it there. memory_mib: of the smallest that is sold. runtime: package of the interpreter that
    has wheels for it. array: its microphones, as `edge-sdk arrays` lists them, None where they are chosen later.
    capture, playback: ALSA devices. slots: folder of the slots. sources: where each fact comes from.
    """

    name: str
    title: str
    cpu: str
    memory_mib: int
    runtime: str
    array: str | None = None
    capture: str = "default"
    playback: str = "default"
    slots: str = "/var/lib/edge-sdk"
    notes: str = ""
    sources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: expected small letters, digits, '.', '_' and '-', at most 64")
        if self.runtime not in ("ai-edge-litert", "tflite-runtime"):
            raise ValueError(f"runtime {self.runtime!r}: expected ai-edge-litert or tflite-runtime")
        if not self.cpu or self.memory_mib < 1 or not self.slots.startswith("/"):
            raise ValueError(
                f"cpu {self.cpu!r}, memory_mib {self.memory_mib}, slots {self.slots!r}: "
                "expected a processor, 1 or more, and a folder from / on"
            )
        said = {name for name in FACTS if getattr(self, name) not in (None, "default")}
        if wrong := sorted(said ^ set(self.sources)):
            raise ValueError(f"sources: expected one for each fact and no more, see {', '.join(wrong)}")

    @property
    def machine(self) -> Machine:
        """What a bundle has to fit."""
        return Machine(self.cpu, self.array, self.runtime)

    @property
    def compatible(self) -> str:
        """What RAUC calls this kind of board."""
        return f"edge-sdk-{self.name}"

    @property
    def model_bytes(self) -> int:
        """What a model and all that a step of it computes may take."""
        return self.memory_mib * 2**20 // SHARE

    def stream_options(self, array: str | None = None) -> list[str]:
        """Options of `edge-sdk run` for this board; later ones take their place. array: where another is connected."""
        microphones = array or self.array
        heard = [] if microphones is None else ["--array", microphones]
        return ["--capture", self.capture, "--playback", self.playback, *heard]

    def check_memory(self, bundle: Bundle, computed: int = 0) -> None:
        """`BoardError` for a model that takes too much memory. computed: bytes of the tensors that a step computes."""
        if (taken := len(bundle.model) + computed) > self.model_bytes:
            raise BoardError(
                f"{bundle.manifest.name}: takes {taken} bytes, {self.name} has {self.model_bytes} for a model; "
                "install a smaller one"
            )


def known_boards() -> list[str]:
    """Names of the boards that come with this package."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def load_board(name_or_path: str) -> Board:
    """A known board, or one's own in a TOML file."""
    if name_or_path in known_boards():
        path = FOLDER / f"{name_or_path}{SUFFIX}"
    elif name_or_path.endswith(SUFFIX) or os.sep in name_or_path:
        path = Path(name_or_path)
    else:
        near = difflib.get_close_matches(name_or_path.lower(), known_boards(), n=2)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise BoardError(f"unknown board {name_or_path!r}; {meant}known boards: {', '.join(known_boards())}")
    try:
        with path.open("rb") as file:
            return from_plain(Board, tomllib.load(file))
    except OSError as error:
        raise BoardError(f"{path}: cannot be read ({error.strerror}); expected the TOML file of a board") from error
    except ValueError as error:  # of TOML and of UTF-8 too
        raise BoardError(f"{path}: not a board ({error})") from error

"""A Debian kernel without a Debian: downloaded with apt, unpacked into a folder, and its modules in loading order."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DOWNLOAD_S = 600.0


class Missing(Exception):
    """What this machine lacks to boot a kernel, in one line."""


@dataclass(frozen=True)
class Kernel:
    """image: what the boot loader loads; modules: the folder below which its modules lie."""

    image: Path
    modules: Path


def fetch_kernel(cache: Path) -> Kernel:
    """The kernel that `linux-image-amd64` stands for, downloaded unless `cache` has it."""
    package = kernel_package()
    folder = cache / package
    if not folder.exists():
        unfinished = cache / f"{package}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        output(["apt-get", "download", package], cwd=unfinished)
        (archive,) = unfinished.glob("*.deb")
        output(["dpkg-deb", "--extract", archive.name, "."], cwd=unfinished)
        archive.unlink()
        unfinished.rename(folder)
    (image,) = folder.glob("boot/vmlinuz-*")
    return Kernel(image, folder)


def kernel_package() -> str:
    """The package with the kernel itself: its name says the version, which changes with every update."""
    found = re.search(r"^Depends:.*?(linux-image-[^ ,]+)", output(["apt-cache", "show", "linux-image-amd64"]), re.M)
    if not found:
        raise Missing("linux-image-amd64 depends on no kernel; only Debian's is known here")
    return found[1]


def in_loading_order(kernel: Kernel, names: Iterable[str]) -> list[Path]:
    """The files of these modules and of those they stand on, each after what it needs; built-in ones have none."""
    files = {plain(path.name): path for path in kernel.modules.rglob("*.ko*")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = files.get(plain(name))
        if path is None or path in order:
            return
        for needed in filter(None, output(["modinfo", "--field", "depends", str(path)]).strip().split(",")):
            add(needed)
        order.append(path)

    for name in names:
        add(name)
    return order


def plain(name: str) -> str:
    """The name of a module as the kernel has it: files may have `-` for `_`."""
    return name.partition(".ko")[0].replace("-", "_")


def output(command: list[str], cwd: Path | None = None) -> str:
    """What a command prints; `Missing` where it cannot be found, or fails."""
    try:
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=DOWNLOAD_S).stdout
    except FileNotFoundError as error:
        raise Missing(f"no {command[0]} here; run: apt-get install apt dpkg kmod, on Debian") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise Missing(f"{' '.join(command)} failed ({said}); is this Debian, and apt-get update done?") from error
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{' '.join(command)} not done within {DOWNLOAD_S:.0f} s; is there a network?") from error

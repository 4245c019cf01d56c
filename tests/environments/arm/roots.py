"""Root file systems of Debian for ARM, in which an emulated Python finds the libraries and wheels of a board.

    FOLDER/root      what Debian's packages hold, unpacked and never configured
    FOLDER/site      wheels that pip has chosen for that processor
    FOLDER/python    runs the Python of root under qemu-user; also what it starts itself, so no binfmt_misc is needed

Packages are downloaded once and checked by apt with Debian's keys.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
RELEASE, PYTHON, GLIBC = "bookworm", "3.11", 36  # Debian 12 has glibc 2.36
NEEDED = {"apt-get": "apt", "dpkg-deb": "dpkg"}


@dataclass(frozen=True)
class Arm:
    """A kind of processor.

    name: as `uname -m` says it. debian, triplet: as Debian does. qemu: the emulator, model: what it plays. runtime: the
    interpreter that has wheels there. packages: of Debian, beside Python. wheels: what pip installs beside this
    distribution; with what these ask for in turn, where resolve says so. features: in its /proc/cpuinfo.
    """

    name: str
    debian: str
    triplet: str
    qemu: str
    model: str
    runtime: str
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    resolve: bool
    features: str


MACHINES = (
    Arm(
        name="aarch64",
        debian="arm64",
        triplet="aarch64-linux-gnu",
        qemu="qemu-aarch64-static",
        model="cortex-a72",
        runtime="ai-edge-litert",
        packages=("libstdc++6",),
        wheels=("[device,bridge]",),
        resolve=True,
        features="fp asimd evtstrm crc32 cpuid",
    ),
    # PyPI has no wheels of NumPy, cffi and soxr for it; soundfile brings no library.
    Arm(
        name="armv7l",
        debian="armhf",
        triplet="arm-linux-gnueabihf",
        qemu="qemu-arm-static",
        model="cortex-a15",
        runtime="tflite-runtime",
        packages=("libstdc++6", "python3-numpy", "python3-cffi-backend", "libsndfile1"),
        wheels=("", "tflite-runtime==2.14.0", "soundfile", "typing_extensions", "cryptography"),
        resolve=False,
        features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32",
    ),
)


def missing_programs() -> list[str]:
    """Debian's packages that this machine lacks."""
    needed = NEEDED | {arm.qemu: "qemu-user-static" for arm in MACHINES}
    return sorted({package for program, package in needed.items() if shutil.which(program) is None})


def make_root(arm: Arm, folder: Path) -> None:
    """Download and unpack what Debian has for the board; nothing where that is there already."""
    root, stamp = folder / "root", folder / "packages"
    wanted = [f"python{PYTHON}-minimal", f"libpython{PYTHON}-stdlib", *arm.packages]
    if stamp.exists() and stamp.read_text().split() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()  # nothing is installed there, so apt names all that is needed
    (apt / "sources.list").write_text(f"deb [signed-by={KEYS}] {MIRROR} {RELEASE} main\n")
    options = {
        "APT::Architecture": arm.debian,
        "APT::Architectures": arm.debian,
        "Dir::State": apt,
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Acquire::Languages": "none",
    }
    words = ["apt-get", "-qq", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    run(*words, "update")
    run(*words, "install", "--yes", "--no-install-recommends", "--download-only", *wanted)
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        run("dpkg-deb", "--extract", package, root)
    shutil.rmtree(apt)
    describe_processor(arm, root)
    stamp.write_text(" ".join(wanted))


def describe_processor(arm: Arm, root: Path) -> None:
    """Put /proc/cpuinfo of a Raspberry Pi 4 there: XNNPACK chooses its kernels by it, and crashes on this machine's."""
    of_core = {
        "Features": arm.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8" if arm.debian == "arm64" else "7",
        "CPU variant": "0x0",
        "CPU part": "0xd08",
        "CPU revision": "3",
    }
    cores = [{"processor": n, **of_core} for n in range(4)]
    (root / "proc").mkdir()
    text = "\n".join("".join(f"{name}\t: {value}\n" for name, value in core.items()) for core in cores)
    (root / "proc" / "cpuinfo").write_text(text)


def install_wheels(arm: Arm, folder: Path, wheel: Path) -> None:
    """What `pip install` gives the board: this distribution, and wheels for its processor and Python alone."""
    site = folder / "site"
    shutil.rmtree(site, ignore_errors=True)
    platforms = [word for minor in range(17, GLIBC + 1) for word in ("--platform", f"manylinux_2_{minor}_{arm.name}")]
    ours = [f"{wheel}{name}" if name == "" or name.startswith("[") else name for name in arm.wheels]
    options = ["--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON, *platforms]
    run(*PIP, "install", "--target", site, *options, *([] if arm.resolve else ["--no-deps"]), *ours)
    library = folder / "root/usr/lib" / arm.triplet / "libsndfile.so.1"
    if library.exists():  # soundfile would ask the ldconfig of this machine, which knows nothing of ARM
        data = site / "_soundfile_data"
        data.mkdir()
        (data / "__init__.py").touch()
        (data / f"libsndfile_{arm.name}.so").symlink_to(library.resolve())


def write_python(arm: Arm, folder: Path) -> Path:
    """The command that runs Python there."""
    root, path = folder / "root", folder / "python"
    lib = root / "usr/lib" / arm.triplet
    environment = {
        # By its real path: the emulator looks some names up in root, and others not.
        "PYTHONHOME": root / "usr",
        "PYTHONPATH": f"{folder / 'site'}:{root / 'usr/lib/python3/dist-packages'}",
        # What Debian's packages would link when they are configured.
        "LD_LIBRARY_PATH": f"{lib / 'blas'}:{lib / 'lapack'}",
        "OMP_NUM_THREADS": 1,
    }
    words = [arm.qemu, "-cpu", arm.model, "-L", root, "-0", path]
    words += [word for key, value in environment.items() for word in ("-E", f"{key}={value}")]
    command = shlex.join(map(str, [*words, root / f"usr/bin/python{PYTHON}"]))
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
    return path


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*words: object) -> None:
    """Run a command that must succeed; its output is shown where it does not."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(str(word) for word in words)} ends with {done.returncode}:\n{done.stdout}")

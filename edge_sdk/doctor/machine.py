"""Findings about a computer: what is installed, sound cards and who may use them, real time, power and heat."""

from __future__ import annotations

import grp
import os
import platform
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_sdk import native
from edge_sdk.audio.arrays import MicArray
from edge_sdk.audio.cards import find_card, sound_cards
from edge_sdk.backends import BACKENDS, choose_backend
from edge_sdk.doctor.findings import Finding
from edge_sdk.errors import AudioError, BackendError
from edge_sdk.live import system

ALSA_AT_LEAST = (0, 11)  # older ones hide overruns
PRIORITY = 60  # of SCHED_FIFO, what a stream asks for
LOCKED_BYTES = 512 << 20  # a stream with an interpreter and two models stays below
HOT_C = 75.0  # a Raspberry Pi slows down from 80
LIMITS = "put '@audio - rtprio 95' and '@audio - memlock unlimited' into /etc/security/limits.d/audio.conf, log in anew"


@dataclass(frozen=True)
class Machine:
    """Where to look; tests look at made-up computers. Limits are soft ones, -1 for none."""

    proc: Path = system.PROC
    sys: Path = system.SYS
    dev: Path = Path("/dev")
    root: bool = field(default_factory=lambda: os.geteuid() == 0)
    groups: Callable[[], set[str]] = lambda: group_names()
    limit: Callable[[int], int] = lambda which: resource.getrlimit(which)[0]
    installed: Callable[[str], str | None] = lambda package: package_version(package)
    extension: Callable[[], native.Found] = native.found
    vcgencmd: Callable[[], str] = lambda: get_throttled()


def examine(machine: Machine, array: MicArray | None = None) -> Iterator[Finding]:
    """Everything there is to say about a computer, and whether an array is plugged into it."""
    yield runtime()
    yield packages(machine)
    yield extension(machine)
    yield alsa(machine)
    yield cards(machine, array)
    yield permissions(machine)
    yield from limits(machine)
    yield governor(machine)
    yield from power(machine)
    yield from heat(machine)


def runtime() -> Finding:
    """The interpreter that models run on."""
    try:
        name = choose_backend()
    except BackendError as error:
        return Finding("runtime", "bad", "no interpreter of models", " or ".join(BACKENDS), str(error).split("; ")[-1])
    return Finding("runtime", "good", f"{name} {package_version(name)}")


def packages(machine: Machine) -> Finding:
    """What reads and resamples sound files."""
    found = {name: machine.installed(name) for name in ("edge-sdk", "numpy", "soundfile", "soxr")}
    versions = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    python = f"Python {platform.python_version()} on {platform.machine()}"
    if missing := [name for name, number in found.items() if not number]:
        return Finding(
            "packages", "warning", f"{python}, no {', '.join(missing)}", todo="pip install 'edge-sdk[device]' for files"
        )
    return Finding("packages", "good", f"{python}, {versions}")


def extension(machine: Machine) -> Finding:
    """Whether the host's share of a block is computed in C."""
    found = machine.extension()
    if found.refused:
        return Finding("C extension", "warning", found.why, f"interface {native.INTERFACE}", native.INSTALL)
    return Finding("C extension", "good", f"{found.why}, so blocks are cut by NumPy" if found.why else "in use")


def alsa(machine: Machine) -> Finding:
    """The package that talks to sound cards."""
    expected, todo = "pyalsaaudio 0.11 or newer", "pip install 'edge-sdk[alsa]' (needs libasound2-dev)"
    if not (found := machine.installed("pyalsaaudio")):
        return Finding("ALSA", "warning", "no pyalsaaudio, so files alone", expected, todo)
    numbers = tuple(int(part) if part.isdigit() else 0 for part in found.split(".")[:2])
    if numbers < ALSA_AT_LEAST:
        return Finding("ALSA", "bad", f"pyalsaaudio {found}, which hides lost samples", expected, todo)
    return Finding("ALSA", "good", f"pyalsaaudio {found}")


def cards(machine: Machine, array: MicArray | None) -> Finding:
    """The sound cards, with their drivers, and the array among them."""
    found = sound_cards(machine.proc)
    if not found:
        return Finding(
            "sound cards",
            "warning",
            "none",
            "a microphone array",
            "plug it in; load its driver (dmesg says what it misses)",
        )
    listed = ", ".join(f"{card.id} ({card.driver})" for card in found)
    if array is None or not array.alsa_card:
        return Finding("sound cards", "good", listed)
    try:
        card = find_card(array.alsa_card, found)
    except AudioError as error:
        return Finding("sound cards", "bad", listed, f"{array.name}, {array.alsa_card!r}", str(error))
    return Finding("sound cards", "good", f"{array.name} is {card.device()}, driver {card.driver}")


def permissions(machine: Machine) -> Finding:
    """Whether this user may open the sound cards."""
    nodes = sorted((machine.dev / "snd").glob("pcm*"))
    if not nodes:
        return Finding("permissions", "warning", "no /dev/snd/pcm* to open", "a sound card")
    if closed := [node.name for node in nodes if not os.access(node, os.R_OK | os.W_OK)]:
        member = "audio" in machine.groups()
        todo = "give the group audio access (udev)" if member else "sudo usermod -aG audio $USER, and log in anew"
        return Finding("permissions", "bad", f"/dev/snd/{', '.join(closed)} cannot be opened", "access", todo)
    return Finding("permissions", "good", f"{len(nodes)} devices in /dev/snd can be opened")


def limits(machine: Machine) -> Iterator[Finding]:
    """Whether a stream may go before other programs, and keep its memory."""
    if machine.root:
        yield Finding("real time", "good", "root may use any priority and lock memory")
        return
    priority, locked = machine.limit(resource.RLIMIT_RTPRIO), machine.limit(resource.RLIMIT_MEMLOCK)
    if 0 <= priority < PRIORITY:
        yield Finding("real time", "warning", f"priority up to {priority} (RLIMIT_RTPRIO)", f"{PRIORITY}", LIMITS)
    else:
        yield Finding("real time", "good", "SCHED_FIFO is allowed")
    if 0 <= locked < LOCKED_BYTES:
        found = f"{locked >> 10} KiB may be locked (RLIMIT_MEMLOCK)"
        yield Finding("memory", "warning", found, f"{LOCKED_BYTES >> 20} MiB or unlimited", LIMITS)
    else:
        yield Finding("memory", "good", "may be locked")


def governor(machine: Machine) -> Finding:
    """Whether the processor's clock waits for load, which blocks of milliseconds never give it."""
    name = system.governor(machine.sys)
    if name is None:
        return Finding("governor", "good", "this processor's clock is not ours to choose")
    if name == "performance":
        return Finding("governor", "good", name)
    todo = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Finding("governor", "warning", name, "performance", todo)


def power(machine: Machine) -> Iterator[Finding]:
    """Whether the processor is, or was, held back."""
    bits = system.pi_bits(machine.sys) or [system.number(machine.vcgencmd().rpartition("=")[2] or "0", 16)]
    now = dict.fromkeys([*system.words(bits[0]), *system.throttled(machine.sys)])
    before = [word for word in system.words(bits[0] >> 16) if word not in now]
    if now:
        weak = any("voltage" in word for word in now)
        todo = "use a stronger power supply and a shorter cable" if weak else "cool it: heat sink, fan, air"
        yield Finding("power", "bad", ", ".join(now), "a processor that is not held back", todo)
    if before:
        yield Finding("power", "warning", f"since it was switched on: {', '.join(before)}", "nothing of the kind")
    if not now and not before:
        yield Finding("power", "good", "the processor is not held back")


def heat(machine: Machine) -> Iterator[Finding]:
    """How hot the processor is, where it says so."""
    if (degrees := system.temperature_c(machine.sys)) is None:
        return
    if degrees >= HOT_C:
        yield Finding(
            "temperature", "warning", f"{degrees:.0f} °C", f"less than {HOT_C:.0f}", "cool it: heat sink, fan"
        )
    else:
        yield Finding("temperature", "good", f"{degrees:.0f} °C")


def package_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def group_names() -> set[str]:
    """Of this process, which are those of its user's last log-in."""
    names = {entry.gr_gid: entry.gr_name for entry in grp.getgrall()}
    return {names.get(number, "") for number in os.getgroups()}


def get_throttled() -> str:
    """What a Raspberry Pi's own tool says, where its driver shows nothing in /sys."""
    tool = shutil.which("vcgencmd")
    if tool is None:
        return ""
    try:
        return subprocess.run([tool, "get_throttled"], capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""

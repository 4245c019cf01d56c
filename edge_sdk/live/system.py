"""How the computer is doing while a stream runs: processor time, memory, temperature, throttling."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC, SYS = Path("/proc"), Path("/sys")
# The lowest bits of the Raspberry Pi firmware's GET_THROTTLED.
PI_BITS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
PROCESSOR_ZONES = ("cpu", "soc", "pkg")  # in the types of thermal zones: Jetson's PMIC-Die says 100 degrees for ever


@dataclass(frozen=True)
class SystemState:
    """cpu: cores kept busy since the last reading; resident_bytes: with the workers' memory; None: nobody says it.

    throttled: what holds the processor back now.
    """

    cpu: float
    resident_bytes: int
    temperature_c: float | None
    governor: str | None
    throttled: tuple[str, ...]


class System:
    """Reads `SystemState` of this process, and of the workers that it started, from `/proc` and `/sys`."""

    def __init__(self, proc: Path = PROC, sys: Path = SYS, clock: Callable[[], float] = time.monotonic) -> None:
        self.proc, self.sys, self.clock = proc, sys, clock
        self._used_s, self._when = self._cpu_s(), clock()

    def read(self) -> SystemState:
        """The state now. Takes some hundred microseconds, and belongs in no audio thread."""
        used_s, when = self._cpu_s(), self.clock()
        cpu = (used_s - self._used_s) / (when - self._when) if when > self._when else 0.0
        self._used_s, self._when = used_s, when
        resident = sum(number(words[1]) for words in self._words("statm") if len(words) > 1)
        return SystemState(
            cpu=max(0.0, round(cpu, 4)),  # a worker that ended takes its time with it
            resident_bytes=resident * os.sysconf("SC_PAGE_SIZE"),
            temperature_c=temperature_c(self.sys),
            governor=governor(self.sys),
            throttled=throttled(self.sys),
        )

    def _cpu_s(self) -> float:
        ticks = sum(number(words[13]) + number(words[14]) for words in self._words("stat") if len(words) > 14)
        return ticks / os.sysconf("SC_CLK_TCK")

    def _words(self, name: str) -> Iterator[list[str]]:
        """The words of a file of `/proc` for each of the processes; a program's name, with its spaces, is one."""
        own = self.proc / "self"
        children = " ".join(text(path) for path in sorted(own.glob("task/*/children")))
        for folder in (own, *(self.proc / child for child in children.split())):
            before, _, after = text(folder / name).rpartition(")")
            yield [*before.split(" (", 1), *after.split()] if before else after.split()


def temperature_c(sys: Path = SYS) -> float | None:
    """Degrees Celsius of the processor: its hottest zone, or the hottest of all where none is called after it."""
    zones = {
        zone: number(found) / 1e3
        for zone in sorted(sys.glob("class/thermal/thermal_zone*"))
        if (found := text(zone / "temp")).lstrip("-").isdigit()
    }
    own = [t for zone, t in zones.items() if any(word in text(zone / "type").lower() for word in PROCESSOR_ZONES)]
    return max(own or zones.values(), default=None)


def governor(sys: Path = SYS) -> str | None:
    """What decides the processor's clock, such as "performance" or "ondemand"; of several the slowest to react."""
    found = {text(path) for path in sys.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")} - {""}
    return min(found, key=lambda name: (name == "performance", name), default=None)


def throttled(sys: Path = SYS) -> tuple[str, ...]:
    """What holds the processor back now, in words, from the Raspberry Pi's firmware and the kernel's cooling."""
    found = [word for bits in pi_bits(sys) for word in words(bits)]
    for device in sys.glob("class/thermal/cooling_device*"):
        if "cpu" in text(device / "type").lower() and number(text(device / "cur_state")) > 0:
            found.append("cooled by a lower clock")
    return tuple(dict.fromkeys(found))


def words(bits: int) -> list[str]:
    """The lowest bits of GET_THROTTLED in words; shifted by 16, what has been so since the computer was switched on."""
    return [word for i, word in enumerate(PI_BITS) if bits >> i & 1]


def pi_bits(sys: Path) -> list[int]:
    """GET_THROTTLED of the Raspberry Pi's firmware where its driver shows it; otherwise nothing."""
    found = [text(path) for path in sorted(sys.glob("devices/platform/soc*/*firmware*/get_throttled"))]
    return [number(bits, 16) for bits in found[:1]]


def text(path: Path) -> str:
    """What a file of the kernel says, "" where it is not there or has nothing to say."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # also of a sensor that is asleep
        return ""


def number(found: str, base: int = 10) -> int:
    """A whole number of the kernel's, 0 where it is none."""
    try:
        return int(found, base)
    except ValueError:
        return 0

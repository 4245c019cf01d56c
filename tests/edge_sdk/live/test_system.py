"""What `/proc` and `/sys` say, on made-up trees of boards and on this computer."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_sdk.live.system import System, SystemState, governor, pi_bits, temperature_c, throttled, words

PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


def write(root: Path, **files: object) -> Path:
    """Files in a folder; `__` in a name is a slash."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def process(root: Path, pid: str, ticks: int, pages: int, name: str = "edge-sdk") -> None:
    stat = [pid, f"({name})", "S", *["7"] * 10, str(ticks - 1), "1", *["7"] * 20]
    write(root / pid, stat=" ".join(stat), statm=f"9999 {pages} 5 5 0 5 0")


def zone(root: Path, number: int, kind: str, milli: object) -> None:
    write(root / f"class/thermal/thermal_zone{number}", type=kind, temp=milli)


def test_processor_time_and_memory_count_the_workers_too(tmp_path: Path) -> None:
    now = [100.0]
    process(tmp_path, "self", 1000, 300)
    write(tmp_path, self__task__1__children="41 42", self__task__2__children="")
    process(tmp_path, "41", 50, 20, name="a) worker (of mine")
    system = System(tmp_path, tmp_path, lambda: now[0])  # 42 has just ended
    process(tmp_path, "self", 1000 + TICKS, 310)
    process(tmp_path, "41", 50 + 2 * TICKS, 20, name="a) worker (of mine")
    now[0] += 2.0
    found = system.read()
    assert found == SystemState(1.5, 330 * PAGE, None, None, ())
    assert system.read().cpu == 0.0  # at the same moment


def test_a_worker_that_ended_makes_no_negative_time(tmp_path: Path) -> None:
    now = [0.0]
    process(tmp_path, "self", 1000, 1)
    write(tmp_path, self__task__1__children="41")
    process(tmp_path, "41", 500, 1)
    system = System(tmp_path, tmp_path, lambda: now[0])
    write(tmp_path, self__task__1__children="")
    now[0] = 1.0
    assert system.read().cpu == 0.0


def test_this_process_is_seen_as_it_is() -> None:
    system = System()
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.5)
        begin = time.process_time()
        while time.process_time() - begin < 0.2:
            pass
        found = system.read()
    finally:
        child.kill()
        child.wait()
    assert found.cpu > 0  # how much of a core there was for them, other programs decide
    assert found.resident_bytes > 20e6


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ([("cpu-thermal", 48_312)], 48.312),  # Raspberry Pi
        ([("CPU-therm", 51_500), ("GPU-therm", 60_000), ("PMIC-Die", 100_000)], 51.5),  # Jetson Nano
        ([("acpitz", 27_800), ("iwlwifi", "")], 27.8),
        ([("x86_pkg_temp", 71_000), ("soc-thermal", 40_000)], 71.0),
        ([("cpu-thermal", "asleep")], None),
        ([("battery", -4_000)], -4.0),
        ([], None),
    ],
)
def test_the_temperature_is_the_processors(tmp_path: Path, zones: list[tuple[str, object]], expected: float) -> None:
    for i, (kind, milli) in enumerate(zones):
        zone(tmp_path, i, kind, milli)
    assert temperature_c(tmp_path) == expected


@pytest.mark.parametrize(
    ("bits", "now", "before"),
    [
        ("0", (), ()),
        ("50005", ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        ("0x80008", ("soft temperature limit",), ("soft temperature limit",)),
        ("20000", (), ("frequency capped",)),
        ("?", (), ()),
    ],
)
def test_a_raspberry_pi_says_what_holds_it_back(
    tmp_path: Path, bits: str, now: tuple[str, ...], before: tuple[str, ...]
) -> None:
    write(tmp_path / "devices/platform/soc/soc:firmware", get_throttled=bits)
    assert throttled(tmp_path) == now
    assert tuple(words(pi_bits(tmp_path)[0] >> 16)) == before


def test_cooling_by_the_clock_is_throttling_and_a_fan_is_not(tmp_path: Path) -> None:
    write(tmp_path / "class/thermal/cooling_device0", type="pwm-fan", cur_state=3)
    write(tmp_path / "class/thermal/cooling_device1", type="cpufreq-cpu0", cur_state=0)
    assert throttled(tmp_path) == ()
    write(tmp_path / "class/thermal/cooling_device1", cur_state=2)
    assert throttled(tmp_path) == ("cooled by a lower clock",)


def test_the_governor_is_one_that_is_not_performance_where_there_is_one(tmp_path: Path) -> None:
    assert governor(tmp_path) is None
    for core, name in enumerate(["performance", "ondemand"]):
        write(tmp_path / f"devices/system/cpu/cpu{core}/cpufreq", scaling_governor=name)
    assert governor(tmp_path) == "ondemand"

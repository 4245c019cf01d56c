"""Runs the tests of this folder on the sound cards of a real kernel, in a machine that QEMU computes.

    python -m tests.kernel_audio.boot [FLAGS of pytest]

Containers and machines in the cloud have no sound cards, and often no kernel that could have any. A Debian kernel has
two that need no hardware: snd-aloop, which captures what is played to it, and snd-dummy, which can be unplugged. The
machine sees all files of this one, so the same Python runs the same code there, and can change none of them. Without
KVM it is about ten times slower than this one.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from tests.kernel_audio.initrd import initrd
from tests.kernel_audio.kernel import Missing, fetch_kernel, in_loading_order
from tests.virtual_audio import end_with_the_test

HERE, REPO = Path(__file__).parent, Path(__file__).parents[2]
BUILD = REPO / "build/kernel-audio"
BUSYBOX = Path("/bin/busybox")
QEMU = "qemu-system-x86_64"
MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay", "snd-aloop", "snd-dummy")
LIMIT_S = 600.0  # several times what it takes
LAST_WORDS_S = 5.0  # to print what pytest says after its report, and to switch itself off


def main(flags: list[str]) -> int:
    """0 where every test passed there; else 1 and a line that says why."""
    start = time.monotonic()
    report = BUILD / "junit.xml"
    try:
        boot(report, flags)
        passed = tests_passed(report)
    except Missing as error:
        print(f"kernel-audio: {error}", file=sys.stderr)
        return 1
    print(f"kernel-audio: {passed} tests passed in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 0


def boot(report: Path, flags: list[str]) -> None:
    """Run the machine until the report is complete, or it has ended without. It says on its first serial port, which
    is printed, what it does, and on its second how the tests went."""
    if platform.machine() != "x86_64":
        raise Missing(f"this machine is {platform.machine()}; expected x86_64, whose programs the other one runs")
    if not (shutil.which(QEMU) and BUSYBOX.exists()):
        raise Missing(f"{QEMU} and {BUSYBOX} are needed; run: apt-get install qemu-system-x86 busybox-static kmod")
    kernel = fetch_kernel(BUILD)
    archive = BUILD / "initrd.gz"
    archive.write_bytes(initrd(BUSYBOX, HERE / "init.sh", in_loading_order(kernel, MODULES)))
    report.unlink(missing_ok=True)
    variables = {"REPO": REPO, "PYTHON": python(), "FLAGS": shlex.join(flags)}
    given = " ".join(f'{name}="{value}"' for name, value in variables.items())
    command = [QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"]
    command += ["-display", "none", "-vga", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]
    command += ["-serial", "stdio", "-serial", f"file:{report}"]
    command += ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
    command += ["-kernel", str(kernel.image), "-initrd", str(archive)]
    command += ["-append", f"console=ttyS0 quiet panic=-1 {given}"]
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_the_test)
    try:
        give_up_s = time.monotonic() + LIMIT_S
        while machine.poll() is None and not complete(report):
            if time.monotonic() > give_up_s:
                raise Missing(f"not done within {LIMIT_S:.0f} s; what it did last stands above")
            time.sleep(0.5)
        with suppress(subprocess.TimeoutExpired):  # after the suspend that is tested it may not switch itself off
            machine.wait(LAST_WORDS_S)
    finally:
        machine.kill()
        machine.wait()


def complete(report: Path) -> bool:
    return report.exists() and report.read_bytes().rstrip().endswith(b"</testsuites>")


def python() -> Path:
    """This interpreter by a path that the other machine has too: a virtual environment's own, not what it links to."""
    return Path(os.path.abspath(sys.executable))


def tests_passed(report: Path) -> int:
    """How many; `Missing` unless all did. One that was skipped there has tested nothing."""
    try:
        suite = ElementTree.parse(report).getroot()[0]
    except (OSError, ElementTree.ParseError) as error:
        raise Missing("the machine stopped before its tests were done; what it did last stands above") from error
    tests, *rest = (int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped"))
    if any(rest) or not tests:
        raise Missing("of {} tests {} failed, {} had errors, {} were skipped; see {}".format(tests, *rest, report))
    return tests


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

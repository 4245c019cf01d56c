"""Memory that training gives back stays with the process."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from models.training.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):  # 40 MB each, as the spectra of a batch
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other allocators")
def test_pages_of_freed_tensors_are_not_asked_for_again() -> None:
    """Not at once: an aligned block that was freed is first merged with its neighbours."""
    found = {}
    for how in ("default", "kept"):
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        found[how] = int(done.stdout)
    assert found["default"] > 40 * 20 and found["kept"] < found["default"] / 3

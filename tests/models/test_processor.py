"""Memory that training gives back stays with the process."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from models.training.processor import prepare_processor

if sys.argv[1] == "prepared":
    prepare_processor()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):  # 40 MB each, as the spectra of a batch
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other allocators")
def test_pages_of_freed_tensors_are_not_asked_for_again() -> None:
    """Not at once: an aligned block that was freed is first merged with its neighbours."""
    found = {}
    for how in ("default", "prepared"):
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        found[how] = int(done.stdout)
    assert found["default"] > 40 * 20 and found["prepared"] < found["default"] / 3

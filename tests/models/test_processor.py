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
for round in range(6):  # 40 MB each, as the spectra of a batch
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(float(torch.full((), 1e-40) * 1.0))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other allocators")
def test_pages_are_kept_and_the_smallest_numbers_are_zero() -> None:
    found = {}
    for how in ("default", "prepared"):
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        faults, smallest = done.stdout.split()
        found[how] = int(faults), float(smallest)
    assert found["default"][0] > 20 and found["default"][1] > 0
    assert found["prepared"][0] < found["default"][0] / 10 and found["prepared"][1] == 0

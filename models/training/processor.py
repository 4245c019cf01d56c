"""What makes a processor faster at training: memory that was freed is kept."""

from __future__ import annotations

import ctypes
import platform

# malloc.h of glibc, and what makes it keep every page it once had.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
KEEP = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 2**28, M_ARENA_MAX: 1}


def prepare_processor() -> None:
    """Set up this process for training on its processor; for its whole life.

    By default glibc gives every large tensor back to the kernel, which clears its pages again for the next one: an
    eighth to a third of the time of a step.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in KEEP.items():
            libc.mallopt(parameter, value)

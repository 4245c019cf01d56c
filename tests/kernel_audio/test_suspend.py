"""A machine that sleeps while a card is read. Last by its name: the shared files do not survive it."""

from pathlib import Path

import pytest

from edge_sdk.live.realtime import lock_memory
from tests.kernel_audio.counted import LATE_S, RATE, Counted

pytestmark = pytest.mark.board


def test_after_the_machine_has_slept_the_card_is_read_on(dummy: Counted) -> None:
    """The kernel's own trial of a suspend: it freezes all processes, puts all devices to sleep, and wakes them."""
    lock_memory()  # the virtual disk of this machine does not wake up again
    dummy.for_s(0.5)
    Path("/sys/module/suspend/parameters/pm_test_delay").write_text("1")
    Path("/sys/power/pm_test").write_text("devices")
    Path("/sys/power/state").write_text("mem")
    before = dummy.captured
    dummy.until(lambda: dummy.captured > before + RATE)
    print(f"reopened {dummy.capture.reopened} times, {dummy.lost} lost")
    assert dummy.capture.reopened == 1 and dummy.lost > RATE // 2
    assert abs(dummy.late_s()) < LATE_S

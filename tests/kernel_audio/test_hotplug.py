"""Cards that are taken away while they are read, and come back."""

import time

import pytest

from edge_sdk.audio.alsa import AlsaCapture
from edge_sdk.audio.cards import sound_cards
from edge_sdk.audio.pcm import DeviceGone
from tests.kernel_audio.counted import DUMMY, LATE_S, RATE, Counted
from tests.kernel_audio.plug import plug_in, unplugged

pytestmark = pytest.mark.board


def read_on(capture: AlsaCapture) -> None:
    for _ in range(1000):
        capture.read()


def test_a_card_that_is_unplugged_is_gone() -> None:
    capture = AlsaCapture(DUMMY)
    capture.read()
    try:
        with unplugged("Dummy"):
            with pytest.raises(DeviceGone, match="hw:CARD=Dummy,DEV=0: stopped working .*; is it still plugged in"):
                read_on(capture)
            capture.close()
    finally:
        plug_in("Dummy")
    AlsaCapture(DUMMY).close()


def test_a_card_that_comes_back_is_read_on_and_all_that_was_missed_is_counted(dummy: Counted) -> None:
    dummy.for_s(1)
    assert not dummy.lost
    with unplugged("Dummy"):
        dummy.until(lambda: dummy.lost > 0)
        dummy.for_s(2)
    plug_in("Dummy")
    back_s, before = time.monotonic(), dummy.captured
    dummy.until(lambda: dummy.captured > before)
    print(f"back after {time.monotonic() - back_s:.2f} s")
    dummy.for_s(1)
    assert dummy.capture.reopened == 1
    assert dummy.lost > 2 * RATE
    assert abs(dummy.late_s()) < LATE_S


def test_a_card_that_comes_back_under_another_index_is_found_by_its_id(dummy: Counted) -> None:
    assert [card.id for card in sound_cards()] == ["Loopback", "Dummy"]
    try:
        with unplugged("Dummy", "Loopback"):
            dummy.until(lambda: dummy.lost > 0)
        plug_in("Dummy")
        plug_in("Loopback")
        assert [card.id for card in sound_cards()] == ["Dummy", "Loopback"]
        before = dummy.captured
        dummy.until(lambda: dummy.captured > before)
        assert dummy.capture.reopened == 1 and abs(dummy.late_s()) < LATE_S
    finally:
        dummy.capture.close()
        with unplugged("Dummy", "Loopback"):
            pass
        plug_in("Loopback")
        plug_in("Dummy")

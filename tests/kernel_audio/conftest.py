"""These tests want the two sound cards of `make test-kernel-audio`, and root to unplug one of them.

They are marked `board`, like all that want hardware, and so are left out of `make pytest`; with `-m board` on a machine
without these cards they are skipped.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from edge_sdk.audio.alsa import AlsaCapture
from edge_sdk.audio.cards import sound_cards
from edge_sdk.live.reopening import ReopeningCapture
from tests.kernel_audio.counted import DUMMY, Counted


@pytest.fixture(scope="session", autouse=True)
def cards() -> None:
    if not {"Loopback", "Dummy"} <= {card.id for card in sound_cards()}:
        pytest.skip("needs the cards Loopback (snd-aloop) and Dummy (snd-dummy): make test-kernel-audio")


@pytest.fixture
def dummy() -> Iterator[Counted]:
    by_index = "hw:1"  # it is opened by the first time
    capture = ReopeningCapture(lambda name: AlsaCapture(replace(DUMMY, device=name or by_index)))
    try:
        yield Counted(capture)
    finally:
        capture.close()

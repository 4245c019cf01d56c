"""Sound cards of the kernel taken away and put back, as a cable would; by root, through sysfs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRIVERS = {"Loopback": "snd_aloop", "Dummy": "snd_dummy"}
PATIENCE_S = 60.0  # until whoever has the card open has noticed and closed it


def plug_in(card: str) -> None:
    """It gets the first index that is free."""
    control(card, "bind")


@contextmanager
def unplugged(*cards: str) -> Iterator[None]:
    """Without these cards. On leaving, they are gone for good: `plug_in` brings each back, in the order wanted."""
    writers = [threading.Thread(target=control, args=(card, "unbind"), daemon=True) for card in cards]
    for writer in writers:
        writer.start()  # waits until all devices of the card are closed
    yield
    for writer in writers:
        writer.join(PATIENCE_S)
        assert not writer.is_alive(), "the card is still open"


def control(card: str, what: str) -> None:
    driver = DRIVERS[card]
    (Path("/sys/bus/platform/drivers") / driver / what).write_text(f"{driver}.0")

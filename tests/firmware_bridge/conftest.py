"""Fixtures that these tests share."""

from pathlib import Path

import pytest

from firmware_bridge.slots import Slots
from tests.firmware_bridge.devices import device


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    """A device on which version 1 is installed and confirmed."""
    return Slots(device(tmp_path, "1"))

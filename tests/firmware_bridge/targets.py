"""Boards that are set up in tests, and what they shall be."""

from pathlib import Path

import pytest

from firmware_bridge.provision import ProvisionError, Target, probe
from firmware_bridge.provision_steps import Wishes
from firmware_bridge.transports import open_board

HERE = Target("x86_64", (3, 11), (2, 36), "me", "/var/tmp/edge-sdk-0")
PI = Target("aarch64", (3, 13), (2, 41), "pi", "/var/tmp/edge-sdk-1000", needs_sudo=True)
OLD_PI = Target("armv7l", (3, 11), (2, 36), "pi", "/var/tmp/edge-sdk-1000", needs_sudo=True)


def wishes(runtime: str = "ai-edge-litert", wheels: tuple[Path, ...] = ()) -> Wishes:
    return Wishes(runtime, wheels, "[Service]\n", ("serve", "--", "--capture", "hw:1"), "/var/lib/edge-sdk")


def this_machine() -> Target:
    try:
        return probe(open_board("local"))
    except ProvisionError as error:
        pytest.skip(str(error))

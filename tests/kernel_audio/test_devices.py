"""What the kernel's cards are called, and what they refuse."""

import json
import subprocess
import sys
from typing import Any

import pytest

from edge_sdk.audio.alsa import AlsaCapture, AlsaPlayback, PcmConfig
from edge_sdk.errors import AudioError

pytestmark = pytest.mark.board

DUMMY = "hw:CARD=Dummy,DEV=0"


def edge_sdk_devices(*arguments: str) -> Any:
    """What the command prints, in a process of its own."""
    command = [sys.executable, "-m", "edge_sdk.cli", "devices", "--json", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120).stdout)


def test_cards_are_listed_with_who_uses_them() -> None:
    capture = AlsaCapture(PcmConfig(DUMMY))
    try:
        rows = edge_sdk_devices()
    finally:
        capture.close()
    assert [(row["device"], row["stream"], bool(row["used_by"])) for row in rows] == [
        ("hw:CARD=Loopback,DEV=0", "capture", False),
        ("hw:CARD=Loopback,DEV=0", "playback", False),
        ("hw:CARD=Loopback,DEV=1", "capture", False),
        ("hw:CARD=Loopback,DEV=1", "playback", False),
        (DUMMY, "capture", True),
        (DUMMY, "playback", False),
    ]


def test_a_device_in_use_is_refused_by_whom() -> None:
    first = AlsaPlayback(PcmConfig(DUMMY))
    try:
        with pytest.raises(
            AudioError, match=rf"^{DUMMY}: in use by .+ \(process \d+\); stop that, or choose another.*$"
        ):
            AlsaPlayback(PcmConfig(DUMMY))
    finally:
        first.close()
    AlsaPlayback(PcmConfig(DUMMY)).close()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (PcmConfig(DUMMY, channels=8), r"gives \d channels instead of 8; ask for that, or for plughw:CARD=Dummy,DEV=0"),
        (PcmConfig(DUMMY, rate_hz=96_000), "gives 48000 Hz instead of 96000"),
        (PcmConfig(DUMMY, format="S32_LE"), "gives samples of .* instead of S32_LE"),
        (PcmConfig("hw:CARD=Dummi,DEV=0"), "did you mean hw:CARD=Dummy,DEV=0"),
    ],
    ids=["channels", "rate", "format", "card"],
)
def test_a_device_that_has_not_what_is_asked_for_is_refused(asked: PcmConfig, says: str) -> None:
    """snd-dummy has one or two channels of at most 48 kHz; pyalsaaudio would take what it gets."""
    for kind in (AlsaCapture, AlsaPlayback):
        with pytest.raises(AudioError, match=f"^hw:CARD=.*{says}"):
            kind(asked)


def test_what_a_device_grants_is_found_by_asking() -> None:
    found = edge_sdk_devices("--probe", DUMMY)
    for stream in ("capture", "playback"):
        assert found[stream]["channels"] == [1, 2]
        assert max(found[stream]["rates_hz"]) == 48_000
        assert "S16_LE" in found[stream]["formats"] and "S32_LE" not in found[stream]["formats"]

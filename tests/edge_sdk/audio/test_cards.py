"""Cards are found by what they are, not by where they are plugged in, and wrong names by what they may have meant."""

from pathlib import Path

import pytest

from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.cards import find_card, holder, known, sound_cards, stable_name
from edge_sdk.errors import AudioError

ARRAY = ("ArrayUAC10", "USB-Audio", "ReSpeaker 4 Mic Array (UAC1.0)", "SEEED ReSpeaker 4 Mic Array (UAC1.0) at usb-1.2")
HEADPHONES = ("Headphones", "bcm2835_headpho", "bcm2835 Headphones", "bcm2835 Headphones")
HDMI = ("vc4hdmi", "vc4-hdmi", "vc4-hdmi", "vc4-hdmi")


def proc(folder: Path, *cards: tuple[str, str, str, str]) -> Path:
    """A /proc with these cards plugged in, in this order; the array captures and plays, the rest play."""
    (folder / "asound").mkdir(parents=True, exist_ok=True)
    lines = [f"{i:2} [{c[0]:15}]: {c[1]} - {c[2]}\n                      {c[3]}\n" for i, c in enumerate(cards)]
    (folder / "asound/cards").write_text("".join(lines) or "--- no soundcards ---\n")
    pcms = [f"{i:02}-00: {c[2]} : {c[2]} : playback 1{' : capture 1' * (c is ARRAY)}\n" for i, c in enumerate(cards)]
    (folder / "asound/pcm").write_text("".join(pcms))
    return folder


def test_cards_and_their_devices_are_read(tmp_path: Path) -> None:
    headphones, array = sound_cards(proc(tmp_path, HEADPHONES, ARRAY))
    assert (headphones.index, headphones.id, headphones.driver) == (0, "Headphones", "bcm2835_headpho")
    assert (array.index, array.name, array.long_name) == (1, ARRAY[2], ARRAY[3])
    assert [(pcm.number, pcm.capture, pcm.playback) for pcm in array.pcms] == [(0, True, True)]
    assert not headphones.pcms[0].capture
    assert array.device() == "hw:CARD=ArrayUAC10,DEV=0"


def test_a_machine_without_cards_or_without_alsa_has_none(tmp_path: Path) -> None:
    assert sound_cards(proc(tmp_path)) == [] and sound_cards(tmp_path / "nothing") == []


def test_a_card_that_comes_back_under_another_index_keeps_its_name(tmp_path: Path) -> None:
    before = sound_cards(proc(tmp_path, HEADPHONES, ARRAY))
    name = stable_name("hw:1", before)
    after = sound_cards(proc(tmp_path, HEADPHONES, HDMI, ARRAY))
    assert find_card("ArrayUAC10", after).index == 2
    assert name == find_card("ArrayUAC10", after).device() == "hw:CARD=ArrayUAC10,DEV=0"


@pytest.mark.parametrize(
    ("device", "stable"),
    [
        ("hw:1,0", "hw:CARD=ArrayUAC10,DEV=0"),
        ("plughw:0,3", "plughw:CARD=Headphones,DEV=3"),
        ("hw:CARD=1,DEV=2", "hw:CARD=ArrayUAC10,DEV=2"),
        ("hw:7", "hw:7"),
        ("hw:ArrayUAC10", "hw:ArrayUAC10"),
        ("default", "default"),
        ("hw:CARD=ArrayUAC10,DEV=0", "hw:CARD=ArrayUAC10,DEV=0"),
    ],
)
def test_only_indices_are_replaced_in_a_name(tmp_path: Path, device: str, stable: str) -> None:
    assert stable_name(device, sound_cards(proc(tmp_path, HEADPHONES, ARRAY))) == stable


def test_the_card_of_a_known_array_is_found_by_its_name(tmp_path: Path) -> None:
    array = load_array("respeaker-usb-v2")
    assert array.alsa_card
    assert find_card(array.alsa_card, sound_cards(proc(tmp_path, HEADPHONES, ARRAY))).id == "ArrayUAC10"


def test_two_cards_of_a_name_are_refused_and_told_apart_by_their_ids(tmp_path: Path) -> None:
    second = ("ArrayUAC10_1", *ARRAY[1:])
    cards = sound_cards(proc(tmp_path, ARRAY, second))
    with pytest.raises(AudioError, match="ArrayUAC10 .*ArrayUAC10_1 .*expected one card"):
        find_card("ReSpeaker 4 Mic", cards)
    assert find_card("ArrayUAC10", cards).index == 0 and find_card("ArrayUAC10_1", cards).index == 1


def test_a_wrong_name_is_answered_with_the_near_one(tmp_path: Path) -> None:
    cards = sound_cards(proc(tmp_path, HEADPHONES, ARRAY))
    with pytest.raises(AudioError, match="did you mean hw:CARD=ArrayUAC10,DEV=0"):
        find_card("ArayUAC10", cards)
    assert "did you mean hw:CARD=ArrayUAC10,DEV=0" in known("hw:ArrayUAC1", cards)
    assert "did you mean" not in known("hw:Loopback", cards) and "Headphones" in known("hw:Loopback", cards)
    assert "no sound cards" in known("hw:Loopback", [])


def test_who_holds_a_busy_device_is_named(tmp_path: Path) -> None:
    folder = proc(tmp_path, HEADPHONES, ARRAY)
    for stream, status in (("c", "state: RUNNING\nowner_pid   : 812\n"), ("p", "closed\n")):
        (folder / f"asound/card1/pcm0{stream}/sub0").mkdir(parents=True)
        (folder / f"asound/card1/pcm0{stream}/sub0/status").write_text(status)
    assert holder("hw:1", "capture", folder) == "unknown (process 812)"
    (folder / "812").mkdir()
    (folder / "812/comm").write_text("pulseaudio\n")
    for name in ("hw:1", "hw:CARD=ArrayUAC10,DEV=0", "plughw:ArrayUAC10"):
        assert holder(name, "capture", folder) == "pulseaudio (process 812)"
    assert holder("hw:1", "playback", folder) == holder("hw:0", "capture", folder) == holder("pulse", "capture") == ""

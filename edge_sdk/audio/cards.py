"""The sound cards of this machine, under names that stay theirs when they are plugged in again."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_sdk.errors import AudioError

PROC = Path("/proc")
CARD = re.compile(r"^ *(\d+) \[(\S+) *\]: (\S+) - (.+)\n +(.+)$", re.MULTILINE)
PCM = re.compile(r"^(\d+)-(\d+): (.*?) :.*$", re.MULTILINE)
HW = re.compile(r"^(plughw|hw):(?:CARD=)?([^,]+)(?:,(?:DEV=)?(\d+))?(,.*)?$")
OWNER = re.compile(r"^owner_pid\s*: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class CardPcm:
    """A device of a card: `hw:CARD=id,DEV=number`."""

    number: int
    name: str
    capture: bool
    playback: bool


@dataclass(frozen=True)
class Card:
    """A sound card. Its index is its place among those plugged in; its id stays the same when it comes back."""

    index: int
    id: str
    driver: str
    name: str
    long_name: str
    pcms: tuple[CardPcm, ...]

    def device(self, number: int = 0) -> str:
        """ALSA's name for a device of this card."""
        return f"hw:CARD={self.id},DEV={number}"


def sound_cards(proc: Path = PROC) -> list[Card]:
    """The cards that the kernel has, by index; none where it has no ALSA."""
    pcms: dict[int, list[CardPcm]] = {}
    for match in PCM.finditer(read_text(proc / "asound/pcm")):
        pcm = CardPcm(int(match[2]), match[3], " capture " in match[0], " playback " in match[0])
        pcms.setdefault(int(match[1]), []).append(pcm)
    return [
        Card(int(index), id, driver, name, long_name, tuple(pcms.get(int(index), ())))
        for index, id, driver, name, long_name in CARD.findall(read_text(proc / "asound/cards"))
    ]


def find_card(text: str, cards: Sequence[Card]) -> Card:
    """The one card of this id, or the one with this text in its name (`MicArray.alsa_card`)."""
    found = [card for card in cards if card.id == text] or [
        card for card in cards if text.lower() in f"{card.id} {card.name} {card.long_name}".lower()
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise AudioError(f"{text!r} names {listed(found)}: expected one card; give its id, as in hw:CARD={found[0].id}")
    raise AudioError(f"no sound card {text!r}; {known(text, cards)}")


def stable_name(device: str, cards: Sequence[Card]) -> str:
    """The name of the same ALSA device by the id of its card instead of its index; other names as they are."""
    match = HW.match(device)
    if not match or not match[2].isdecimal():
        return device
    for card in cards:
        if card.index == int(match[2]):
            return f"{match[1]}:CARD={card.id},DEV={match[3] or 0}{match[4] or ''}"
    return device


def known(device: str, cards: Sequence[Card]) -> str:
    """What else `device` may have meant, to end a message with."""
    if not cards:
        return "this machine has no sound cards; is it plugged in, and its driver loaded?"
    names = {name: card for card in cards for name in (card.id, card.name)}
    match = HW.match(device)
    near = difflib.get_close_matches(match[2] if match else device, names, n=1)
    meant = f"did you mean {names[near[0]].device()}? " if near else ""
    return f"{meant}the cards are {listed(cards)}; see edge-sdk devices"


def listed(cards: Sequence[Card]) -> str:
    return ", ".join(f"{card.id} ({card.name})" for card in cards)


def holder(device: str, stream: str, proc: Path = PROC) -> str:
    """Who has the `capture` or `playback` of an ALSA device open, `name (process 123)`; nothing if no one is seen."""
    match = HW.match(device)
    cards = [card for card in sound_cards(proc) if match and match[2] in (card.id, str(card.index))]
    if not match or not cards:
        return ""
    for status in sorted((proc / f"asound/card{cards[0].index}/pcm{match[3] or 0}{stream[0]}").glob("sub*/status")):
        if owner := OWNER.search(read_text(status)):
            name = read_text(proc / owner[1] / "comm").strip()
            return f"{name or 'unknown'} (process {owner[1]})"
    return ""


def read_text(path: Path) -> str:
    """What a file of /proc says; nothing where it is gone, as the card may be at any moment."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

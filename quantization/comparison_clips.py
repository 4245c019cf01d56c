"""The mixtures on which versions lose most, to look at and to hear: one player that switches at the same moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from models.evaluation.metrics import assign, si_sdr
from models.evaluation.scores import reference_first
from quantization.comparison import Comparison
from quantization.media import LOUDEST, Signal, at_level, picture_and_sound
from quantization.scoring import one_thread, outputs, reference_of
from quantization.versions import Version

HEARD = 3  # mixtures
LONGEST_S = 5.0  # of each
MOST_SAMPLES = 3_000_000  # in all sounds together, which as FLAC of 16 bits in base64 is 8 MB at most


@dataclass(frozen=True)
class Sound:
    """One of the signals between which a player switches. key: on the keyboard."""

    key: str
    title: str
    samples: Signal


@dataclass(frozen=True)
class Clip:
    """One stretch of a mixture in every version, all of one length and level, and what it is an example of."""

    title: str
    about: str
    sounds: tuple[Sound, ...]


def clips(found: Comparison, versions: Sequence[Version], examples: Any) -> Iterator[Clip]:
    """The worst mixtures, one after the other; none where no version lost anything to hear."""
    rate = next((v.model.sample_rate for v in versions if v.model), 1)
    signals = HEARD * (2 + len(versions))
    longest = int(min(LONGEST_S * rate, MOST_SAMPLES / signals))
    for index in worst(found):
        yield clip(found, versions, examples, index, longest)


def worst(found: Comparison) -> list[int]:
    """The places of the mixtures on which any version lost most, the worst first."""
    largest = {
        index: max(losses)
        for index in range(len(found.mixtures))
        if (losses := [loss for row in found.rows[1:] if (loss := row.loss.by_mixture[index]) is not None])
    }
    return sorted(largest, key=lambda index: (-largest[index], index))[:HEARD]


def clip(found: Comparison, versions: Sequence[Version], examples: Any, index: int, longest: int) -> Clip:
    """A mixture in all versions that can be heard; of several sources the one that the worst version lost most of."""
    reference = reference_of(examples)
    example = reference_first(examples[index], reference)
    sources, made = example.sources, dict[int, Signal]()
    for number, version in enumerate(versions, 1):
        if version.model is not None:
            with one_thread():
                out = outputs(version.model, example.mixture, reference)
            made[number] = out[assign(out, sources)]
    losses = {n: row.loss.by_mixture[index] or 0.0 for n, row in enumerate(found.rows, 1) if n > 1}
    poorest = max(losses, key=lambda n: (losses[n], -n))
    scores = {n: si_sdr(out, sources) for n, out in made.items()}
    against = scores.get(1, np.zeros(len(sources)))
    s = int(np.nanargmax(against - scores[poorest]))
    start = most_different(made[poorest][s], made[1][s] if 1 in made else sources[s], longest)
    signals = {
        "0": ("mixture", example.mixture[0]),
        **{
            str(n): (f"{found.rows[n - 1].label}, {scores[n][s]:.1f} dB", at_level(out[s], sources[s]))
            for n, out in made.items()
        },
        "t": ("target", sources[s]),
    }
    here = {key: (title, x[start : start + longest]) for key, (title, x) in signals.items()}
    quieter = np.float32(min(1, LOUDEST / max(float(np.abs(x).max()) for _, x in here.values())))
    mixture, which = found.mixtures[index], f", source {s + 1}" if len(sources) > 1 else ""
    return Clip(
        f"Mixture {mixture.name}{which}: {found.rows[poorest - 1].label} loses {losses[poorest]:.2f} dB",
        mixture.about,
        tuple(Sound(key, title, quieter * x) for key, (title, x) in here.items()),
    )


def most_different(one: Signal, other: Signal, longest: int) -> int:
    """Where the stretch of so many samples begins in which two signals differ most."""
    if len(one) <= longest:
        return 0
    energy = np.concatenate([[0.0], np.cumsum(np.square(one - at_level(other, one), dtype=np.float64))])
    return int(np.argmax(energy[longest:] - energy[:-longest]))


def clip_html(clip: Clip, number: int, sample_rate: int) -> str:
    """A clip as a section of the page; its script makes one player of it, without scripts there are several."""
    seconds = len(clip.sounds[0].samples) / sample_rate
    first = clip.sounds[1]  # behind the mixture
    shown = "".join(sound_html(sound, clip, number, sample_rate, sound is first) for sound in clip.sounds)
    return (
        f'<section class="mixture" tabindex="-1" aria-labelledby="clip-{number}"><h3 id="clip-{number}">'
        f"{escape(clip.title)}</h3><p>{escape(clip.about)}</p>"
        '<div class="transport" hidden><button type="button">Play</button>'
        f'<input type="range" min="0" max="{seconds:.3f}" step="0.01" value="0" aria-label="Position in seconds">'
        f'<span class="time">0.0 of {seconds:.1f} s</span></div>'
        f'<fieldset class="signals"><legend>Heard</legend>{shown}</fieldset></section>'
    )


def sound_html(sound: Sound, clip: Clip, number: int, sample_rate: int, heard: bool) -> str:
    picture, data = picture_and_sound(sound.samples, sample_rate)
    what, chosen = escape(f"{sound.title}, {clip.title}"), " checked" if heard else ""
    return (
        f'<figure data-key="{sound.key}"><figcaption><label><input type="radio" name="heard-{number}"{chosen} hidden>'
        f"<kbd>{sound.key}</kbd> {escape(sound.title)}</label></figcaption>"
        f'<div class="picture"><img alt="Spectrogram: {what}" src="{picture}"><i></i></div>'
        f'<audio controls preload="none" aria-label="Listen: {what}" src="{data}"></audio></figure>'
    )

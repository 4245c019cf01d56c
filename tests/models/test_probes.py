"""Probes against separators whose behaviour is known: what they report is what those do."""

import numpy as np
import pytest

from models.data.example import Example
from models.data.synthetic import KINDS
from models.evaluation.probes import LEVELS_DB, probe
from tests.models.recordings import RATE, voice


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Three talkers in white noise 10 dB below them, by two microphones of which the first is quieter."""
    made = []
    for take in range(3):
        talker = voice(take)[:RATE].astype(np.float32)
        images = np.stack([0.5 * talker, talker])[None]
        noise = 0.3 * talker.std() * np.random.default_rng(take).standard_normal((2, RATE)).astype(np.float32)
        made.append(Example(images[0] + noise, images[:, 0], images))
    return made


def test_a_wire_passes_everything(examples: list[Example]) -> None:
    found = probe(lambda mixture: mixture[:1].copy(), examples, RATE)
    assert found["clean"] > 60 and found["clean_worst"] > 60
    assert found["silence"] == -200
    assert abs(found["noise"]) < 0.2  # one microphone's noise against that of both
    assert all(found[f"{kind.__name__}_peak"] == pytest.approx(0, abs=1e-3) for kind in KINDS)
    levels = [found[f"level_{level:g}"] for level in LEVELS_DB]
    assert levels == pytest.approx([levels[0]] * 4, abs=0.01)


def test_an_attenuator_attenuates_and_a_hum_is_heard_in_silence(examples: list[Example]) -> None:
    hum = np.float32(0.01)
    found = probe(lambda mixture: 0.1 * mixture[:1] + hum, examples, RATE)
    assert found["silence"] == pytest.approx(-40, abs=0.1)
    quieter = probe(lambda mixture: 0.1 * mixture[:1], examples, RATE)
    assert quieter["noise"] == pytest.approx(-20, abs=0.2)
    assert quieter["coloured_peak"] == pytest.approx(-20, abs=1e-3)


def test_what_suits_loud_mixtures_alone_shows_at_which_level_it_ends(examples: list[Example]) -> None:
    def worse_when_quiet(mixture: np.ndarray) -> np.ndarray:
        return mixture[:1] + 0.01 * np.random.default_rng(1).standard_normal(mixture[:1].shape).astype(np.float32)

    found = probe(worse_when_quiet, examples, RATE)
    assert found["level_-60"] < found["level_-40"] - 10 < found["level_-20"] - 10


def test_the_output_that_has_the_talker_counts_and_the_worst_is_named(examples: list[Example]) -> None:
    def two_outputs(mixture: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(2).standard_normal(mixture.shape[-1]).astype(np.float32)
        ruined = abs(float(mixture[0].std()) - float(examples[1].sources.std())) < 1e-6
        return np.stack([noise, mixture[0] + ruined * mixture[0].std() * noise])

    two = [
        Example(e.mixture, np.concatenate([e.sources, 0 * e.sources]), np.concatenate([e.images, 0 * e.images]))
        for e in examples
    ]
    found = probe(two_outputs, two, RATE)
    assert found["clean_worst"] == pytest.approx(0, abs=0.5), "signal and noise of equal power"
    assert found["clean"] > found["clean_worst"] + 20

"""Who talks when in a mixture, and how much of it at once; and the many people of a murmur."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from models.data.augment import AugmentConfig
from models.data.casting import take_turns
from tests.models.conftest import Maker


@pytest.mark.parametrize("talkers", [2, 3])
@pytest.mark.parametrize("shared", [0.0, 0.3, 0.9])
def test_turns_cover_the_mixture_and_share_what_they_should(talkers: int, shared: float) -> None:
    for seed in range(20):
        turns = sorted(take_turns(talkers, 1000, (shared, shared), np.random.default_rng(seed)))
        assert turns[0][0] == 0 and max(end for _, end in turns) == 1000
        for (_, end), (begin, _) in pairwise(turns):
            assert end - begin == pytest.approx(1000 * shared, abs=1)  # whole samples


def test_overlap_is_what_is_heard(make: Maker) -> None:
    silence = make(sources=2, noisy=False, overlap=(0.0, 0.0), colour=0.0)
    for index in range(5):
        example = silence.example(index)
        assert not np.any((example.sources[0] != 0) & (example.sources[1] != 0))
        assert example.about["overlap"] < 0.15  # a frame of 64 ms, out of the second, in which one follows the other
    together = make(sources=2, noisy=False)
    assert np.mean([together.example(i).about["overlap"] for i in range(5)]) > 0.5


def test_a_murmur_is_of_few_people_or_many_and_of_a_live_room_one_sound(make: Maker) -> None:
    few = make(babble=1.0, babble_talkers=1, augment=AugmentConfig(most_babble=3))
    names = [few.example(i).about["noises"] for i in range(30)]
    assert {len(people) for people in names} == {1, 2, 3}
    assert all(len({Path(path).parent for path in people}) == len(people) for people in names), "one voice each"
    alone = {"babble": 1.0, "babble_talkers": 1, "colour": 0.0}
    dry, live = (make(**alone, augment=AugmentConfig(most_babble=1, babble_reverb=chance)) for chance in (0.0, 1.0))
    pauses = [np.mean(m.example(0).mixture[0] == m.example(0).sources[0]) for m in (dry, live)]
    assert pauses[0] > 0.1 and pauses[1] < 0.01, "a room fills the pauses"
    many = make(babble=1.0, augment=AugmentConfig(most_babble=3, babble_reverb=1.0))
    assert len(many.example(0).about["noises"]) == 1


def test_who_talks_on_says_all_recordings_of_the_speaker_before_any_again(make: Maker) -> None:
    """Recordings of 2.5 s, two of each speaker, in 5 s: without it, half the mixture is silence."""
    options = {"seconds": 5.0, "sources": 2, "noisy": False, "colour": 0.0}
    on, off = make(talk_on=True, **options), make(**options)
    for index in range(4):
        example = on.example(index)
        for source, path in zip(example.sources, example.about["talkers"], strict=True):
            named = next(i for i, r in enumerate(on.speech.recordings) if r.path == path)
            other = next(
                i
                for i, r in enumerate(on.speech.recordings)
                if i != named and r.speaker == on.speech.recordings[named].speaker
            )
            said = np.concatenate([on.speech.read(i, 0, on.speech.recordings[i].samples) for i in (named, other)])
            likeness = source @ said / (np.linalg.norm(source) * np.linalg.norm(said))
            assert likeness == pytest.approx(1.0, abs=1e-4)  # 16-bit levels
        assert np.mean(off.example(index).sources[0] == 0) > 0.45

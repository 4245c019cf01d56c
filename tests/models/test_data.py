"""Mixtures are what their numbers say, the same for everyone, and bad recordings are named."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.errors import DataError
from models.data.corpus import load_corpus, weight_of
from models.data.mixing import MixConfig, Mixtures, activity_level
from tests.models.recordings import RATE, voice, write_corpus


def mixtures(root: Path, cache: Path, seed: int = 1, **changes: object) -> Mixtures:
    speech, noise = (load_corpus(root, (kind,), RATE, cache) for kind in ("speech", "noise"))
    return Mixtures(speech, noise, MixConfig(**{"seconds": 1.0, "babble_talkers": 2, **changes}), RATE, seed)


def test_a_mixture_is_its_number_and_nothing_else(corpus_root: Path, tmp_path: Path) -> None:
    one, other = mixtures(corpus_root, tmp_path / "a"), mixtures(corpus_root, tmp_path / "b")
    for index in (5, 0, 5):
        for a, b in zip(one[index], other[index], strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(one[0][0], one[1][0])
    assert not np.array_equal(one[0][0], mixtures(corpus_root, tmp_path / "a", seed=2)[0][0])


@pytest.mark.parametrize("snr", [-5.0, 0.0, 12.0])
def test_the_mixture_has_the_asked_ratio_and_level(corpus_root: Path, tmp_path: Path, snr: float) -> None:
    made = mixtures(corpus_root, tmp_path, snr_db=(snr, snr), level_db=(-30.0, -30.0), babble=0.0, colour=0.0)
    for index in range(5):
        mixture, sources = made[index]
        noise = mixture[0] - sources.sum(axis=0)
        assert 20 * np.log10(activity_level(sources[0]) / activity_level(noise)) == pytest.approx(snr, abs=0.01)
        assert 20 * np.log10(np.sqrt(np.mean(mixture**2))) == pytest.approx(-30.0, abs=0.01)


def test_loud_mixtures_stay_below_full_scale(corpus_root: Path, tmp_path: Path) -> None:
    made = mixtures(corpus_root, tmp_path, level_db=(0.0, 0.0))
    assert max(np.abs(made[i][0]).max() for i in range(5)) <= 0.99


def test_two_talkers_are_two_people(corpus_root: Path, tmp_path: Path) -> None:
    made = mixtures(corpus_root, tmp_path, sources=2, noisy=False)
    chosen = []
    made.talker = lambda rng, taken, real=made.talker: (real(rng, taken), chosen.append(set(taken)))[0]  # type: ignore[method-assign]
    for index in range(10):
        mixture, sources = made[index]
        np.testing.assert_allclose(mixture[0], sources.sum(axis=0), atol=1e-6)
    assert all(len(taken) == 2 for taken in chosen[1::2])


def test_too_few_speakers_are_refused(corpus_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="4 speakers: mixtures of 5"):
        mixtures(corpus_root, tmp_path, sources=5, babble=0.0)
    with pytest.raises(DataError, match="the babble of 4"):
        mixtures(corpus_root, tmp_path, babble_talkers=4)


def test_other_rates_are_resampled_and_lengths_kept(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    soundfile.write(tmp_path / "x" / "a.wav", voice(1, 1.0), 16_000)  # half a second once it is believed
    corpus = load_corpus(tmp_path, ("x",), RATE, tmp_path / "cache")
    assert corpus.total == len(voice(1, 1.0)) // 2


def test_speakers_come_from_the_manifest_where_there_is_one(tmp_path: Path) -> None:
    root = write_corpus(tmp_path)
    (root / "manifest.csv").write_text("path,speaker\nspeech/speaker0/take0.wav,ann\nspeech/speaker1/take0.wav,ann\n")
    found = {r.path: r.speaker for r in load_corpus(root, ("speech",), RATE, tmp_path / "cache").recordings}
    assert found["speech/speaker0/take0.wav"] == found["speech/speaker1/take0.wav"] == "ann"
    assert found["speech/speaker2/take0.wav"] == "speech/speaker2"


@pytest.mark.parametrize("content", [b"", b"not audio at all", None], ids=["empty", "text", "nan"])
def test_a_corpus_with_too_many_bad_files_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    root = write_corpus(tmp_path)
    bad = root / "noise" / "bad.wav"
    if content is None:
        soundfile.write(bad, np.full(100, np.nan, np.float32), RATE, subtype="FLOAT")
    else:
        bad.write_bytes(content)
    with pytest.raises(DataError, match=r"1 of 4 recordings.*bad\.wav"):
        load_corpus(root, ("noise",), RATE, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*")), "nothing half-written stays"


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        load_corpus(tmp_path, ("nowhere",), RATE, tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no \.wav, \.flac, \.ogg files in empty"):
        load_corpus(tmp_path, ("empty",), RATE, tmp_path / "cache")


def test_a_damaged_cache_is_made_again(corpus_root: Path, tmp_path: Path) -> None:
    first = load_corpus(corpus_root, ("speech",), RATE, tmp_path)
    whole = first.read(3, 0, 1000)
    (samples,), (index,) = tmp_path.glob("*.i16"), tmp_path.glob("*.json")
    for damage in (lambda: index.write_text("{"), lambda: samples.write_bytes(b"\0" * 100), samples.unlink):
        damage()
        assert np.array_equal(load_corpus(corpus_root, ("speech",), RATE, tmp_path).read(3, 0, 1000), whole)


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    root = write_corpus(tmp_path)
    (root / "manifest.csv").write_bytes(b"path,speaker\n\xff\xfe,ann\n")
    with pytest.raises(DataError, match=r"manifest\.csv: not a readable CSV file"):
        load_corpus(root, ("speech",), RATE, tmp_path / "cache")


def test_the_longest_prefix_weighs() -> None:
    weights = {"a/": 2.0, "a/b/": 0.5}
    assert [weight_of(p, weights) for p in ("a/x.wav", "a/b/x.wav", "c.wav")] == [2.0, 0.5, 1.0]

"""Recordings are decoded once and stay what they were; bad ones are counted, listed and, if many, refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.errors import DataError
from models.data.corpus import check_disjoint, load_corpus, weight_of
from tests.models.recordings import RATE, voice, write_corpus


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


def test_a_few_bad_files_are_left_out_counted_and_listed_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "x").mkdir()
    for n in range(101):
        soundfile.write(tmp_path / "x" / f"{n:03}.wav", voice(1, 0.1), RATE)
    (tmp_path / "x" / "050.wav").write_bytes(b"not audio at all")
    for _ in ("decoded", "from the cache"):
        caplog.clear()
        corpus = load_corpus(tmp_path, ("x",), RATE, tmp_path / "cache")
        assert len(corpus.recordings) == 100 and len(corpus.left_out) == 1
        assert "1 of 101 recordings cannot be used" in caplog.text and "050.wav" in caplog.text
    assert corpus.read(50, 0, 100).any()  # those after the bad one are where they should be


def test_decoded_recordings_are_decoded_once(
    corpus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_corpus(corpus_root, ("speech",), 4000, tmp_path)
    monkeypatch.setattr("models.data.corpus.decode_all", lambda *_: pytest.fail("decoded again"))
    again = load_corpus(corpus_root, ("speech",), 4000, tmp_path)
    assert again.recordings == first.recordings and again.total == 8 * 10_000


def test_a_folder_named_beside_one_within_it_counts_once(corpus_root: Path, tmp_path: Path) -> None:
    corpus = load_corpus(corpus_root, ("speech", "speech/speaker0"), RATE, tmp_path)
    assert len(corpus.recordings) == 8


def test_a_full_disk_is_told_and_leaves_nothing(corpus_root: Path, full_disk: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be decoded to there \(No space left on device\); free space"):
        load_corpus(corpus_root, ("speech",), RATE, full_disk)
    assert not list(full_disk.iterdir())


def test_a_speaker_to_train_on_and_to_develop_with_is_refused_by_name(tmp_path: Path) -> None:
    root = write_corpus(tmp_path)
    train, dev = (load_corpus(root, (folder,), RATE, tmp_path / "cache") for folder in ("speech", "dev/speech"))
    check_disjoint(train, dev)
    (root / "manifest.csv").write_text(
        "path,speaker\nspeech/speaker1/take0.wav,pool\ndev/speech/speaker4/take0.wav,pool\n"
    )
    train, dev = (load_corpus(root, (folder,), RATE, tmp_path / "cache") for folder in ("speech", "dev/speech"))
    with pytest.raises(DataError, match="development set: speaker pool; give each speaker to one of the two"):
        check_disjoint(train, dev)
    with pytest.raises(DataError, match="speech/speaker0, speech/speaker1"):
        check_disjoint(train, train)


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

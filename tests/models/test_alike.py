"""Voices of one gender are mixed as often as a recipe asks, as far as the manifest knows."""

from pathlib import Path

import pytest

from edge_sdk.errors import DataError
from models.data.corpus import load_corpus
from models.data.mixing import MixConfig, Mixtures
from tests.models.recordings import RATE, write_corpus

GENDERS = {"speaker0": "f", "speaker1": "m", "speaker2": "f", "speaker3": "m"}


def mixtures(root: Path, alike: float, genders: dict[str, str], sources: int = 2) -> Mixtures:
    """Mixtures of the test corpus, whose manifest says who is of which gender."""
    rows = [f"{p.relative_to(root).as_posix()},{p.parent.name}" for p in sorted(root.glob("speech/*/*"))]
    lines = [f"{row},{genders.get(row.split(',')[1], '')}" for row in rows]
    (root / "manifest.csv").write_text("\n".join(["path,speaker,gender", *lines]) + "\n")
    speech = load_corpus(root, ("speech",), RATE, root / "cache")
    config = MixConfig(seconds=0.5, sources=sources, noisy=False, alike=alike)
    return Mixtures(speech, None, config, RATE, seed=5)


def share_alike(made: Mixtures, genders: dict[str, str], count: int = 200) -> float:
    """Share of mixtures whose talkers are of one gender."""
    casts = [{genders[Path(t).parent.name] for t in made.example(i).about["talkers"]} for i in range(count)]
    return sum(len(cast) == 1 for cast in casts) / count


@pytest.mark.parametrize(("alike", "share"), [(0.0, 1 / 3), (0.5, 2 / 3), (1.0, 1.0)])
def test_so_many_mixtures_are_of_one_gender(tmp_path: Path, alike: float, share: float) -> None:
    made = mixtures(write_corpus(tmp_path), alike, GENDERS)
    assert share_alike(made, GENDERS) == pytest.approx(share, abs=0.1)
    for index in range(20):
        assert len(set(made.example(index).about["talkers"])) == 2


def test_who_is_alone_or_of_unknown_gender_talks_with_anybody(tmp_path: Path) -> None:
    genders = {"speaker0": "f", "speaker1": "m", "speaker2": "m"}
    made = mixtures(write_corpus(tmp_path), 1.0, genders)
    first = {Path(made.example(i).about["talkers"][0]).parent.name for i in range(60)}
    assert first == {"speaker0", "speaker1", "speaker2", "speaker3"}
    for index in range(60):
        one, other = (Path(talker).parent.name for talker in made.example(index).about["talkers"])
        assert one not in ("speaker1", "speaker2") or genders.get(other) == "m"


def test_unknown_genders_are_refused_in_one_line(tmp_path: Path) -> None:
    root = write_corpus(tmp_path)
    with pytest.raises(DataError, match=r"alike = 0.5, but 2 speakers of one gender are not known; give manifest.csv"):
        mixtures(root, 0.5, {"speaker0": "f", "speaker1": "m"})
    with pytest.raises(ValueError, match=r"alike = 1.5: expected a chance, 0 to 1"):
        mixtures(root, 1.5, GENDERS)

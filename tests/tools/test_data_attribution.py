"""The page that names the authors of a model's data names all of them, from every manifest."""

import runpy
from pathlib import Path

import pytest

PAGE = runpy.run_path(str(Path(__file__).parents[2] / "tools/data_attribution.py"))["main"]
HEADER = "path,corpus,seconds,licence,attribution\n"


def test_several_manifests_make_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "debian").mkdir()
    mine, debian = tmp_path / "manifest.csv", tmp_path / "debian/manifest.csv"
    rows = ("train/noise/a.ogg,rain,90,CC0,Ann", "train/noise/b.ogg,rain,30,CC0,Ann", "dev/noise/c.ogg,rain,60,CC0,Eve")
    mine.write_text(HEADER + "\n".join(rows))
    debian.write_text(HEADER + 'game/x.flac,game,30,CC-BY-4.0,"2012, Bob <b@example.org> and Di (d@example.org), Fay"')
    PAGE("a model", str(mine), "train/noise", str(debian))
    title, *page = capsys.readouterr().out.splitlines()
    assert title == "# Recordings that a model was trained on"
    assert [line for line in page if line.startswith(("#", "-"))] == [
        "## train/noise: rain, 2.0 minutes",
        "- Ann (CC0), 2",
        "## debian: game, 0.5 minutes",
        "- 2012, Bob and Di, Fay (CC-BY-4.0), 1",
    ]


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(HEADER + "train/noise/a.ogg,rain,90,CC0,Ann")
    with pytest.raises(SystemExit, match=r"manifest.csv: no recording's path begins with train/speech"):
        PAGE("a model", str(tmp_path / "manifest.csv"), "train/noise", "train/speech")

"""Sounds out of a Debian package: those that are free and wanted, as a corpus for training, with their authors."""

import csv
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.errors import EdgeError
from models.data.corpus import load_corpus
from tools import debian_sounds

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2011 Nobody
License: GPL-2

Files: data/snd/*
Copyright: 2012 A. Carpenter
           2013 B. Smith
License: CC-BY-SA-3.0

Files: data/snd/engine.ogg
Copyright: 2014 C. Driver
License: GPL-3 or CC-BY-3.0

License: GPL-2
 text

License: CC-BY-SA-3.0
 text
"""
LIST = """\
licences = ["CC0*", "CC-BY-[0-9]*", "CC-BY-SA-[0-9]*"]
[[package]]
name = "game-data"
sources = { "usr/share/games/game/snd" = "data/snd", "usr/share/games/game/gpl" = "data/gpl" }
leave_out = ["*/voice/*"]
"""
CONTROL = (
    "Package: game-data\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Me <me@example.org>\nDescription: sounds\n"
)


@pytest.fixture
def debs(tmp_path: Path) -> Path:
    """A folder with one package."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("the package is built with dpkg-deb")
    tree, rng = tmp_path / "tree", np.random.default_rng(1)
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL)
    (tree / "usr/share/doc/game-data").mkdir(parents=True)
    (tree / "usr/share/doc/game-data/copyright").write_text(COPYRIGHT)
    lengths = {"snd/rain.wav": 1.0, "snd/engine.ogg": 2.0, "snd/long.wav": 70.0, "snd/click.wav": 0.1}
    for name, seconds in {**lengths, "gpl/drill.wav": 1.0, "snd/voice/hello.wav": 1.0}.items():
        path = tree / "usr/share/games/game" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal((int(seconds * 22_050), 2)), 22_050)
    shutil.copy(tree / "usr/share/games/game/snd/rain.wav", tree / "usr/share/games/game/snd/twin.wav")
    (tree / "usr/share/games/game/snd/broken.wav").write_bytes(b"no sound")
    (tmp_path / "debs").mkdir()
    subprocess.run(["dpkg-deb", "--build", tree, tmp_path / "debs/game-data_1.0-1_all.deb"], check=True)
    return tmp_path / "debs"


def collect(monkeypatch: pytest.MonkeyPatch, out: Path, debs: Path) -> None:
    listed = debs / "list.toml"
    listed.write_text(LIST)
    monkeypatch.setattr(sys, "argv", ["debian_sounds", str(out), "--packages", str(listed), "--debs", str(debs)])
    assert debian_sounds.main() == 0


def test_free_sounds_become_a_corpus_with_authors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, debs: Path
) -> None:
    out = tmp_path / "data/debian"
    collect(monkeypatch, out, debs)
    with (out / "manifest.csv").open(newline="") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert set(rows) == {"engine.flac", "long.flac", "rain.flac"}, (
        "one of two twins, none that talks, is short or closed"
    )
    assert rows["rain.flac"]["licence"] == "CC-BY-SA-3.0"
    assert rows["rain.flac"]["attribution"] == "2012 A. Carpenter 2013 B. Smith; Debian package game-data"
    assert rows["engine.flac"]["licence"] == "GPL-3 or CC-BY-3.0"
    assert "game-data: 3 sounds, 3 left out" in capsys.readouterr().out
    corpus = load_corpus(tmp_path / "data", ("debian",), 16_000, tmp_path / "cache")
    lengths = {Path(r.path).name: r.samples / 16_000 for r in corpus.recordings}
    assert lengths == pytest.approx({"engine.flac": 2.0, "long.flac": 60.0, "rain.flac": 1.0}, abs=1e-3)
    assert all(float(row["seconds"]) == pytest.approx(lengths[name], abs=1e-3) for name, row in rows.items())
    assert np.abs(corpus.read(0, 0, corpus.recordings[0].samples)).max() == pytest.approx(0.5, abs=1e-3)
    page = runpy.run_path(str(Path(debian_sounds.__file__).with_name("data_attribution.py")))["main"]
    page("a model", str(out / "manifest.csv"), "game-data")
    assert "- 2014 C. Driver; Debian package game-data (GPL-3 or CC-BY-3.0), 1" in capsys.readouterr().out
    with pytest.raises(EdgeError, match="debian exists; choose another folder"):
        collect(monkeypatch, out, debs)


@pytest.mark.parametrize(
    ("licence", "free"),
    [("CC0-1.0", True), ("GPL-2 or CC-BY-SA-3.0", True), ("GPL-2 and CC-BY-3.0", False), ("CC-BY-NC-3.0", False)],
)
def test_one_free_licence_of_a_choice_is_enough(licence: str, free: bool) -> None:
    assert debian_sounds.is_free(licence, ["CC0*", "CC-BY-[0-9]*", "CC-BY-SA-[0-9]*"]) is free


def test_without_apt_it_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EdgeError, match="apt-get: not found; this needs Debian, or packages from there in --debs"):
        debian_sounds.fetched("game-data", tmp_path)

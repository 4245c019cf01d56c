"""Spatial filters are measured on the clips of the examples where nobody names other recordings."""

from pathlib import Path

from tools.beam_mixtures import EXAMPLES, recordings


def test_without_a_folder_the_talkers_and_noises_of_the_examples_are_heard(tmp_path: Path) -> None:
    speech, noise = recordings(None, tmp_path)
    for kind, corpus in (("speech", speech), ("noise", noise)):
        files = {path.name for path in EXAMPLES.glob(f"{kind}-*.flac")}
        assert len(files) > 1 and {path.name for path in (tmp_path / kind).rglob("*.flac")} == files
        assert len(corpus.speakers) == len(files)

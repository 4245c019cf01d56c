"""The same commands, whichever way leads to the board."""

import json
from pathlib import Path

import pytest

from edge_sdk.cli import main
from tests.edge_sdk.signing import ROOT, STRANGER, trust, trust_file
from tests.firmware_bridge.devices import bundle_file


def check_commands(place: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], slots: str | None = None) -> None:
    """Install, confirm and roll back there: output, exit status and slots are those of a twin on this machine.

    slots: the folder as the board names it, where that is another than ours.
    """
    here, there = tmp_path / "here", Path(slots or tmp_path / "there")
    trust_path = tmp_path / "trust.json"
    trust_path.write_bytes(trust_file(trust(), ROOT))
    one, two, bad = (bundle_file(tmp_path, *about) for about in (("1",), ("2",), ("3", STRANGER)))
    here.mkdir()
    if slots is None:
        there.mkdir()

    def said(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main([str(word) for word in words])
        return (status, *capfd.readouterr())

    for words in (
        ["status", "--json"],
        ["install", one, "--no-trial", "--trust", trust_path, "--json"],
        ["confirm"],
        ["install", two, "--no-trial"],
        ["status", "--json"],
        ["rollback"],
    ):
        twin = said(*words, "--slots", here)
        assert said(*words, "--slots", there, "--board", place) == twin
        assert twin[0] == 0
    status, out, err = said("install", bad, "--no-trial", "--slots", there, "--board", place)
    assert (status, out) == (1, "") and "trusted to release" in err and err.count("\n") == 1
    assert json.loads(said("status", "--slots", there, "--board", place, "--json")[1])["active"] == "b"
    bad.write_bytes(bad.read_bytes()[:-1])
    status, out, err = said("install", bad, "--slots", there, "--board", place)  # seen before it is sent
    assert (status, out) == (1, "") and str(bad) in err and err.count("\n") == 1

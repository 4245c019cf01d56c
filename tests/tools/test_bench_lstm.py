"""Our LSTM is timed beside torch's, a row for each size."""

import re
import shutil

import pytest

from tools.bench_lstm import main


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler: apt-get install g++")
def test_every_size_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--sequences", "8", "9", "--units", "4", "--frames", "3", "--inputs", "2", "--turns", "1"]) == 0
    rows = re.findall(r"^ +(\d+) +(\d+) +[0-9.]+ +[0-9.]+ +[0-9.]+$", capsys.readouterr().out, re.M)
    assert rows == [("8", "4"), ("9", "4")]


def test_numbers_that_make_no_sense_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--frames", "0"]) == 1
    assert capsys.readouterr().err == "bench_lstm: 0: expected positive numbers\n"

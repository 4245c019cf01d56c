"""`edge-sdk separate`, `models`, `bench`: results to standard output, one line and exit code 1 for what is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator, library
from edge_sdk.audio.wav import read_wav, write_wav
from tests.edge_sdk.conftest import Run, one_line


@pytest.mark.parametrize("block", [[], ["--block", 1], ["--block", 997], ["--block", 10**6]])
def test_separate_writes_what_the_separator_gives(
    run: Run, model: Path, recording: Path, tmp_path: Path, block: list[object]
) -> None:
    code, out, _ = run("separate", "--model", model, recording, "--out", tmp_path / "out", "--float", "--json", *block)
    result, separator = json.loads(out), Separator.open(model)
    want = separator.separate(read_wav(recording, 16_000)[0])
    assert code == 0
    assert result["outputs"] == [str(tmp_path / "out" / f"talk-{n + 1}.wav") for n in range(separator.sources)]
    for path, source in zip(result["outputs"], want, strict=True):
        np.testing.assert_array_equal(read_wav(Path(path), 16_000)[0][0], source)
    assert len(list((tmp_path / "out").iterdir())) == separator.sources


def test_separate_says_that_it_resampled(run: Run, model: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros((1, 48_000), np.float32), 48_000)
    code, out, err = run("separate", "--model", model, tmp_path / "a.wav", "--out", tmp_path)
    assert code == 0 and "resampled from 48000 Hz to the model's 16000 Hz" in err
    assert out.splitlines()[0] == str(tmp_path / "a-1.wav")
    y, rate = read_wav(tmp_path / "a-1.wav", 16_000)
    assert rate == 16_000 and y.shape == (1, 16_000)


def test_separate_overwrites_only_by_force(run: Run, model: Path, recording: Path, tmp_path: Path) -> None:
    command = ("separate", "--model", model, recording, "--out", tmp_path)
    (tmp_path / "talk-1.wav").write_bytes(b"mine")
    assert "talk-1.wav exists; choose another --out or give --force" in one_line(*run(*command))
    assert (tmp_path / "talk-1.wav").read_bytes() == b"mine"
    assert run(*command, "--force")[0] == 0
    assert (tmp_path / "talk-1.wav").read_bytes()[:4] == b"RIFF"


def test_separate_on_a_full_disk_leaves_nothing(run: Run, model: Path, tmp_path: Path, full_disk: Path) -> None:
    write_wav_elsewhere(tmp_path / "talk.wav")
    said = one_line(*run("separate", "--model", model, tmp_path / "talk.wav", "--out", full_disk))
    assert "No space left on device" in said and not list(full_disk.iterdir())


def write_wav_elsewhere(path: Path) -> None:
    """A recording longer than the full disk, on a disk where syncing may fail too."""
    import soundfile

    soundfile.write(path, np.zeros(50_000), 16_000)


def test_separate_refuses_in_one_line(run: Run, model: Path, recording: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "no such file" in one_line(*run("separate", "--model", model, tmp_path / "none.wav", *out))
    assert "unknown model 'none'" in one_line(*run("separate", "--model", "none", recording, *out))
    assert "unknown backend" in one_line(*run("separate", "--model", model, recording, *out, "--backend", "x"))
    assert "File name too long" in one_line(*run("separate", "--model", "m" * 300, recording, *out))
    assert "File name too long" in one_line(*run("separate", "--model", model, tmp_path / ("a" * 300), *out))
    os.mkfifo(tmp_path / "pipe.edge")
    assert "pipe.edge" in one_line(*run("inspect", tmp_path / "pipe.edge"))
    damaged = tmp_path / "damaged.edge"
    damaged.write_bytes(model.read_bytes()[:-1])
    assert "damaged" in one_line(*run("separate", "--model", damaged, recording, *out))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["separate"],
        ["bench"],
        ["separate", "--block", "0"],
        ["separate", "x.wav", "--model", "x", "--out", "y", "--beam", "laser"],
        ["bench", "x", "--threads", "99999999999"],
        ["bench", "x", "--seconds", "0"],
    ],
)
def test_wrong_usage_exits_with_2(run: Run, args: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*args)
    assert caught.value.code == 2


def test_models_lists_what_is_shipped(run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    (tmp_path / "first.edge").write_bytes(model.read_bytes())
    code, out, _ = run("models")
    assert code == 0 and "first" in out and "float32" in out
    (row,) = json.loads(run("models", "--json")[1])
    m = Separator.open(model).manifest
    assert (row["name"], row["mics"], row["sources"], row["size_bytes"]) == ("first", 1, m.sources, m.size)
    assert row["latency_ms"] == m.latency / 16


@pytest.mark.parametrize("paced", [[], ["--paced"]])
def test_bench_measures(run: Run, model: Path, paced: list[str]) -> None:
    code, out, _ = run("bench", model, "--json", "--seconds", "0.3", *paced)
    found, m = json.loads(out), Separator.open(model).manifest
    assert code == 0 and found["paced"] is bool(paced)
    assert found["blocks"] == round(0.3 * m.sample_rate / m.block)
    assert 0 < found["p50_us"] <= found["p99_us"] <= found["p999_us"] <= found["worst_us"]
    assert 0 < found["host_share"] < 1 and found["real_time_factor"] > 0
    assert found["import_s"] > 0 and found["open_s"] > 0 and 10 < found["resident_mb"] < 500
    assert found["machine"] and found["cpu"]
    code, out, _ = run("bench", model, "--seconds", "0.1")
    assert code == 0 and "p99" in out


def test_a_full_or_closed_standard_output_is_no_traceback() -> None:
    command = [sys.executable, "-m", "edge_sdk.cli", "models", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")

"""What a live stream does with an accelerator: runs on it where it was found good, and goes on without it where not."""

from pathlib import Path

import numpy as np
import pytest

from edge_sdk import Separator
from edge_sdk.accelerators.accelerator import CPU
from edge_sdk.cli import main
from edge_sdk.live.stream_config import StreamConfig
from tests.edge_sdk.accelerators.conftest import Delegate
from tests.edge_sdk.live.streams import PLAIN, mixture, streamed, written


@pytest.mark.parametrize("slope_scale", [1, 2])
def test_the_models_of_a_stream_run_on_its_accelerator(tmp_path: Path, delegate: Delegate, slope_scale: int) -> None:
    """A delegate that doubles slopes is heard: nothing else computes them."""
    x = mixture(0.5)
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    on = delegate(mode="relu", slope_scale=slope_scale)
    places = ("enhance-mono",), str(source), str(target)
    y, stream = streamed(StreamConfig(*places, format="FLOAT_LE", accelerator=on, **PLAIN))
    difference = np.abs(y[:, stream.delay :] - Separator.open("enhance-mono").separate(x)).max()
    assert difference < 1e-4 if slope_scale == 1 else difference > 1e-2


def test_a_stream_for_which_no_accelerator_is_there_runs_on_the_cpu_and_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    x = mixture(0.5)
    source, target = written(tmp_path / "in.wav", x), tmp_path / "out.wav"
    options = ["--priority", "0", "--quiet", "--format", "FLOAT_LE", "--high-pass", "0", "--ceiling", "0"]
    places = ["--model", "enhance-mono", "--capture", str(source), "--playback", str(target)]
    assert main(["run", *places, *options, "--delegate", "/none/libnone.so"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the CPU computes, not delegate libnone.so: ") and "cannot open shared object" in line
    y, stream = streamed(
        StreamConfig(("enhance-mono",), str(source), str(tmp_path / "cpu.wav"), format="FLOAT_LE", **PLAIN)
    )
    assert stream.config.accelerator == CPU
    np.testing.assert_array_equal(y, written_samples(target))


def written_samples(path: Path) -> np.ndarray:
    import soundfile

    samples: np.ndarray = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    return samples

"""Calibration sees what a stream sees, the same every time; what cannot calibrate anything is refused in a line."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from edge_sdk import Separator
from edge_sdk.cli import main
from edge_sdk.errors import DataError
from models.checkpoint import save_network
from models.tasnet import TasNet
from quantization.artifact import Artifact, read_artifact, write_artifact
from quantization.calibration import Calibration, Histogram, calibrate
from quantization.parity import difference_db, load_mixture, run_whole
from quantization.quantize import quantize
from quantization.step_graph import step_graph
from quantization.step_graph.parts import Pointwise
from tests.quantization.steps import run_graph

RATE = 16_000


@pytest.fixture(scope="module")
def mixture(trained: TasNet) -> np.ndarray:
    return np.tile(load_mixture(None, trained)[0], 2)[:, : 4 * RATE]


@pytest.fixture(scope="module")
def whole(exported: Artifact, mixture: np.ndarray) -> Calibration:
    return calibrate(exported, [("m", mixture)])


@pytest.fixture(scope="module")
def inner(exported: Artifact, mixture: np.ndarray) -> Calibration:
    return calibrate(exported, [("m", mixture)], 90.0)


def test_limits_are_those_of_every_layer_along_the_stream_in_torch(
    trained: TasNet, whole: Calibration, mixture: np.ndarray
) -> None:
    found = whole.ranges
    graph, seen = step_graph(trained, 8), dict[str, list[float]]()

    def watch(name: str, x: torch.Tensor, y: torch.Tensor) -> None:
        low, high, out_low, out_high = seen.get(name, [np.inf, -np.inf, np.inf, -np.inf])
        seen[name] = [min(low, x.min()), max(high, x.max()), min(out_low, y.min()), max(out_high, y.max())]

    for name, module in graph.named_modules():
        if isinstance(module, Pointwise):
            module.register_forward_hook(lambda module, x, y, name=name: watch(name, x[0], y))
    bank = trained.config.filterbank
    padded = np.pad(mixture, ((0, 0), (bank.frame - bank.hop, 0)))  # frame i ends with hop i
    steps = mixture.shape[1] // bank.hop
    frames = np.stack([padded[:, i * bank.hop : i * bank.hop + bank.frame] for i in range(steps)], axis=1)
    run_graph(graph, torch.from_numpy(frames))
    assert set(found) == set(seen)
    for name, limits in found.items():
        # Float32 sums in another order, along a stream of 5,000 steps.
        np.testing.assert_allclose([*limits.inputs, *limits.outputs], seen[name], rtol=1e-3, atol=1e-4)


def test_calibration_is_the_same_every_time(exported: Artifact, whole: Calibration, mixture: np.ndarray) -> None:
    assert calibrate(exported, [("m", mixture)]) == whole
    assert (whole.about["mixtures"], whole.about["seconds"], whole.about["percentile"]) == (1, 4.0, 100.0)


def test_speech_is_peaks_that_narrower_ranges_would_clip(
    trained: TasNet, exported: Artifact, whole: Calibration, inner: Calibration, mixture: np.ndarray
) -> None:
    """Why minimum and maximum are the default, and calibration our own: the quantizer's moving average clips."""
    for name, limits in whole.ranges.items():
        assert limits.outputs[0] < inner.ranges[name].outputs[0] < inner.ranges[name].outputs[1] < limits.outputs[1]
    reference, close = run_whole(trained, mixture)[:, trained.delay :], []
    for calibration in (whole, inner):
        model = Separator(quantize(exported, "static_int8", "q", calibration=calibration).bundle)
        close.append(difference_db(reference, model.separate(mixture)[:, : reference.shape[1]]))
    assert close[0] > close[1] + 10


def test_a_histogram_knows_percentiles_whatever_the_order_and_size_of_what_comes() -> None:
    values = np.random.default_rng(0).standard_normal(50_000).astype(np.float32) * 3
    histogram = Histogram()
    for part in np.array_split(values, 37):
        histogram.add(part)
    assert histogram.limits(100) == (values.min(), values.max())
    for percentile in (99.9, 99.0, 95.0):
        low, high = (
            np.percentile(values, p, method=m) for p, m in ((100 - percentile, "lower"), (percentile, "higher"))
        )
        np.testing.assert_allclose(histogram.limits(percentile), (low, high), atol=2 * 16 / 4096)  # two bins


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: [], r"no mixtures, at least 4 s expected"),
        (lambda x: [("a", x[:, :RATE])], r"1\.0 s of sound, at least 4 s expected"),
        (lambda x: [("a", x), ("b", np.zeros_like(x))], "b is silent"),
        (lambda x: [("a", np.full_like(x, np.nan))], "a holds NaN"),
        (lambda x: [("a", np.concatenate([x, x]))], r"a has 2 microphone\(s\), the model takes 1"),
    ],
    ids=["empty", "short", "silent", "nan", "mics"],
)
def test_what_cannot_calibrate_is_refused(exported: Artifact, mixture: np.ndarray, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message):
        calibrate(exported, spoil(mixture))


def test_quantize_calibrates_on_a_folder_and_refuses_what_does_not_fit(
    trained: TasNet, exported: Artifact, mixture: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, out = tmp_path / "network.safetensors", tmp_path / "out"
    save_network(checkpoint, trained, {})
    sounds, slow, stereo, empty = (tmp_path / name for name in ("sounds", "slow", "stereo", "empty"))
    for folder in (sounds, slow, stereo, empty):
        folder.mkdir()
    soundfile.write(sounds / "a.wav", mixture[0], RATE, subtype="FLOAT")
    soundfile.write(slow / "a.wav", mixture[0], 8000)
    soundfile.write(stereo / "a.wav", np.stack([mixture[0]] * 2, axis=1), RATE)
    command = ["quantize", str(write_artifact(exported, tmp_path)), "--checkpoint", str(checkpoint)]
    command += ["--recipe", "static_int8", "--name", "q", "--out", str(out), "--calibration"]
    for folder in (slow, stereo, empty, tmp_path / "nowhere"):
        assert main([*command, str(folder)]) == 1
    refused = capsys.readouterr().err.strip().splitlines()
    expected = (
        "8000 Hz, the model works at 16000 Hz",
        "2 channels, the model takes 1",
        "no mixtures",
        "no such folder",
    )
    assert all(part in line for line, part in zip(refused, expected, strict=True))
    assert not out.exists()
    assert main([*command, str(sounds)]) == 0
    kept = read_artifact(out / "q.tflite").manifest.provenance["quantization"]["calibration"]
    assert (kept["seconds"], kept["percentile"]) == (4.0, 100.0)

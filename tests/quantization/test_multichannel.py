"""A network of several microphones, exported and quantized, computes what it computes in torch."""

import numpy as np
import pytest
import torch

from edge_sdk import Separator
from edge_sdk.errors import ParityError
from models.layers.narrow_band import NarrowBandConfig
from models.multichannel import SpatialConfig
from models.tasnet import TasNet
from quantization.artifact import Artifact
from quantization.delegate import delegation
from quantization.export import export
from quantization.parity import check, over_microphones
from quantization.quantize import quantize
from tests.quantization.networks import network

FRAMES = 3
SPATIAL = SpatialConfig(4, 2, ("ipd", "icd"), combine="filter-and-sum")


@pytest.fixture(scope="module")
def array() -> TasNet:
    """All that there is for several microphones, in one network."""
    return network(mask="complex", skip=0, spatial=SPATIAL, narrow_band=NarrowBandConfig(3, 5))


@pytest.fixture(scope="module")
def model(array: TasNet) -> Artifact:
    return export(array, "array", FRAMES)


def test_the_exported_model_is_its_network_in_one_partition(array: TasNet, model: Artifact) -> None:
    parity = check(array, model)
    assert parity.model_db >= 80 and parity.step_db >= 100
    assert delegation(model.model).partitions == 1


def test_blocks_of_samples_through_the_runtime_equal_the_network(array: TasNet, model: Artifact) -> None:
    x = (0.1 * np.random.default_rng(5).standard_normal((4, 9000))).astype(np.float32)
    separator = Separator(model.bundle)
    parts = [separator.process(block) for block in np.split(x, [1, 50, 51, 3000, 7007], axis=1)]
    with torch.no_grad():
        whole = array(torch.from_numpy(np.pad(x, ((0, 0), (0, array.delay))))[None])[0].numpy()
    streamed = np.concatenate([*parts, separator.flush()], axis=1)
    np.testing.assert_allclose(streamed, whole, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"expected \[4, n\]"):
        separator.process(x[:1])


def test_the_manifest_counts_every_microphone(array: TasNet, model: Artifact) -> None:
    m, weights = model.manifest, dict(array.named_parameters())
    encoder, decoder = (weights.pop(f"filterbank.{name}.weight").numel() for name in ("encoder", "decoder"))
    kernel = 2 * weights.pop("spatial.kernel").numel()  # four products for two numbers
    shared = sum(weights.pop(f"narrow_band.{name}.weight").numel() for name in ("hidden", "output"))
    layers = sum(p.numel() for p in weights.values() if p.ndim == 2)
    assert m.mics == 4
    bins = array.config.levels
    assert m.macs == (4 * encoder + kernel + layers + bins * shared + 2 * decoder) * m.sample_rate // m.hop


def test_int8_passes_its_gate_and_stays_in_one_partition(array: TasNet, model: Artifact) -> None:
    quantized = quantize(model, "dynamic_int8", "array-int8")
    assert check(array, quantized).floor_db == 30
    assert delegation(quantized.model).partitions == 1


def test_phases_do_not_survive_an_encoder_of_eight_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = network(mask="complex", skip=0, spatial=SPATIAL)
    monkeypatch.setattr("quantization.layers.FINE", "_nowhere/")
    with pytest.raises(ParityError):
        check(plain, quantize(export(plain, "plain", FRAMES), "dynamic_int8", "plain-int8"))


def test_the_mixture_of_the_gate_differs_at_every_microphone() -> None:
    mono = np.random.default_rng(0).standard_normal((1, 4000)).astype(np.float32)
    assert over_microphones(mono, 1) is mono
    heard = over_microphones(mono, 6)
    np.testing.assert_array_equal(heard, over_microphones(mono, 6))
    assert heard.shape == (6, 4000) and heard.dtype == np.float32
    for mic in range(6):
        late = [abs(np.dot(heard[mic, lag:], mono[0, : 4000 - lag])) for lag in range(8)]
        assert np.argmax(late) == mic % 4
    assert np.linalg.matrix_rank(heard @ heard.T) == 6

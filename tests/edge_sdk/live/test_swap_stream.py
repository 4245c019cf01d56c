"""Models take turns in a stream that plays: no block is missing, none is late, and each is heard to the bit on
its side of one cross-faded block."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from edge_sdk import Separator
from edge_sdk.contract import Bundle, read_bundle
from edge_sdk.library import find_model
from edge_sdk.live.engine import Engine
from edge_sdk.live.feed import Feed
from edge_sdk.live.guard import Guard
from edge_sdk.live.isolation import Isolated
from edge_sdk.live.ladder import Ladder
from edge_sdk.live.ladder_config import LadderConfig
from edge_sdk.live.local import Bypass, model_engine
from edge_sdk.live.loop import Loop
from edge_sdk.live.newcomer import memory_of
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import BeamConfig, StreamConfig
from edge_sdk.live.swap import Swap, SwapError
from firmware_bridge.bundle import write_bundle
from models.layers.tcn import TCNConfig
from models.zoo import build, preset
from quantization.export import export
from quantization.quantize import quantize
from tests.edge_sdk.live.devices import RATE, VirtualClock, VirtualLoudspeaker, VirtualMicrophones
from tests.edge_sdk.live.engines import metrics
from tests.edge_sdk.live.stage import BUDGET, PATIENCE_S, delayed, follow
from tests.edge_sdk.live.streams import PLAIN, mixture, written
from tests.edge_sdk.live.test_alsa_stream import heard, running, unhurried, until  # noqa: F401
from tests.virtual_audio import playing, pulseaudio

FIRST, SECOND = "enhance-hearing-aid", "enhance-hearing-aid-float32"


@pytest.fixture(scope="module")
def lined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Bundles `first` and `second` of the hearing aid's frames, with delay lines alone: what lies further back than
    those changes no bit, so that a model is the same however long it has heard."""
    separator = TCNConfig(bottleneck=48, hidden=96, skip=0, blocks=6, repeats=1)
    torch.manual_seed(1)
    network = build(replace(preset("enhance-hearing-aid"), separator=separator, background=())).eval()
    torch.nn.init.normal_(network.separator.output.weight, std=0.1)
    folder, first = tmp_path_factory.mktemp("lined"), export(network, "first")
    for made in (first, quantize(first, "dynamic_int8", "second")):
        write_bundle(folder / f"{made.manifest.name}.edge", made.manifest, made.model)
    return folder / "first.edge", folder / "second.edge"


def test_on_a_sound_card_no_block_is_missing_late_or_altered(
    monkeypatch: pytest.MonkeyPatch, lined: tuple[Path, Path]
) -> None:
    """Models on virtual devices: forth, and back. Nothing is lost, dropped or underrun, and but for two cross-
    faded blocks every sample is one that a model gives which heard the whole stream."""
    monkeypatch.setattr("edge_sdk.live.swap.LOOK_S", 0.0002)
    clock = VirtualClock()
    speaker = VirtualLoudspeaker(clock)
    first, second = (read_bundle(path) for path in lined)
    size = first.manifest.block

    def make(bundle: Bundle) -> Engine:
        return model_engine(Separator(bundle), 1, block=size)

    old = make(first)
    ladder = Ladder([old, Bypass(1, 1, size)], LadderConfig.for_blocks(size, RATE), clock)
    m = metrics(block=size)
    guard = Guard(ladder, m, RATE, 160, budget_s=BUDGET)
    swap = Swap(ladder, make, {old: memory_of(first.manifest)})
    asked: list[Any] = []
    helper = threading.Thread(target=lambda: asked.extend([swap.load(second), wait_blocks(m, 300), swap.back()]))

    class Microphones(VirtualMicrophones):
        """Nobody hears faster than the helper follows."""

        def read(self) -> tuple[np.ndarray, int]:
            if m.blocks >= 40 and not asked and not helper.is_alive():
                helper.start()
            follow(ladder, helper)
            return super().read()

    given: list[np.ndarray] = []

    class Chain:
        channels, delay, grain = 1, guard.delay, 32

        def process(self, x: np.ndarray) -> np.ndarray:
            given.append(x.copy())
            y = np.empty_like(x)
            guard.process(x, y)
            return y

        def watch(self, x: np.ndarray) -> None:
            pass

        forget, overrun = guard.forget, guard.overrun

    loop = Loop(Microphones(clock, mics=1, end=1000 * RATE), Chain(), Feed(speaker, m, 8 * 160), m)
    loop.run(lambda: len(asked) == 3 or m.blocks > 100_000)
    helper.join(PATIENCE_S)
    assert asked == [1, None, 2]
    assert m.lost == m.dropped == m.inserted == m.overruns == m.underruns == 0
    assert m.captured == m.processed == m.played and not any(m.fallbacks.values())
    y, x = np.concatenate(speaker.heard, axis=1), np.concatenate(given, axis=1)
    end = y.shape[1] - 160  # the last period fades out
    one, two = (
        delayed(Separator(bundle).process(x[:, : x.shape[1] // size * size]), guard.delay - first.manifest.delay)
        for bundle in (first, second)
    )
    end = min(end, one.shape[1])
    is_one, is_two = ((y[:, :end] == model[:, :end]).all(axis=0) for model in (one, two))
    crossing = np.flatnonzero(~(is_one | is_two))
    assert 0 < len(crossing) <= 2 * size and is_one[0] and is_one[-1] and is_two.sum() >= 300 * size
    gaps = np.flatnonzero(np.diff(crossing) >= size)
    assert len(gaps) <= 1, "one cross-fade forth and one back"


def wait_blocks(m: Any, more: int) -> None:
    """Until so many blocks more were played."""
    end = m.blocks + more
    while m.blocks < end:
        time.sleep(0.001)


def test_on_a_real_sound_server_nothing_is_lost(
    heard: list[np.ndarray],  # noqa: F811
    tmp_path: Path,
    lined: tuple[Path, Path],
) -> None:
    """Forth to a model in a process of its own, and back; to the last bit of 16, and half of one that rounding adds."""
    target = tmp_path / "out.wav"
    with pulseaudio(mics=1):
        stream = LiveStream(StreamConfig((str(lined[0]),), "mics", str(target), period=256, **PLAIN))
        with running(stream), playing(mixture(0.5)):
            until(lambda: stream.metrics.captured > RATE // 2, "the first samples")
            assert stream.swap.load(read_bundle(lined[1])) == 1
            until(lambda: stream.metrics.swaps == 1, "the swap in a report")
            assert stream.metrics.rungs == ("second", "first", "bypass")
            blocks = stream.metrics.blocks
            until(lambda: stream.metrics.blocks > blocks + 50, "blocks of the second model")
            assert stream.swap.back() == 2
            blocks = stream.metrics.blocks
            until(lambda: stream.metrics.blocks > blocks + 50, "blocks of the first model")
    assert stream.metrics.lost == 0 and not any(stream.metrics.fallbacks.values())
    x, (y, _) = np.concatenate(heard, axis=1), soundfile.read(target, dtype="float32", always_2d=True)
    assert y.shape[0] == x.shape[1] == stream.metrics.processed
    size = stream.sound.block
    end = x.shape[1] // size * size - 256 - stream.delay  # the last period fades out
    is_one, is_two = (
        np.abs(y[stream.delay :, 0][:end] - Separator(read_bundle(path)).separate(x)[0, :end]) <= 0.51 / 2**15
        for path in lined
    )
    assert np.count_nonzero(~(is_one | is_two)) <= 2 * size and is_one[-1]
    assert np.count_nonzero(is_two & ~is_one) > size


def test_a_stream_that_is_closed_ends_the_processes_of_models_that_came(tmp_path: Path) -> None:
    source = written(tmp_path / "in.wav", mixture(60.0))
    stream = LiveStream(StreamConfig((FIRST,), str(source), str(tmp_path / "out.wav"), paced=True, period=256))
    with running(stream):
        stream.swap.load(read_bundle(find_model(SECOND)))
        engine = next(engine for engine in stream.chain._guard.ladder._rungs if engine.engine.name == SECOND).engine
        assert isinstance(engine, Isolated) and engine.pid is not None
        pid = engine.pid
    assert not Path(f"/proc/{pid}").exists()


def test_the_model_of_a_beam_stays(tmp_path: Path) -> None:
    """It steers a filter in this process, and to load another one here would hold up the sound."""
    from edge_sdk.audio.arrays import load_array

    array = load_array("respeaker-usb-v2")
    source = written(tmp_path / "in.wav", mixture(0.1, array.capture_channels))
    config = StreamConfig((FIRST,), str(source), str(tmp_path / "y.wav"), array=array, beam=BeamConfig("mwf"))
    stream = LiveStream(config)
    try:
        with pytest.raises(SwapError, match="the model of a beam cannot be changed while it plays"):
            stream.swap.load(read_bundle(find_model(SECOND)))
    finally:
        stream.close()

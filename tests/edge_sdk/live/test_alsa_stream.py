"""Live streams on sound servers that run for the test, through ALSA, in real time."""

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk import Separator
from edge_sdk.audio.alsa import AlsaPlayback, PcmConfig
from edge_sdk.audio.arrays import load_array
from edge_sdk.audio.pcm import Capture
from edge_sdk.errors import AudioError
from edge_sdk.live import stream as stream_module
from edge_sdk.live.places import Place, open_capture
from edge_sdk.live.roundtrip import measure
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig
from tests.edge_sdk.live.streams import PERIODS, PLAIN, RATE, mixture
from tests.virtual_audio import Server, pulseaudio

ARRAY, PAIR = load_array("respeaker-usb-v2"), load_array("hearing-aid-pair")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pulseaudio(mics=ARRAY.capture_channels) as running:
        yield running


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine makes blocks late, and a guard that does its work would bring in the microphone."""
    monkeypatch.setattr("edge_sdk.live.guard.BUDGET", 1e3)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the streams of this test read from their devices."""
    kept: list[np.ndarray] = []

    def open_it(place: Place, select: tuple[int, ...] | None) -> Capture:
        capture = open_capture(place, select)
        read = capture.read

        def keep() -> tuple[np.ndarray, int]:
            x, lost = read()
            kept.append(x.copy())
            return x, lost

        capture.read = keep  # type: ignore[method-assign]
        return capture

    monkeypatch.setattr(stream_module, "open_capture", open_it)
    return kept


@contextmanager
def running(stream: LiveStream) -> Iterator[None]:
    """The stream runs in a thread meanwhile, and is closed in it."""
    stop, errors = threading.Event(), []

    def run() -> None:
        try:
            stream.run(stop.is_set)
        except Exception as error:
            errors.append(error)
        finally:
            stream.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not errors and not thread.is_alive()


def until(happened: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end, f"not within 20 s: {what}"
        time.sleep(0.02)


@pytest.mark.parametrize("period", PERIODS)
def test_what_the_array_hears_is_separated_as_from_a_file(
    server: Server, heard: list[np.ndarray], tmp_path: Path, period: int
) -> None:
    """Six channels played to a virtual array: to the last bit of 16, and half of one that rounding adds."""
    x, target = mixture(0.7, ARRAY.capture_channels), tmp_path / "out.wav"
    stream = LiveStream(StreamConfig(("enhance-mono",), "mics", str(target), array=ARRAY, period=period, **PLAIN))
    feed = AlsaPlayback(PcmConfig("mics_feed", RATE, ARRAY.capture_channels, period=2048), priming=1)
    with running(stream):
        until(lambda: stream.metrics.captured > 0, "the first samples")
        feed.write(x)
        until(lambda: stream.metrics.captured > 1.6 * RATE, "1.6 s of samples")
    feed.close()
    taken = np.concatenate(heard, axis=1)
    mics = x[list(ARRAY.channels)]
    begins = np.flatnonzero((taken == mics[:, :1]).all(axis=0))
    assert len(begins) == 1
    np.testing.assert_array_equal(taken[:, begins[0] : begins[0] + x.shape[1]], mics)
    y, _ = soundfile.read(target, dtype="float32", always_2d=True)
    want = Separator.open("enhance-mono").separate(taken[[ARRAY.reference]])
    # The last period fades out.
    assert y.T.shape == (1, taken.shape[1])
    kept = taken.shape[1] - stream.delay - period
    np.testing.assert_allclose(y.T[:, stream.delay :][:, :kept], want[:, :kept], rtol=0, atol=0.51 / 2**15)
    assert stream.metrics.lost == 0 and stream.metrics.captured == stream.metrics.processed == taken.shape[1]


@pytest.mark.parametrize(("read_ahead", "one_clock"), [(False, True), (True, None)])
def test_from_device_to_device_every_sample_is_played_or_counted(
    server: Server, read_ahead: bool, one_clock: bool | None
) -> None:
    """In one thread as one card, and with a thread that reads ahead as two cards, which these names are taken for."""
    config = StreamConfig(("enhance-mono",), "mics", "speaker", array=ARRAY, read_ahead=read_ahead, one_clock=one_clock)
    stream = LiveStream(config)
    with running(stream):
        until(lambda: stream.metrics.captured > RATE, "a second of samples")
    m = stream.metrics
    assert m.captured + m.lost == m.processed == m.played + m.dropped - m.inserted
    assert m.blocks == m.processed // 64 and m.played > RATE // 4
    assert stream.feed.delay == (0 if one_clock else 16)


def test_clicks_take_as_long_as_computed() -> None:
    """Through the stream, out of a loudspeaker and back, less what the sound server adds of its own: within a period.

    The best of three measurements, since a busy machine stops servers and streams for longer than any of them has in
    hand. With a larger queue than a hearing aid has, for the same reason.
    """
    command = [sys.executable, "-m", "edge_sdk.cli", "latency", "enhance-hearing-aid", "--measure", "--json"]
    command += ["--capture", "speaker_tap", "--playback", "speaker", "--channels", "2", "--array", PAIR.name]
    off_ms = []
    with pulseaudio(mics=2, speakers=2):
        while len(off_ms) < 3 and not any(off <= 8.0 for off in off_ms):
            done = subprocess.run([*command, "--period", "128", "--queue", "10"], capture_output=True, text=True)
            found = json.loads(done.stdout) if done.returncode == 0 else {"measured_ms": math.inf, "computed_ms": 0.0}
            off_ms.append(abs(found["measured_ms"] - found["computed_ms"]))
    assert min(off_ms) <= 8.0, f"a period; {off_ms}, {done.stderr}"
    assert len(found["clicks_ms"]) >= 4


def test_devices_that_are_not_joined_are_found_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_sdk.live.roundtrip.CLICKS", 2)
    with pytest.raises(AudioError, match="0 of 2 clicks came back from speaker to mics; join them by a cable"):
        measure(StreamConfig(("enhance-mono",), "mics", "speaker", array=ARRAY))


def test_a_server_that_ends_and_starts_again_is_found_again_and_time_goes_on(tmp_path: Path) -> None:
    target = tmp_path / "out.wav"
    with pulseaudio(mics=1) as first:
        stream = LiveStream(StreamConfig(("enhance-mono",), "mics", str(target), period=160))
        with running(stream):
            until(lambda: stream.metrics.captured > RATE // 4, "samples")
            began = time.monotonic() - stream.metrics.processed / RATE
            first.kill()
            until(lambda: stream.metrics.lost > RATE // 4, "lost samples")
            before = stream.metrics.captured
            with pulseaudio(mics=1):
                until(lambda: stream.metrics.captured > before + RATE // 4, "samples of the new server")
                processed, now = stream.metrics.processed, time.monotonic()
    assert stream.metrics.reopened == 1
    assert 0 <= stream.metrics.captured + stream.metrics.lost - stream.metrics.processed < 32, "less than a grain waits"
    # The stream's own time against the clock's: a period that is on its way, and a machine that stalls.
    assert abs(processed / RATE - (now - began)) < 0.5
    y, _ = soundfile.read(target)
    assert len(y) == stream.metrics.processed

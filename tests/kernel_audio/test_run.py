"""Live streams from snd-aloop and back to it."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from edge_sdk.audio.alsa import AlsaCapture
from edge_sdk.live.stream import LiveStream
from edge_sdk.live.stream_config import StreamConfig
from tests.kernel_audio.signals import RATE, SINK, SOURCE, config, noise, playing

pytestmark = pytest.mark.board


@pytest.mark.parametrize("read_ahead", [False, True], ids=["one thread", "two threads"])
def test_every_sample_is_processed_and_played_or_counted(read_ahead: bool) -> None:
    """Whatever this slow machine is late for: no sample is lost uncounted, and something is heard."""
    stream = LiveStream(StreamConfig(("enhance-mono",), SINK, SINK, period=256, read_ahead=read_ahead))
    thread = threading.Thread(target=lambda: (stream.run(lambda: stream.metrics.processed > 4 * RATE), stream.close()))
    tap = AlsaCapture(config(SOURCE))
    loudest = 0.0
    try:
        with playing(noise(30, 1, 16), config(SOURCE)):
            thread.start()
            while thread.is_alive():
                samples, _ = tap.read()
                loudest = max(loudest, float(np.abs(samples).max(initial=0)))
    finally:
        thread.join()
        tap.close()
    m = stream.metrics
    print(m.snapshot())
    assert m.captured + m.lost == m.processed + m.snapshot().waiting
    assert 0 <= m.captured + m.lost - m.processed < m.block
    assert m.processed == m.played + m.dropped - m.inserted
    assert m.captured > (RATE if read_ahead else 0), "a thread that only reads keeps up, whatever the model takes"
    assert 0 < m.blocks <= m.processed // m.block, "long gaps are silence without blocks"
    assert loudest > 0


def test_edge_sdk_run_runs_and_ends() -> None:
    command = [sys.executable, "-m", "edge_sdk.cli", "run", "--model", "enhance-mono", "--json", "--seconds", "4"]
    done = subprocess.run(
        [*command, "--capture", SINK, "--playback", SINK], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    last = json.loads(done.stdout.splitlines()[-1])["stream"]
    print(last)
    assert last["captured"] + last["lost"] == last["processed"] + last["waiting"] > RATE

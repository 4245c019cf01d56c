"""Sound servers of a test's own, reached through ALSA: PulseAudio's null sinks as a microphone array and a loudspeaker,
and JACK with its dummy driver, which unlike PulseAudio reports overruns.

They keep to real time, and PulseAudio to the last bit. Each lives in a folder of its own with an ALSA configuration of
its own (ALSA_CONFIG_PATH) and ends with the test.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

# In ALSA's order of channels; in another PulseAudio mixes them.
POSITIONS = ["front-left", "front-right", "rear-left", "rear-right", "front-center", "lfe", "side-left", "side-right"]
START_S = 20.0  # a busy machine takes seconds


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    folder: Path

    def kill(self) -> None:
        """As a crash would."""
        self.process.kill()
        self.process.wait()


def needs(*programs: str) -> None:
    """Skip the test where what it stands on is not installed."""
    pytest.importorskip("alsaaudio", reason="needs pyalsaaudio: pip install 'edge-sdk[alsa]'")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install pulseaudio pulseaudio-utils jackd2 libasound2-plugins")


@contextmanager
def pulseaudio(mics: int, format: str = "s16le", speakers: int = 1, rate_hz: int = 16_000) -> Iterator[Server]:
    """The ALSA devices `mics` (captured from `mics_feed`, where a test plays what the array shall hear) and `speaker`
    (heard at `speaker_tap`)."""
    needs("pulseaudio", "pactl")
    with folder() as home:
        address = f"unix:{home}/socket"
        devices = {"mics": "mic.monitor", "mics_feed": "mic", "speaker": "spk", "speaker_tap": "spk.monitor"}
        write_config(
            home, [f'pcm.{n} {{ type pulse server "{address}" device "{device}" }}' for n, device in devices.items()]
        )
        options = "--daemonize=no --disallow-exit=yes --use-pid-file=no --realtime=no --high-priority=no"
        command = ["pulseaudio", "-n", *options.split(), "--exit-idle-time=30", "--log-level=error"]
        command += ["-L", f"module-native-protocol-unix socket={home}/socket auth-anonymous=1"]
        for name, channels in (("mic", mics), ("spk", speakers)):
            layout = "mono" if channels == 1 else ",".join(POSITIONS[:channels])
            sink = f"sink_name={name} format={format} rate={rate_hz} channels={channels} channel_map={layout}"
            command += ["-L", f"module-null-sink {sink} norewinds=1"]  # with rewinds the first read takes 1.9 s
        with running(
            command, home, {"PULSE_SERVER": address, "PULSE_COOKIE": f"{home}/cookie"}, ["pactl", "info"]
        ) as s:
            yield s


@contextmanager
def playing(x: np.ndarray, rate_hz: int = 16_000, period: int = 2048) -> Iterator[None]:
    """The microphones of `pulseaudio` hear this, `[M, n]`, again and again."""
    from edge_sdk.audio.alsa import AlsaPlayback, PcmConfig

    stop = threading.Event()

    def play() -> None:
        feed, at = AlsaPlayback(PcmConfig("mics_feed", rate_hz, len(x), period=period), priming=1), 0
        while not stop.is_set():
            feed.write(np.take(x, range(at, at + period), axis=1, mode="wrap"))
            at = (at + period) % x.shape[1]
        feed.close()

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(START_S)


@contextmanager
def jack(mics: int, rate_hz: int = 16_000, period: int = 128) -> Iterator[Server]:
    """The ALSA devices `jack` (capture, as JACK has it: float samples in its own period) and `mics` (converted)."""
    needs("jackd", "jack_lsp")
    with folder() as home:
        ports = " ".join(f"{i} system:capture_{i + 1}" for i in range(mics))
        name = home.name
        write_config(
            home,
            [
                f"pcm.jack {{ type jack capture_ports {{ {ports} }} }}",
                f"pcm.mics {{ type plug slave {{ pcm jack channels {mics} }} }}",
            ],
        )
        command = f"jackd -r -n {name} -d dummy -r {rate_hz} -p {period} -C {mics} -P 1".split()
        quiet = {"JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": name, "JACK_NO_AUDIO_RESERVATION": "1"}
        try:
            with running(command, home, quiet, ["jack_lsp"]) as server:
                yield server
        finally:
            for left in Path("/dev/shm").glob(f"jack*{name}*"):
                left.unlink(missing_ok=True)


@contextmanager
def folder() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="edge-audio-"))  # short: the name of a socket has at most 107 bytes
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write_config(home: Path, pcms: list[str]) -> None:
    (home / "asound.conf").write_text("\n".join(["</usr/share/alsa/alsa.conf>", *pcms]) + "\n")


@contextmanager
def running(command: list[str], home: Path, variables: Mapping[str, str], answers: list[str]) -> Iterator[Server]:
    """A server, from when the command `answers` succeeds, with its variables in this process; killed in the end."""
    own = {"XDG_RUNTIME_DIR": str(home), "ALSA_CONFIG_PATH": f"{home}/asound.conf", **variables}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    log = (home / "log").open("wb")
    env = {**os.environ, "HOME": str(home)}
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log, preexec_fn=end_with_the_test)
    try:
        give_up_s = time.monotonic() + START_S
        while subprocess.run(answers, capture_output=True).returncode:
            if process.poll() is not None or time.monotonic() > give_up_s:
                pytest.fail(f"{command[0]} did not start: {(home / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield Server(process, home)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.close()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_with_the_test() -> None:
    """Run in the server before it starts: should the test be killed, the server is, too."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)

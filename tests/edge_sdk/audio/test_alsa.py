"""Capture and playback on ALSA devices of sound servers that run for the test: exact, counted, or refused."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_sdk.audio.alsa import AlsaCapture, AlsaPlayback, PcmConfig
from edge_sdk.audio.pcm import DeviceGone
from edge_sdk.errors import AudioError
from tests.virtual_audio import Server, jack, pulseaudio

RATE, PERIOD = 16_000, 160


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pulseaudio(mics=6) as running:
        yield running


def numbers(channels: int, samples: int, bits: int) -> np.ndarray:
    """Random samples that are whole numbers of so many bits."""
    top = 2 ** (min(bits, 24) - 1)
    return (np.random.default_rng(channels).integers(-top, top, (channels, samples)) / top).astype(np.float32)


def refused(config: PcmConfig) -> str:
    with pytest.raises(AudioError) as caught:
        AlsaCapture(config)
    assert "\n" not in str(caught.value) and config.device in str(caught.value)
    return str(caught.value)


def again_and_again(function: Callable[[], object]) -> None:
    for _ in range(1000):
        function()


@pytest.mark.parametrize(
    ("channels", "format", "period"),
    [
        (4, "S16_LE", 64),
        (4, "S32_LE", 256),
        (6, "S16_LE", 160),
        (6, "S32_LE", 1024),
        (8, "S16_LE", 441),
        (8, "S32_LE", 128),
    ],
)
def test_what_an_array_hears_is_captured_bit_for_bit(channels: int, format: str, period: int) -> None:
    """Played to the array by one device and captured by the other: every sample of the microphones, in their order."""
    x = numbers(channels, RATE // 2, int(format[1:3]))
    select = tuple(reversed(range(1, channels)))
    with pulseaudio(channels, f"{format[:3].lower()}le"):
        capture = AlsaCapture(PcmConfig("mics", RATE, channels, format, period), select)
        # All of it at once, into a buffer that holds it: however this machine stalls, nothing runs dry.
        feed = AlsaPlayback(PcmConfig("mics_feed", RATE, channels, format, 2048), priming=1)
        heard = [capture.read()[0].copy()]
        feed.write(x)
        while sum(y.shape[1] for y in heard) < x.shape[1] + RATE // 2:
            heard.append(capture.read()[0].copy())
        assert capture.overruns == feed.underruns == 0
        capture.close()
        feed.close()
    y = np.concatenate(heard, axis=1)
    begins = np.flatnonzero((y == x[list(select), :1]).all(axis=0))
    assert len(begins) == 1
    np.testing.assert_array_equal(y[:, begins[0] : begins[0] + x.shape[1]], x[list(select)])


def test_a_reader_that_stalls_before_a_sound_server_loses_nothing(server: Server) -> None:
    capture = AlsaCapture(PcmConfig("mics", RATE, 6))
    for k in range(60):
        samples, lost = capture.read()
        assert samples.shape == (6, PERIOD) and lost == 0
        if k == 10:
            time.sleep(0.4)
    capture.close()


def test_playback_that_ran_dry_is_primed_again_and_counted(server: Server) -> None:
    period = RATE // 10  # long, so that it runs dry when the test wants it to and not when this machine stalls
    playback = AlsaPlayback(PcmConfig("speaker", RATE, period=period), priming=4)
    assert playback.write(np.zeros((1, period), np.float32)) == 0 and playback.queued > 0
    time.sleep(1.0)
    assert playback.write(np.zeros((1, period), np.float32)) == 1 == playback.underruns
    assert playback.queued > period
    playback.close()


def test_playback_takes_any_number_of_samples_and_waits_for_room(server: Server) -> None:
    x = numbers(1, 20_003, 16)
    tap = AlsaCapture(PcmConfig("speaker_tap", RATE))
    playback = AlsaPlayback(PcmConfig("speaker", RATE, period=RATE // 10))
    heard = [tap.read()[0].copy()]
    begin_s = time.monotonic()
    playback.write(x[:, :19_000])  # the buffer holds 12,800
    playback.write(x[:, 19_000:])
    playback.drain()
    played_s = time.monotonic() - begin_s
    playback.close()
    while sum(y.shape[1] for y in heard) < x.shape[1] + RATE:
        heard.append(tap.read()[0].copy())
    tap.close()
    y = np.concatenate(heard, axis=1)[0]
    begin = np.flatnonzero(np.convolve(y, np.flip(x[0, :8]), "valid") > 0.999 * np.sum(x[0, :8] ** 2))
    np.testing.assert_array_equal(y[begin[0] : begin[0] + x.shape[1]], x[0])
    assert played_s > 1  # of 1.25: it waited for room, and until all was played


def test_a_server_that_dies_takes_its_devices_with_it_and_they_come_back_with_it() -> None:
    with pulseaudio(mics=4) as server:
        capture = AlsaCapture(PcmConfig("mics", RATE, 4))
        playback = AlsaPlayback(PcmConfig("speaker", RATE))
        capture.read()
        playback.write(np.zeros((1, PERIOD), np.float32))
        server.kill()
        with pytest.raises(DeviceGone, match="mics: stopped working"):
            again_and_again(capture.read)
        with pytest.raises(DeviceGone, match="speaker: stopped working"):
            again_and_again(lambda: playback.write(np.zeros((1, PERIOD), np.float32)))
        assert "is its sound server running" in refused(PcmConfig("mics", RATE, 4))
        for pcm in (capture, playback, capture, playback):
            pcm.close()
    with pulseaudio(mics=4):
        again = AlsaCapture(PcmConfig("mics", RATE, 4))
        assert again.read()[1] == 0
        again.close()


def test_overruns_are_counted_by_the_clock_on_a_device_that_has_them() -> None:
    with jack(mics=4):
        capture = AlsaCapture(PcmConfig("mics", RATE, 4, period=128))
        capture.read()
        begin_s, captured, losses = time.monotonic(), 0, []
        for k in range(220):
            samples, lost = capture.read()
            captured += samples.shape[1]
            losses.append(lost)
            if k in (60, 140):
                time.sleep(0.5)
        passed = RATE * (time.monotonic() - begin_s)
        capture.close()
    assert capture.overruns >= 2 and 0 < sum(lost > 0 for lost in losses) <= capture.overruns
    assert min(losses[61], losses[141]) > 0.4 * RATE
    # Either end is as uncertain as this machine stalls: 0.1 s at most in most runs.
    assert abs(captured + sum(losses) - passed) < 0.4 * RATE


def test_a_device_that_gives_something_else_is_refused_with_all_that_differs() -> None:
    with jack(mics=4, period=128):
        line = refused(PcmConfig("jack", 48_000, 6, "FLOAT_LE", 100))
        differs = "16000 Hz instead of 48000, 4 channels instead of 6, periods of 128 instead of 100"
        assert line == f"jack: gives {differs}; ask for that"
        capture = AlsaCapture(PcmConfig("jack", RATE, 4, "FLOAT_LE", 128))
        assert capture.read()[0].shape == (4, 128)
        capture.close()


@pytest.mark.parametrize("device", ["hw:CARD=nothing", "hw:31", "nonsense"])
def test_unknown_devices_are_refused_and_libasound_adds_no_lines(
    server: Server, device: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "no such capture device" in refused(PcmConfig(device, RATE))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: PcmConfig("hw:0", format="S20_LE"), "expected one of S16_LE"),
        (lambda: PcmConfig("hw:0", period=0), "period = 0"),
        (lambda: PcmConfig("hw:0", channels=0), "channels = 0"),
        (lambda: PcmConfig("hw:0", periods=1), "periods = 1"),
        (lambda: AlsaPlayback(PcmConfig("hw:0", periods=4), priming=4), "priming = 4: expected 1 to 3"),
        (lambda: AlsaCapture(PcmConfig("hw:0", channels=4), select=(0, 4)), "expected channels from 0 to 3"),
    ],
)
def test_what_no_device_can_be_is_refused(make: object, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        make()  # type: ignore[operator]

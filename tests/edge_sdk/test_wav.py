"""Recordings come in as they are or not at all; files go out whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.wav import read_wav, write_wav, write_wavs
from edge_sdk.errors import AudioError

RATE = 16_000


def noise(samples: int = RATE, channels: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((channels, samples))).astype(np.float32)


def refused(path: Path) -> str:
    """The line that refuses this file."""
    with pytest.raises(AudioError) as caught:
        read_wav(path, RATE, 1)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


@pytest.mark.parametrize("channels", [1, 3])
def test_float_files_read_back_bit_for_bit(tmp_path: Path, channels: int) -> None:
    x, path = noise(channels=channels) * 30, tmp_path / "a.wav"
    write_wav(path, x, RATE, "FLOAT")
    y, rate = read_wav(path, RATE, channels)
    np.testing.assert_array_equal(y, x)
    assert rate == RATE and y.dtype == np.float32 and y.flags.c_contiguous


def test_16_bit_files_round_and_clip(tmp_path: Path) -> None:
    x, path = 5 * noise(), tmp_path / "a.wav"
    assert np.abs(x).max() > 1
    write_wav(path, x, RATE)
    y, _ = read_wav(path, RATE)
    np.testing.assert_allclose(y, np.clip(x, -1, 1), rtol=0, atol=1 / 32768)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_other_rates_are_resampled_and_told(tmp_path: Path, rate: int) -> None:
    path, t = tmp_path / "a.wav", np.arange(rate) / rate
    write_wav(path, 0.5 * np.sin(2 * np.pi * 440 * t)[None].astype(np.float32), rate, "FLOAT")
    y, given = read_wav(path, RATE, 1)
    assert given == rate and y.shape == (1, RATE)
    want = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(y[0, 1000:-1000], want[1000:-1000], atol=1e-3)  # soxr's pass band ripples


@pytest.mark.parametrize(
    ("kind", "subtype"), [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("RF64", "FLOAT")]
)
def test_what_libsndfile_reads_is_read(tmp_path: Path, kind: str, subtype: str) -> None:
    path = tmp_path / "sound"
    soundfile.write(path, noise()[0], RATE, format=kind, subtype=subtype)
    assert read_wav(path, RATE, 1)[0].shape == (1, RATE)


@pytest.mark.parametrize("level", [0.0, 1e6])
def test_silent_and_clipped_recordings_are_read(tmp_path: Path, level: float) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, level * noise(), RATE)
    assert np.isfinite(read_wav(path, RATE, 1)[0]).all()


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.wav")
    assert "no such file" in refused(tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert "empty file" in refused(tmp_path / "a.wav")


@pytest.mark.parametrize(
    "data", [b"hello, this is text\n" * 50, b"RIFF", b"\x89PNG\r\n\x1a\n" + bytes(500), bytes(4096)]
)
def test_what_is_no_sound_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(data)
    assert "not a readable sound file" in refused(tmp_path / "a.wav")


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(0), RATE)
    assert "holds no samples" in refused(tmp_path / "a.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_file_with_numbers_that_are_none_is_refused(tmp_path: Path, bad: float) -> None:
    x = noise()
    x[0, 1234] = bad
    soundfile.write(tmp_path / "a.wav", x.T, RATE, subtype="FLOAT")
    assert "NaN or infinite" in refused(tmp_path / "a.wav")


def test_absurd_levels_are_refused_in_and_out(tmp_path: Path) -> None:
    """One sample of 1e30 would make the squares in a network infinite, and its memory NaN."""
    x = noise()
    x[0, 1234] = 1e30
    soundfile.write(tmp_path / "a.wav", x.T, RATE, subtype="FLOAT")
    assert "1e+30 times full scale" in refused(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="not written"):
        write_wavs({tmp_path / "good.wav": noise(), tmp_path / "bad.wav": np.full((1, 5), np.nan, np.float32)}, RATE)
    assert not (tmp_path / "good.wav").exists()


@pytest.mark.parametrize(("samples", "rate"), [(1, 48_000), (1, 44_100), (10, 768_000)])
def test_a_recording_that_resamples_to_nothing_is_refused(tmp_path: Path, samples: int, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(samples), rate)
    assert "give a longer recording" in refused(tmp_path / "a.wav")


def test_a_header_that_promises_more_than_memory_holds_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", noise()[0], RATE)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] |= 0x0F  # the highest bits of the number of samples in STREAMINFO
    data[22] = 0xFF
    (tmp_path / "a.flac").write_bytes(data)
    refused(tmp_path / "a.flac")


def test_a_level_that_resampling_makes_absurd_is_refused(tmp_path: Path) -> None:
    x = 9.9e5 * np.sign(np.sin(np.arange(48_000) / 7))
    soundfile.write(tmp_path / "a.wav", x, 48_000, subtype="FLOAT")
    assert "times full scale" in refused(tmp_path / "a.wav")


def test_a_name_that_means_bare_samples_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.raw", noise(), RATE)
    assert "not a readable sound file" in refused(tmp_path / "a.raw")


def test_names_need_not_be_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    write_wav(path, noise(), RATE, "FLOAT")
    np.testing.assert_array_equal(read_wav(path, RATE)[0], noise())


def test_several_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, where a folder is wanted")
    with pytest.raises(AudioError, match="cannot be written"):
        write_wavs({tmp_path / "folder/1.wav": noise(), blocked / "2.wav": noise()}, RATE)
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize("rate", [1, 999, 2_000_000])
def test_a_rate_that_no_recorder_has_is_refused(tmp_path: Path, rate: int) -> None:
    write_wav(tmp_path / "a.wav", noise(), rate)
    assert f"{rate} Hz, expected" in refused(tmp_path / "a.wav")


def test_another_number_of_channels_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(channels=2), RATE)
    assert "2 channels, the model takes 1" in refused(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("CAF", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str, subtype: str, kept: float) -> None:
    path = tmp_path / "sound"
    soundfile.write(path, noise(20 * RATE)[0], RATE, format=kind, subtype=subtype)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    refused(path)


def test_a_wav_one_sample_short_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(), RATE)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[:-2])
    assert "truncated" in refused(tmp_path / "a.wav")


@pytest.mark.parametrize("size", [0x7FFFF000, 0xFFFFFFFE, 0xFFFFFFFF])
def test_a_wav_that_was_written_to_a_pipe_is_read(tmp_path: Path, size: int) -> None:
    """Its header could not know the length."""
    path, x = tmp_path / "a.wav", noise()
    write_wav(path, x, RATE)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert read_wav(path, RATE, 1)[0].shape == x.shape


def test_a_full_disk_leaves_nothing(full_disk: Path) -> None:
    with pytest.raises(AudioError, match=r"No space left on device.*free space"):
        write_wav(full_disk / "a.wav", noise(10 * RATE), RATE)
    assert not list(full_disk.iterdir())


def test_a_full_disk_leaves_the_old_file(full_disk: Path) -> None:
    (full_disk / "a.wav").write_bytes(b"old")
    with pytest.raises(AudioError):
        write_wav(full_disk / "a.wav", noise(10 * RATE), RATE)
    assert [path.read_bytes() for path in full_disk.iterdir()] == [b"old"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AudioError, match="cannot be written"):
        write_wav(tmp_path / "file" / "a.wav", noise(), RATE)

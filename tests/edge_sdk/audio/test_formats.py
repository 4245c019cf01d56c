"""Bytes of every format become the samples they stand for and come back, in arrays that are made once."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from edge_sdk.audio.formats import SAMPLE_BYTES, Decoder, Encoder

WHOLE = {"S16_LE": 16, "S24_LE": 24, "S24_3LE": 24, "S32_LE": 32}


def interleave(numbers: np.ndarray, format: str) -> bytes:
    """Whole numbers `[channels, n]` as the format's bytes, one number at a time."""
    size = SAMPLE_BYTES[format]
    if format == "S24_LE":  # the fourth byte means nothing; a device may leave anything there
        return b"".join(int(v).to_bytes(4, "little", signed=True)[:3] + b"\x5a" for v in numbers.T.flat)
    return b"".join(int(v).to_bytes(size, "little", signed=True) for v in numbers.T.flat)


def extremes(bits: int, exact: int = 24) -> np.ndarray:
    """Random numbers of so many bits, `[3, 500]`, `exact` of them significant; the largest and smallest among them."""
    rng, top = np.random.default_rng(bits), 2 ** (min(bits, exact) - 1)
    numbers = rng.integers(-top, top, (3, 500))
    numbers[:, :4] = [-top, top - 1, -1, 1]
    return numbers * 2 ** max(0, bits - exact)


@pytest.mark.parametrize("format", WHOLE)
def test_whole_numbers_of_24_bits_come_back_bit_for_bit(format: str) -> None:
    numbers = extremes(WHOLE[format])
    data = interleave(numbers, format)
    samples = Decoder(format, 3, 500).decode(data)
    np.testing.assert_array_equal(samples.astype(np.float64) * 2.0 ** (WHOLE[format] - 1), numbers)
    again = bytes(Encoder(format, 3, 500).encode(samples))
    if format == "S24_LE":  # compare what has a meaning
        data, again = (np.frombuffer(d, np.uint8).reshape(-1, 4)[:, :3].tobytes() for d in (data, again))
    assert again == data


def test_32_bits_are_rounded_to_the_24_of_float32() -> None:
    numbers = extremes(32, exact=32)
    samples = Decoder("S32_LE", 3, 500).decode(interleave(numbers, "S32_LE"))
    np.testing.assert_array_equal(samples, (numbers * 2.0**-31).astype(np.float32))


def test_float_samples_pass_unchanged_but_for_the_clipping() -> None:
    x = np.random.default_rng(0).standard_normal((2, 300)).astype(np.float32)
    data = x.T.tobytes()
    np.testing.assert_array_equal(Decoder("FLOAT_LE", 2, 300).decode(data), x)
    assert bytes(Encoder("FLOAT_LE", 2, 300).encode(x)) == np.clip(x, -1, 1).T.tobytes()


@pytest.mark.parametrize("format", SAMPLE_BYTES)
def test_what_is_beyond_full_scale_is_clipped_and_keeps_its_sign(format: str) -> None:
    x = np.array([[1.0, 1.5, 1e9, np.inf, -1.0, -1.5, -1e9, -np.inf]], np.float32)
    y = Decoder(format, 1, 8).decode(Encoder(format, 1, 8).encode(x))[0]
    largest = {"S16_LE": 1 - 2.0**-15, "S24_LE": 1 - 2.0**-23, "S24_3LE": 1 - 2.0**-23, "S32_LE": 1 - 2.0**-24}
    np.testing.assert_array_equal(y, [largest.get(format, 1.0)] * 4 + [-1.0] * 4)


def test_rounding_is_to_the_nearest_so_the_error_is_half_a_step() -> None:
    x = np.random.default_rng(1).uniform(-0.99, 0.99, (1, 10_000)).astype(np.float32)
    y = Decoder("S16_LE", 1, 10_000).decode(Encoder("S16_LE", 1, 10_000).encode(x))
    assert np.abs(y - x).max() <= 0.5 * 2.0**-15


@pytest.mark.parametrize(("format", "subtype"), [("S16_LE", "PCM_16"), ("S32_LE", "PCM_32"), ("S24_3LE", "PCM_24")])
def test_numbers_mean_what_they_mean_in_a_wav_file(format: str, subtype: str, tmp_path: object) -> None:
    numbers = extremes(WHOLE[format], exact=32)
    soundfile.write(f"{tmp_path}/x.wav", (numbers << (32 - WHOLE[format])).astype(np.int32).T, 16_000, subtype=subtype)
    from_file = soundfile.read(f"{tmp_path}/x.wav", dtype="float32")[0].T
    np.testing.assert_array_equal(Decoder(format, 3, 500).decode(interleave(numbers, format)), from_file)


@pytest.mark.parametrize("format", SAMPLE_BYTES)
def test_microphones_come_in_the_order_of_the_channel_map(format: str) -> None:
    x = np.linspace(-0.9, 0.9, 6 * 40, dtype=np.float32).reshape(6, 40)
    data = bytes(Encoder(format, 6, 40).encode(x))
    every = Decoder(format, 6, 40).decode(data)
    np.testing.assert_array_equal(Decoder(format, 6, 40, (4, 1, 2)).decode(data), every[[4, 1, 2]])


@pytest.mark.parametrize("format", SAMPLE_BYTES)
def test_bytes_of_half_a_frame_are_dropped_and_counted_and_move_no_channel(format: str) -> None:
    x = np.tile(np.array([[0.25], [-0.5], [0.75]], np.float32), 20)  # every channel has its own number
    data, decoder = bytes(Encoder(format, 3, 20).encode(x)), Decoder(format, 3, 20)
    for cut in range(decoder.frame_bytes):
        before = decoder.partial
        short = decoder.decode(data[: len(data) - cut])
        np.testing.assert_array_equal(short, x[:, : 20 - (cut > 0)])
        assert decoder.partial - before == (decoder.frame_bytes - cut if cut else 0)
        np.testing.assert_array_equal(decoder.decode(data), x)


@pytest.mark.parametrize("format", SAMPLE_BYTES)
def test_conversions_allocate_nothing_of_a_periods_size_and_keep_nothing(format: str) -> None:
    channels, period = 8, 4096
    decoder, encoder = Decoder(format, channels, period, (6, 5, 1, 0)), Encoder(format, channels, period)
    x = np.zeros((channels, period), np.float32)
    data = bytes(encoder.encode(x))
    decoder.decode(data)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            decoder.decode(data)
            encoder.encode(x)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Views of arrays take some hundred bytes and go at once; one period of one channel is 16 kB.
    assert peak - before < 4096 and now - before < 512


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Decoder("S20_LE", 1, 1), "expected one of S16_LE"),
        (lambda: Decoder("S16_LE", 0, 1), "channels = 0"),
        (lambda: Decoder("S16_LE", 2, 0), "most = 0"),
        (lambda: Decoder("S16_LE", 2, 1, (0, 2)), "expected channels from 0 to 1"),
        (lambda: Decoder("S16_LE", 2, 1, ()), "expected channels from 0 to 1"),
        (lambda: Decoder("S16_LE", 1, 1).decode(b"1234"), "at most 1 times 2"),
        (lambda: Encoder("S16_LE", 1, 1).encode(np.zeros((1, 2), np.float32)), r"expected \(1, up to 1\)"),
        (lambda: Encoder("S16_LE", 1, 4).encode(np.zeros((2, 2), np.float32)), r"expected \(1, up to 4\)"),
    ],
)
def test_what_cannot_be_is_refused(make: object, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        make()  # type: ignore[operator]

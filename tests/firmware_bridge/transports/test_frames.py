"""Frames come out as they went in, or not at all."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.transports.frames import FLAG, MAX_PAYLOAD, MAX_STUFFED, Frame, Frames, encoded

XON, XOFF = 0x11, 0x13
FRAMES = st.builds(
    Frame,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=1, max_size=1),
    st.binary(max_size=300) | st.lists(st.sampled_from(b"\x7e\x7d\x11\x13\x5e\x00"), max_size=300).map(bytes),
)


@given(st.lists(FRAMES, max_size=4), st.lists(st.integers(0, 1000)))
def test_what_goes_in_comes_out_however_it_is_cut(frames: list[Frame], cuts: list[int]) -> None:
    line, reader, found, start = b"".join(map(encoded, frames)), Frames(), [], 0
    for end in [*sorted(cuts), len(line)]:
        found += reader.of(line[start:end])
        start = max(start, min(end, len(line)))
    assert found == frames


@given(FRAMES)
def test_no_flag_and_no_flow_control_is_inside_a_frame(frame: Frame) -> None:
    assert not {FLAG, XON, XOFF} & set(encoded(frame)[1:-1])


@given(FRAMES, st.data())
def test_a_frame_with_changed_bits_never_comes_out(frame: Frame, data: st.DataObject) -> None:
    """Up to three bits in a frame as short as these, which CRC-32 always finds; a flag that appears cuts it instead."""
    line = bytearray(encoded(frame))
    for bit in data.draw(st.sets(st.integers(8, 8 * len(line) - 9), min_size=1, max_size=3)):
        line[bit // 8] ^= 1 << bit % 8
    good = encoded(Frame(1, 2, b"q"))
    found = list(Frames().of(bytes(line) + good))
    assert found[-1] == Frame(1, 2, b"q")
    assert all(each is None for each in found[:-1])


@given(st.binary(max_size=200))
def test_noise_between_frames_costs_none_of_them(noise: bytes) -> None:
    one, two = Frame(1, 1, b"q", b"one"), Frame(1, 2, b"q", b"two")
    found = list(Frames().of(noise + encoded(one) + noise + encoded(two)))
    assert [each for each in found if each is not None] == [one, two]


def test_the_largest_frame_fits_and_a_line_without_flags_fills_no_memory() -> None:
    largest, reader = Frame(2**32 - 1, 2**32 - 1, b"\x7e", b"\x7e" * MAX_PAYLOAD), Frames()
    for _ in range(100):
        assert list(reader.of(b"x" * 10_000)) == []
    assert len(reader._rest) <= MAX_STUFFED
    assert list(reader.of(encoded(largest))) == [None, largest]

"""The sample operations of filter-and-sum networks are what their formulas say."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cosine_similarity

from models.layers.filter_and_sum import FilterAndSumConfig, filter_and_sum, shares, similarity

TINY = FilterAndSumConfig(window=8, hop=4, context=18, alignment=3)
SIZES = [(8, 19), (16, 16), (5, 3), (24, 33)]  # window, taps: with and without a strip that is not whole


@pytest.mark.parametrize(("window", "taps"), SIZES)
def test_similarity_is_the_cosine_of_the_reference_with_every_window(window: int, taps: int) -> None:
    frames, references = torch.randn(2, 3, 4, window + taps - 1), torch.randn(2, 2, 4, window)
    windows = frames.unfold(-1, window, 1)  # [B, M, T, lags, window]
    expected = cosine_similarity(windows[:, None], references[:, :, None, :, None], dim=-1)
    torch.testing.assert_close(similarity(frames, references), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("window", "taps"), SIZES)
def test_filter_and_sum_is_every_tap_times_its_window_over_all_microphones(window: int, taps: int) -> None:
    frames, filters = torch.randn(2, 3, 4, window + taps - 1), torch.randn(2, 3, 4, 2, taps)
    expected = torch.einsum("bmtsk,bmtkn->bstn", filters, frames.unfold(-1, window, 1))
    # Sums of up to 99 products of order one, taken in another order.
    torch.testing.assert_close(filter_and_sum(frames, filters), expected, rtol=0, atol=3e-5)


def test_silence_is_similar_to_nothing_and_has_gradients() -> None:
    frames, references = torch.zeros(1, 2, 1, 26, requires_grad=True), torch.zeros(1, 1, 1, 8, requires_grad=True)
    likeness = similarity(frames, references)
    assert not likeness.any()
    gradients = torch.autograd.grad(likeness.sum(), [frames, references])
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("earlier", range(-TINY.alignment, TINY.unit_tap + 1))
def test_sound_that_arrives_earlier_or_later_than_at_the_reference_is_found_at_its_lag(earlier: int) -> None:
    """Both signs of delay, as far as the frame reaches on either side of the wanted window."""
    signal, end, frame = torch.randn(100), 70, TINY.frame
    reference, other = signal[end - frame : end], signal[end - frame + earlier : end + earlier]
    likeness = similarity(other[None, None, None], reference[None, None, None, TINY.wanted]).flatten()
    assert likeness.argmax() == TINY.unit_tap - earlier
    assert likeness.max() == pytest.approx(1, abs=1e-5)


def test_shares_are_equal_among_the_microphones_that_are_heard() -> None:
    frames = torch.randn(1, 3, 2, 8)
    frames[0, 1, 0], frames[0, :, 1] = 0, 0
    torch.testing.assert_close(shares(frames)[0].T, torch.tensor([[0.5, 0, 0.5], [0, 0, 0]]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 9}, "window must be a positive multiple of the hop"),
        ({"hop": 0}, "window must be a positive multiple of the hop"),
        ({"alignment": 19}, "between 0 and the context"),
        ({"alignment": -1}, "between 0 and the context"),
    ],
)
def test_impossible_reaches_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)

"""The multi-phase gammatone rows are the published filters, and their inverse gives signals back."""

import math

import pytest
import torch

from models.framing import Frames, OverlapAdd
from models.layers.gammatone import center_frequencies, gammatone_inverse, gammatone_rows


def test_center_frequencies_stand_one_erb_apart_from_100_hz_to_half_the_rate() -> None:
    for rate, count in ((8000, 24), (16000, 30)):
        centers = center_frequencies(rate)
        erbs = 9.265 * torch.log(1 + centers / (24.7 * 9.265))
        assert len(centers) == count and float(centers[0]) == pytest.approx(100)
        assert erbs.diff().tolist() == pytest.approx([1.0] * (count - 1))
        assert erbs[-1] + 1 > 9.265 * math.log(1 + rate / 2 / (24.7 * 9.265)), "no further one fits"


def test_rows_are_the_published_filters_up_to_their_level() -> None:
    """128 filters of 2 ms at 8 kHz: 64 pairs on 24 frequencies, three for the lowest 16 and two for the others."""
    rows, row = gammatone_rows(128, 16, 8000), 0
    for index, center in enumerate(center_frequencies(8000).tolist()):
        phases = 3 if index < 16 else 2
        bandwidth = (24.7 + center / 9.265) / (math.pi * 2 * 0.25)
        for sign in (1, -1):
            for phase in range(phases):
                wave = []
                for t in ((n + 1) / 8000 for n in range(16)):
                    decay = t * math.exp(-2 * math.pi * bandwidth * t)
                    wave.append(sign * decay * math.cos(2 * math.pi * center * t + phase / phases * math.pi))
                expected = torch.tensor(wave) / math.hypot(*wave)
                torch.testing.assert_close(rows[row], expected, rtol=0, atol=1e-5)  # of float32
                row += 1
    assert row == 128


def test_long_rows_pass_their_center_frequencies() -> None:
    rows, centers = gammatone_rows(60, 4096, 16000), center_frequencies(16000)
    peaks = torch.fft.rfft(rows[::2].double()).abs().argmax(dim=1) * 16000 / 4096
    assert ((peaks - centers).abs() < 0.1 * centers + 16000 / 4096).all()


@pytest.mark.parametrize("filters", [128, 512])
def test_the_inverse_gives_frames_of_two_milliseconds_back(filters: int) -> None:
    rows = gammatone_rows(filters, 16, 8000)
    decoder = gammatone_inverse(rows, window=16, hop=8)
    x = torch.randn(1, 800)
    y = OverlapAdd(16, 8)((Frames(16, 8)(x) @ rows.T).relu() @ decoder)
    torch.testing.assert_close(y[:, 8:], x[:, :-8], rtol=0, atol=1e-4)  # the inverse amplifies rounding a little


def test_the_inverse_of_a_longer_frame_ends_with_it() -> None:
    rows = gammatone_rows(128, 24, 8000)
    assert torch.equal(gammatone_inverse(rows, 16, 8), gammatone_inverse(rows, 24, 12)[:, -16:])


@pytest.mark.parametrize(("filters", "length"), [(46, 16), (129, 16), (128, 0)])
def test_impossible_filterbanks_are_refused(filters: int, length: int) -> None:
    with pytest.raises(ValueError, match=f"{filters} gammatone filters of {length} samples: expected an even number"):
        gammatone_rows(filters, length, 8000)

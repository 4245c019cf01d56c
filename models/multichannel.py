"""Networks of several microphones: what the separator sees of the differences between them.

The encoder is shared by all microphones, so that the same sound has the same coefficients everywhere and only the place
of its source makes a difference. Two kinds of features show it, after Gu et al., "Enhancing end-to-end multi-channel
speech separation via spatial feature learning" (2020):

- `ipd`: cosine and sine of the phase differences between pairs of microphones, where the coefficients are complex;
- `icd`: inter-channel convolution differences, a learned kernel over all microphones for every coefficient. As its
  kernel over time is the encoder's, that is their two-dimensional convolution over samples and microphones. Where the
  coefficients are complex so is the kernel, and the magnitude is shown: of a small fixed beamformer in every bin.

Masks multiply the coefficients of the reference microphone; or those of all of them, which are then summed: a filter
per microphone and bin, which may also place a null where a mask can only attenuate.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.layers.filterbanks import compressed_magnitudes, squared_magnitudes
from models.layers.norms import FrameNorm
from models.layers.views import VIEWS

FEATURES = ("ipd", "icd")
COMBINE = ("reference", "filter-and-sum")
MAX_MICS = 64


@dataclass(frozen=True)
class SpatialConfig:
    """Microphones, counted from 0, and what is made of them.

    pairs: whose differences are taken, and as many learned kernels; none named: the reference with each other one.
    combine: `reference` masks that microphone's coefficients, `filter-and-sum` those of all microphones.
    views: orders of the microphones of a symmetric array in which the network looks at it, see `models.layers.views`;
    pairs and masks are counted in that order, and the first of it shows its levels. None: one view, as they are.
    """

    mics: int = 4
    reference: int = 0  # the microphone whose speech the sources are
    features: tuple[str, ...] = ("ipd",)
    pairs: tuple[tuple[int, int], ...] = ()
    combine: str = "reference"
    views: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= self.mics <= MAX_MICS:
            raise ValueError(f"{self.mics} microphones: expected 2 to {MAX_MICS}; leave `spatial` out for one")
        if not 0 <= self.reference < self.mics:
            raise ValueError(f"reference microphone {self.reference}: expected 0 to {self.mics - 1}")
        if unknown := [name for name in self.features if name not in FEATURES]:
            raise ValueError(f"spatial feature {unknown[0]!r}: expected some of {', '.join(FEATURES)}")
        if self.combine not in COMBINE:
            raise ValueError(f"combine {self.combine!r}: expected one of {', '.join(COMBINE)}")
        if self.combine == "reference" and not self.features:
            raise ValueError(
                "no spatial features and masks on the reference alone: the other microphones would be idle"
            )
        for one, other in self.pairs:
            if one == other or not (0 <= one < self.mics and 0 <= other < self.mics):
                raise ValueError(f"pair {one}, {other}: expected two microphones of 0 to {self.mics - 1}")
        if self.views and len(self.views) != VIEWS:
            raise ValueError(f"{len(self.views)} views: expected {VIEWS}, or none")
        for view in self.views:
            if sorted(view) != list(range(self.mics)):
                raise ValueError(f"view {list(view)}: expected all microphones, 0 to {self.mics - 1}, in some order")

    @property
    def chosen_pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs, by default the reference with each other microphone."""
        others = (mic for mic in range(self.mics) if mic != self.reference)
        return self.pairs or tuple((self.reference, mic) for mic in others)

    @property
    def masks(self) -> int:
        """Microphones that a source's masks are for."""
        return self.mics if self.combine == "filter-and-sum" else 1

    def width(self, coefficients: int, levels: int) -> int:
        """Features of a frame: `levels` of the reference, and for every pair what is chosen."""
        per_pair = {"ipd": coefficients, "icd": levels}
        return levels + len(self.chosen_pairs) * sum(per_pair[name] for name in set(self.features))


class SpatialFeatures(nn.Module):
    """What the separator sees of several microphones: levels of the reference, and differences between microphones.

    Levels are brought to zero mean and unit variance before phases stand beside them, which know no level.
    Shape: levels `[B, T, F]` and coefficients `[B, T, M, N]` to `[B, T, width]`.
    """

    def __init__(self, config: SpatialConfig, coefficients: int, is_complex: bool) -> None:
        super().__init__()
        self.is_complex, self.phases, self.norm = is_complex, "ipd" in config.features, FrameNorm()
        self.firsts, self.seconds = (list(side) for side in zip(*config.chosen_pairs, strict=True))
        if "icd" in config.features:
            # Starts as the difference between the two of a pair, `[pairs, M, N]`.
            kernel = torch.zeros(len(self.firsts), config.mics, coefficients)
            bins = coefficients // 2 if is_complex else coefficients  # the imaginary parts start at zero
            for pair, (one, other) in enumerate(config.chosen_pairs):
                kernel[pair, one, :bins], kernel[pair, other, :bins] = 1, -1
            self.kernel = nn.Parameter(kernel)
        else:
            self.kernel = None

    def forward(self, levels: Tensor, coefficients: Tensor) -> Tensor:
        if self.kernel is not None:
            levels = torch.cat([levels, self.convolution_differences(coefficients).flatten(-2)], dim=-1)
        if self.phases:
            levels = self.norm(levels)
            cosine, sine = self.phase_differences(coefficients)
            levels = torch.cat([levels, cosine.flatten(-2), sine.flatten(-2)], dim=-1)
        return levels

    def convolution_differences(self, coefficients: Tensor) -> Tensor:
        """Learned sums over the microphones, of complex coefficients their magnitude: `[B, T, pairs, F]`."""
        with torch.autocast(coefficients.device.type, enabled=False):  # differences of nearly equal numbers
            if not self.is_complex:
                return torch.einsum("btmn,pmn->btpn", coefficients, self.kernel)
            real, imaginary = self.kernel.chunk(2, dim=-1)
            kernel = torch.cat([torch.cat([real, -imaginary], dim=1), torch.cat([imaginary, real], dim=1)])
            parts = torch.cat(coefficients.chunk(2, dim=-1), dim=-2)
            sums = torch.einsum("btmn,pmn->btpn", parts, kernel)  # real parts of all pairs, then imaginary ones
            return compressed_magnitudes(torch.cat(sums.chunk(2, dim=-2), dim=-1))

    def phase_differences(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the phase between the microphones of each pair, `[B, T, pairs, F]`.

        Both fade to zero where a microphone hears less than the floor: phases of rounding noise mean nothing.
        """
        scale = squared_magnitudes(coefficients).rsqrt()
        real, imaginary = (side * scale for side in coefficients.chunk(2, dim=-1))
        r1, i1 = (of_mics(side, self.firsts) for side in (real, imaginary))
        r2, i2 = (of_mics(side, self.seconds) for side in (real, imaginary))
        return r1 * r2 + i1 * i2, i1 * r2 - r1 * i2


def of_mics(x: Tensor, mics: list[int]) -> Tensor:
    """Those microphones of `[..., M, F]`, each as often as it is named: slices, whose gradients are cheap to add up."""
    return torch.cat([x[..., mic : mic + 1, :] for mic in mics], dim=-2)

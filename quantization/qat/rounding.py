"""Rounding as ai-edge-quantizer and the interpreters do it, in float32, with gradients that pass it unchanged."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-9  # bound below which ai-edge-quantizer takes no scale


def round_weights(weight: Tensor, bits: int) -> Tensor:
    """A matrix `[outputs, inputs]` as it is stored: symmetric integers with a scale per output, or float16."""
    if bits == 32:
        return weight
    with torch.no_grad():
        if bits == 16:
            stored = weight.half().float()
        else:
            greatest = 2 ** (bits - 1) - 1
            least = -greatest if bits >= 8 else -greatest - 1  # ai-edge-quantizer leaves -128 out, but not -8
            scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=LEAST) / greatest
            stored = (weight / scale).round().clamp(least, greatest) * scale
    return weight + (stored - weight).detach()


def round_rows(x: Tensor) -> Tensor:
    """Activations `[..., C]` in int8 with a scale and a zero point for every row, as dynamic ranges have them.

    The zero point is nudged from the nearer end of the range, as in XNNPACK and in TFLite's own kernels.
    """
    with torch.no_grad():
        low, high = x.amin(-1, keepdim=True).clamp(max=0), x.amax(-1, keepdim=True).clamp(min=0)
        span = high - low
        inverse = torch.where(span > 0, 255 / span, torch.ones_like(span))
        from_low, from_high = -128 + low * inverse, 127 + high * inverse
        zero = (
            torch.where(from_low + from_high > 0, -128 - low * inverse, 127 - high * inverse).clamp(-128, 127).round()
        )
        rounded = ((x * inverse + zero).round().clamp(-128, 127) - zero) / inverse
    return x + (rounded - x).detach()


def round_fixed(x: Tensor, limits: tuple[float, float], bits: int) -> Tensor:
    """Activations with one scale for ever: int8 over a range that holds zero, int16 symmetric.

    What lies outside is clipped, and gets no gradient, so that training brings it back inside by other means.
    """
    if bits == 16:
        greatest = 32767.0
        scale, zero, least = max(abs(limits[0]), abs(limits[1]), LEAST) / greatest, 0.0, -greatest
    else:
        low, high = min(limits[0], 0.0), max(limits[1], 0.0)
        greatest, least = 127.0, -128.0
        scale = max(high - low, LEAST) / 255
        zero = float(torch.tensor(least - low / scale).round())
    inside = x.clamp((least - zero) * scale, (greatest - zero) * scale)
    with torch.no_grad():
        rounded = ((inside / scale + zero).round() - zero) * scale
    return inside + (rounded - inside).detach()

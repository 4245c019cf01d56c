"""Layers of unequal width, as pruning leaves them."""

from __future__ import annotations


def check_widths(widths: tuple[int, ...], layers: int, least: int = 1) -> None:
    """`ValueError` for widths that are not those of so many layers, none below `least`."""
    if widths and (len(widths) != layers or min(widths) < least or not max(widths)):
        raise ValueError(
            f"widths = {list(widths)}: expected {layers} numbers from {least} on{'' if least else ', not all 0'}"
        )

"""Plain data becomes the dataclass it names, whichever of several that is, and says what it cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from edge_sdk.contract import from_plain, to_plain


@dataclass(frozen=True)
class Circle:
    radius: float = 1.0
    kind: Literal["circle"] = "circle"


@dataclass(frozen=True)
class Square:
    side: float = 1.0
    kind: Literal["square"] = "square"


@dataclass(frozen=True)
class Drawing:
    shape: Circle | Square = field(default_factory=Circle)
    frame: Square | None = None
    more: tuple[Circle | Square, ...] = ()


@pytest.mark.parametrize(
    "drawing",
    [
        Drawing(),
        Drawing(Square(2.0), Square()),
        Drawing(Circle(3.0), None, (Square(), Circle(2.0))),
    ],
)
def test_plain_data_comes_back_as_what_it_was(drawing: Drawing) -> None:
    assert from_plain(Drawing, to_plain(drawing)) == drawing


def test_a_table_without_a_kind_is_the_first() -> None:
    assert from_plain(Drawing, {"shape": {"radius": 2}}) == Drawing(Circle(2.0))


def test_what_is_made_already_passes() -> None:
    assert from_plain(Drawing, {"shape": Square(5.0), "frame": Square()}) == Drawing(Square(5.0), Square())


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"kind": "star"}, r"Drawing.shape.kind = 'star': expected one of circle, square"),
        ({"kind": ["circle"]}, r"Drawing.shape.kind = \['circle'\]: expected one of circle, square"),
        ({"kind": None}, r"Drawing.shape.kind = None: expected one of"),
        ({"kind": "square", "radius": 1.0}, "Square has no radius"),
        ({"side": 1.0}, "Circle has no side"),
        (5, "Circle: expected a table of values, got 5"),
    ],
)
def test_what_names_none_of_them_is_refused(shape: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_plain(Drawing, {"shape": shape})


def test_a_kind_that_is_not_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Circle.kind = 'square': expected 'circle'"):
        from_plain(Circle, {"kind": "square"})

"""Strict JSON, and dataclasses to and from the plain data that JSON and TOML hold."""

from __future__ import annotations

import json
import types
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
LARGEST = 2**53  # whole numbers up to here are floats exactly
MAX_DEPTH = 16  # of lists and tables inside one another; a manifest needs five


def canonical_json(data: Any) -> bytes:
    """One byte string per value: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def parse_json(data: bytes) -> Any:
    """JSON without the freedoms of Python's reader: duplicate keys, NaN, infinity and depth are a `ValueError`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"key {key!r} appears twice")
            found[key] = value
        return found

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not a JSON number")

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check_depth(value, MAX_DEPTH)
    return value


def check_depth(value: Any, left: int) -> None:
    """`ValueError` for lists and tables inside one another more than `left` times."""
    if isinstance(value, dict | list):
        if not left:
            raise ValueError("nested too deeply")
        for inner in value.values() if isinstance(value, dict) else value:
            check_depth(inner, left - 1)


def to_plain(value: Any) -> dict[str, Any]:
    """A dataclass as nested dictionaries and tuples."""
    return asdict(value)


def from_plain(kind: type[T], data: Any) -> T:
    """A dataclass, nested ones too, from plain data.

    `ValueError` names what is unknown, missing or of another type; whole numbers pass as floats, lists as tuples, and
    dataclasses that are made already as they are. Of several dataclasses, `A | B`, a table's `kind` chooses: each has a
    field `kind: Literal["its name"] = "its name"`. A table without `kind` is the first of them.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__}: expected a table of values, got {data!r}")
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - known):
        raise ValueError(f"{kind.__name__} has no {', '.join(unknown)}: expected some of {', '.join(sorted(known))}")
    hints = get_type_hints(kind)
    values = {name: convert(f"{kind.__name__}.{name}", hints[name], value) for name, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a field without a default was left out
        raise ValueError(f"{kind.__name__}: {str(error).split(' ', 1)[-1]}") from error


def convert(name: str, hint: Any, value: Any) -> Any:
    """The value as the type hint wants it."""
    if is_dataclass(hint):
        return value if isinstance(value, hint) else from_plain(hint, value)  # type: ignore[arg-type]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{name} = {value!r}: expected {' or '.join(repr(known) for known in inner)}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} = {value!r}: expected a list")
        repeated = inner[-1] is Ellipsis
        if not repeated and len(value) != len(inner):
            raise ValueError(f"{name} = {value!r}: expected {len(inner)} values")
        return tuple(convert(name, inner[0 if repeated else i], item) for i, item in enumerate(value))
    if origin is types.UnionType:
        if value is None and type(None) in inner:
            return None
        return convert(name, chosen(name, [i for i in inner if i is not type(None)], value), value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{name} = {value!r}: expected a table of values")
        return {key: convert(f"{name}.{key}", inner[1], item) for key, item in value.items()}
    if hint is float and type(value) is int:
        if abs(value) > LARGEST:
            raise ValueError(f"{name}: a whole number of {len(str(value))} digits, expected at most {LARGEST}")
        return float(value)
    if hint is not Any and type(value) is not hint:
        raise ValueError(f"{name} = {value!r}: expected a value of type {hint.__name__}")
    return value


def chosen(name: str, hints: list[Any], value: Any) -> Any:
    """The one of several dataclasses that a value is, or that its `kind` names."""
    if len(hints) == 1:
        return hints[0]
    if made := [hint for hint in hints if isinstance(value, hint)]:
        return made[0]
    if not isinstance(value, dict) or "kind" not in value:
        return hints[0]
    kinds = {str(f.default): hint for hint in hints for f in fields(hint) if f.name == "kind"}
    if value["kind"] not in list(kinds):  # what is no string may have no hash
        raise ValueError(f"{name}.kind = {value['kind']!r}: expected one of {', '.join(kinds)}")
    return kinds[value["kind"]]

"""JSON as a host takes it, stricter than Python: without duplicate keys, NaN and halves of surrogate pairs."""

from __future__ import annotations

import json
from typing import Any

LEVELS_MAX = 128
"""The most objects and arrays within each other in a document."""


def parse(text: bytes) -> Any:
    """Parse exactly one value; `ValueError` says what is wrong with it."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not exactly one JSON value: {error}") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has two members of the same name")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def levels(value: Any) -> int:
    """Count how many objects and arrays are within each other."""
    if isinstance(value, dict):
        return 1 + max(map(levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(levels, value), default=0)
    return 0


def is_same(one: Any, other: Any) -> bool:
    """Compare as JSON, where 1, 1.0 and true are three things."""
    return difference(one, other) is None


def difference(found: Any, wanted: Any, path: str = "") -> str | None:
    """Name the first place where two values differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in wanted:
            if name not in found:
                return f"{path}/{name} is missing"
        for name, value in found.items():
            if name not in wanted:
                return f"{path}/{name} is there: {json.dumps(value)}"
            if (differs := difference(value, wanted[name], f"{path}/{name}")) is not None:
                return differs
        return None
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return next((each for i, pair in pairs if (each := difference(*pair, f"{path}/{i}")) is not None), None)
    if type(found) is type(wanted) and found == wanted:
        return None
    return f"{path} is {json.dumps(found)} instead of {json.dumps(wanted)}"

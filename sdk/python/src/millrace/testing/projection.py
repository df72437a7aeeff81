"""Which fields of its input a plugin sees, and cutting an event down to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.testing.strict import LEVELS_MAX

Seen = list[list[str]] | None
"""How much of a value is seen: what these steps lead to from there, all of it where one is empty, or with none all."""


def steps(pointer: str) -> list[str]:
    """Take a pointer to a field apart; `ValueError` for what is none."""
    if not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON Pointer to a field: it begins with /")
    names = pointer[1:].split("/")
    if len(names) > LEVELS_MAX:
        raise ValueError(f"{pointer!r} has more steps than a document may have levels")
    for name in names:
        if "~" in name.replace("~0", "").replace("~1", ""):
            raise ValueError(f"{pointer!r}: a ~ is followed by neither 0 nor 1")
    return [name.replace("~1", "/").replace("~0", "~") for name in names]


def projection(fields: Sequence[str] | None) -> Seen:
    """Say what is seen of a document by the fields of its input."""
    return None if fields is None else [steps(each) for each in fields]


def below(seen: Seen, name: str) -> Seen:
    """Say how much is seen of a member."""
    if seen is None:
        return None
    inner = [each[1:] for each in seen if each[0] == name]
    return None if any(not each for each in inner) else inner


def cut(value: dict[str, Any], seen: Seen) -> dict[str, Any]:
    """Cut a document down to what is seen of it.

    Objects on the way to a field are there even where the field is not. An array is never cut, and a scalar in the
    middle of a pointer means that its field is not there.
    """
    if seen is None:
        return value
    shown: dict[str, Any] = {}
    for name, each in value.items():
        inner = below(seen, name)
        if inner is None or (inner and isinstance(each, list)):
            shown[name] = each
        elif inner and isinstance(each, dict):
            shown[name] = cut(each, inner)
    return shown

"""Edits of a document, by the rules of a host: which paths lead somewhere, and what must not be destroyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.testing.projection import Seen, below, steps
from millrace.testing.strict import LEVELS_MAX, levels

THROUGH_SCALAR = "the path goes through a value that is neither object nor array"


@dataclass
class Leaf:
    """A scalar, or an object or array without anything in it, and whose it is.

    Objects and arrays with something in them are `dict` and `list`; they are the input's if anything in them is.
    """

    value: Any
    is_own: bool


class Draft:
    """A document while it is edited by a plugin that saw so much of it."""

    def __init__(self, document: dict[str, Any], seen: Seen) -> None:
        # In an array, so that the document is an element like any other value.
        self._root = [_part(document, is_own=False)]
        self._seen = seen

    def finish(self) -> Any:
        """Give the document as it is now."""
        return _value(self._root[0])

    def set(self, path: str, value: Any) -> None:
        """Set the value at `path`; `ValueError` says why it cannot be."""
        names = steps(path)
        if len(names) + levels(value) > LEVELS_MAX:
            raise ValueError(f"set {path}: more than {LEVELS_MAX} levels")
        try:
            self._root[0] = _set(self._root[0], names, _part(value, is_own=True), self._seen)
        except ValueError as error:
            raise ValueError(f"set {path}: {error}") from None

    def remove(self, path: str) -> None:
        """Remove what is at `path`, if anything is; `ValueError` for a path that leads nowhere."""
        part: Any = self._root[0]
        names = steps(path)
        for name in names[:-1]:
            part = _below(_removable(part, path), name)
            if part is None:
                return
        parent = _removable(part, path)
        if _below(parent, names[-1]) is not None:
            del parent[names[-1] if isinstance(parent, dict) else int(names[-1])]


def _part(value: Any, *, is_own: bool) -> Any:
    if isinstance(value, dict) and value:
        return {name: _part(each, is_own=is_own) for name, each in value.items()}
    if isinstance(value, list) and value:
        return [_part(each, is_own=is_own) for each in value]
    return Leaf(value, is_own)


def _value(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _value(each) for name, each in part.items()}
    if isinstance(part, list):
        return [_value(each) for each in part]
    return part.value


def _opened(part: Any) -> Any:
    """Make an empty object or array one that something can be put into."""
    if isinstance(part, Leaf) and isinstance(part.value, dict | list):
        return type(part.value)()
    return part


def _set(part: Any, names: list[str], value: Any, seen: Seen) -> Any:
    """Set below a part, of which so much was seen; gives what stands in its place now."""
    if not names:
        if seen and _holds_unseen(part, seen):
            raise ValueError("an object of which the plugin saw a part only: set its fields, or declare all of it")
        return value
    part, name, rest = _opened(part), names[0], names[1:]
    if isinstance(part, dict):
        part[name] = _set(part.get(name, {}), rest, value, below(seen, name))
    elif isinstance(part, list):
        # An element of an array is seen whole or not at all.
        seen = seen if seen == [] else None
        if name == "-":
            part.append(_set({}, rest, value, seen))
            return part
        index = _index(name, part)
        if index is None:
            raise ValueError("there is no such element of the array")
        part[index] = _set(part[index], rest, value, seen)
    else:
        raise ValueError(THROUGH_SCALAR)
    return part


def _removable(part: Any, path: str) -> Any:
    part = _opened(part)
    if isinstance(part, Leaf):
        raise ValueError(f"remove {path}: {THROUGH_SCALAR}")
    return part


def _below(part: Any, name: str) -> Any:
    """Give the member or element of this name; none where there is none."""
    if isinstance(part, dict):
        return part.get(name)
    index = _index(name, part)
    return None if index is None else part[index]


def _index(name: str, elements: list[Any]) -> int | None:
    """Read an array index as RFC 6901 §4 writes it: digits without leading zeros."""
    is_canonical = name.isascii() and name.isdigit() and (name == "0" or not name.startswith("0"))
    return int(name) if is_canonical and len(name) < 20 and int(name) < len(elements) else None


def _holds_unseen(part: Any, seen: list[list[str]]) -> bool:
    """Say whether an object, of which something was seen, holds something of the input that was not."""
    if not isinstance(part, dict):
        return False
    for name, each in part.items():
        inner = below(seen, name)
        if inner is None:
            continue
        if not inner:
            is_unseen = _holds_input(each)
        elif isinstance(each, Leaf):
            # A pointer goes on where this scalar ends, so the plugin did not get it.
            is_unseen = not each.is_own and not isinstance(each.value, dict | list)
        else:
            is_unseen = _holds_unseen(each, inner)
        if is_unseen:
            return True
    return False


def _holds_input(part: Any) -> bool:
    if isinstance(part, dict):
        return any(map(_holds_input, part.values()))
    if isinstance(part, list):
        return any(map(_holds_input, part))
    return not part.is_own

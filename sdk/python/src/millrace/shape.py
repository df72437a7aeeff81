"""From JSON to types: a dataclass says which members a document has, and reading checks that it is so.

A type is looked at once, when it is first used, and becomes a function; documents are then read without reflection.
Known are `Any`, `None`, `bool`, `int`, `float`, `str`, `Literal`, `Enum`, `X | Y`, `list`, `dict` with text as keys,
and dataclasses of these. JSON Schema of the same types is in `schema`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Read = Callable[[Any], Any]

_scan = json.JSONDecoder().raw_decode

_ABSENT = object()

_NAMES = {type(None): "null", bool: "a boolean", int: "an integer", float: "a number", str: "a string"}
_NAMES_OF_JSON = {**_NAMES, list: "an array", dict: "an object"}


class Mismatch(ValueError):
    """JSON is not of the shape that a type says, and where."""

    def __init__(self, wanted: str, path: str = "") -> None:
        super().__init__(wanted, path)
        self.wanted = wanted
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.wanted}" if self.path else self.wanted

    def below(self, name: object) -> Mismatch:
        """Say that it was found in the member of this name."""
        return Mismatch(self.wanted, f"/{name}{self.path}")


def parse(text: bytes) -> Any:
    """Parse JSON; a `Mismatch` when it is none."""
    try:
        decoded = text.decode()
        # What a host writes has no white space around it, and looking for some takes as long as reading.
        value, end = _scan(decoded) if decoded.startswith("{") else (None, -1)
        return value if end == len(decoded) else json.loads(decoded)
    except ValueError as error:
        raise Mismatch(f"no JSON: {error}") from None


def read(type_: Any, value: Any) -> Any:
    """Read a value as a type, passing over the members that a dataclass does not have."""
    return value if type_ is Any else _reader(type_, False)(value)


def read_strictly(type_: Any, value: Any) -> Any:
    """Read a value as a type, refusing the members that a dataclass does not have."""
    return _reader(type_, True)(value)


@cache
def _reader(type_: Any, strict: bool) -> Read:
    origin, arguments = get_origin(type_), get_args(type_)
    if type_ is Any:
        return lambda value: value
    if type_ is None or type_ in _NAMES:
        return _scalar(type_)
    if origin is Annotated:
        return _reader(arguments[0], strict)
    if origin is Literal:
        return _choice(arguments, lambda value: value)
    if isinstance(type_, type) and issubclass(type_, Enum):
        return _choice(tuple(each.value for each in type_), type_)
    if origin in (Union, types.UnionType):
        return _union(arguments, strict)
    if type_ is list or origin is list:
        return _list(_reader(arguments[0] if arguments else Any, strict))
    if type_ is dict or (origin is dict and arguments[0] is str):
        return _dict(_reader(arguments[1] if arguments else Any, strict))
    if is_dataclass(type_):
        return _object(type_, strict)
    raise TypeError(
        f"{type_!r} has no form in JSON: use Any, a scalar, Literal, Enum, a union, list, dict or a dataclass"
    )


def _found(value: Any) -> str:
    return _NAMES_OF_JSON.get(type(value), type(value).__name__)


def _scalar(type_: Any) -> Read:
    known = type(None) if type_ is None else type_
    wanted = _NAMES[known]
    # A whole number is a number, too; that True is an int is Python's business.
    accepted = (int, float) if known is float else (known,)

    def read_scalar(value: Any) -> Any:
        if type(value) in accepted:
            return value
        raise Mismatch(f"{wanted} was expected, and {_found(value)} found")

    return read_scalar


def _choice(values: tuple[Any, ...], made: Callable[[Any], Any]) -> Read:
    def read_choice(value: Any) -> Any:
        for each in values:
            if each == value and type(each) is type(value):
                return made(value)
        raise Mismatch(f"one of {', '.join(map(json.dumps, values))} was expected, and {json.dumps(value)} found")

    return read_choice


def _union(arguments: tuple[Any, ...], strict: bool) -> Read:
    readers = [_reader(each, strict) for each in arguments if each is not type(None)]
    is_optional = len(readers) < len(arguments)

    def read_union(value: Any) -> Any:
        if value is None and is_optional:
            return None
        wrong: Mismatch | None = None
        for reader in readers:
            try:
                return reader(value)
            except Mismatch as error:
                # The one that got furthest knows best what is wrong.
                if wrong is None or len(error.path) > len(wrong.path):
                    wrong = error
        raise wrong or Mismatch(f"null was expected, and {_found(value)} found")

    return read_union


def _list(element: Read) -> Read:
    def read_list(value: Any) -> Any:
        if type(value) is not list:
            raise Mismatch(f"an array was expected, and {_found(value)} found")
        index = 0
        try:
            elements = []
            for index, each in enumerate(value):  # noqa: B007 - it is where the reader stopped
                elements.append(element(each))
        except Mismatch as error:
            raise error.below(index) from None
        return elements

    return read_list


def _dict(member: Read) -> Read:
    def read_dict(value: Any) -> Any:
        if type(value) is not dict:
            raise Mismatch(f"an object was expected, and {_found(value)} found")
        name = ""
        try:
            members = {}
            for name, each in value.items():
                members[name] = member(each)
        except Mismatch as error:
            raise error.below(name) from None
        return members

    return read_dict


def name_in_json(field: Field[Any]) -> str:
    """Name the member that a field is read from: `field(metadata={"name": "$schema"})`, or what the field is called."""
    name = field.metadata.get("name", field.name)
    assert isinstance(name, str)
    return name


def is_needed(field: Field[Any], hint: Any) -> bool:
    """Say whether a member must be there: not where there is a default, and not where nothing at all suits."""
    has_default = field.default is not MISSING or field.default_factory is not MISSING
    return not has_default and not (get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint))


def _object(type_: Any, strict: bool) -> Read:
    hints = get_type_hints(type_, include_extras=True)
    known: list[tuple[str, str, Read, bool]] = []
    absent: dict[str, None] = {}
    for field in fields(type_):
        if not field.init:
            continue
        hint, name = hints[field.name], name_in_json(field)
        must_be_there = is_needed(field, hint)
        known.append((name, field.name, _reader(hint, strict), must_be_there))
        if not must_be_there and field.default is MISSING and field.default_factory is MISSING:
            absent[field.name] = None
    names = [each[0] for each in known]

    def read_object(value: Any) -> Any:
        if type(value) is not dict:
            raise Mismatch(f"an object was expected, and {_found(value)} found")
        found: dict[str, Any] = absent.copy()
        name = ""
        try:
            for name, argument, reader, must_be_there in known:
                member = value.get(name, _ABSENT)
                if member is not _ABSENT:
                    found[argument] = reader(member)
                elif must_be_there:
                    raise Mismatch("it is missing")
        except Mismatch as error:
            raise error.below(name) from None
        if strict and (unknown := value.keys() - set(names)):
            raise Mismatch(f"there is no member {min(unknown)}; there are: {', '.join(names) or 'none'}")
        return type_(**found)

    return read_object

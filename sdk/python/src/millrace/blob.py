"""Blobs, which the host keeps and a plugin knows by number, and values that are written with blobs in them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, overload

from millrace import contract as wit
from millrace import imports, shape
from millrace.failure import Failure

T = TypeVar("T")

READ_BYTES_MAX = 0xFFFF_FFFF
"""Bytes that one read may ask for: what the contract's `u32` holds."""


@dataclass(slots=True, frozen=True)
class Blob:
    """Large bytes in the host's hands: page content, mostly.

    It is a number and a size. Passing it on (`event.patch().set(path, blob)`) costs nothing, however large it is;
    reading it copies it into the plugin's memory. Page content can have 10 MB and more, and most plugins only move it
    from the wiki to the output: so read a blob when the outcome depends on what is in it, and only as much as it
    depends on.

    It ends with the event: one that is kept and used for another event breaks a rule of the contract (`plugin_rule`).
    """

    id: int
    size: int
    """The number of bytes."""

    def read(self, offset: int = 0, length: int = READ_BYTES_MAX) -> bytes:
        """Read at most `length` bytes from `offset` on; fewer at the end, none past it.

        The part may begin or end inside a character of UTF-8.
        """
        return imports.read(self.id, offset, length)

    def read_all(self) -> bytes:
        """Read all of it, into memory that the pipeline's limit `memory` bounds for all events of an instance."""
        part = self.read()
        if len(part) >= self.size:
            return part
        parts, known = [part], len(part)
        while part and known < self.size:
            part = self.read(known)
            parts.append(part)
            known += len(part)
        return b"".join(parts)

    def text(self) -> str:
        """Read all of it as text; a failure `invalid_text` when it is not UTF-8."""
        try:
            return self.read_all().decode()
        except UnicodeDecodeError as error:
            raise Failure("invalid_text", f"a blob is not UTF-8: {error}") from None

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type_: type[T]) -> T: ...
    def json(self, type_: Any = Any) -> Any:
        """Read all of it, which is JSON, as a type of yours (see `Event.json`); a failure `invalid_json` otherwise."""
        try:
            return shape.read(type_, shape.parse(self.read_all()))
        except shape.Mismatch as error:
            raise Failure("invalid_json", str(error)) from None


class Pieces:
    """A value written from parts, one after the other, so that large ones never enter the plugin's memory.

    In an emission they must together be exactly one JSON value, else the event becomes an error event `output_invalid`;
    the body of a lookup can be anything.

        patch.set("/answer", Pieces().blob(response.body))    # a blob that is itself JSON
        wiki.http("scores", "/v1", method="POST", body=Pieces().raw('{"text":').string_blob(text).raw("}"))
    """

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[wit.Piece] = []

    def raw(self, data: bytes | str) -> Pieces:
        """Add bytes or text as they are."""
        self.parts.append(wit.Piece_Bytes(data.encode() if isinstance(data, str) else bytes(data)))
        return self

    def blob(self, blob: Blob) -> Pieces:
        """Add a blob as it is."""
        self.parts.append(wit.Piece_Blob(blob.id))
        return self

    def string_blob(self, blob: Blob) -> Pieces:
        """Add a blob, which must be UTF-8, as a quoted and escaped JSON string."""
        self.parts.append(wit.Piece_JsonString(blob.id))
        return self


def pieces_of(value: Any) -> list[wit.Piece]:
    """Write a value as JSON. Blobs in it become strings, `Pieces` what they are made of.

    `TypeError` and `ValueError` for what JSON cannot say.
    """
    if type(value) is Blob:
        return [wit.Piece_JsonString(value.id)]
    if type(value) is Pieces:
        return list(value.parts)
    mark = "\0"
    while True:
        large: list[list[wit.Piece]] = []
        between = _written(value, large, mark).split(f'"{json.dumps(mark)[1:-1]}"')
        # A value that says the same as the mark must not be taken for one.
        if len(between) == len(large) + 1:
            return _joined(between, large)
        mark += "\0"


def _written(value: Any, large: list[list[wit.Piece]], mark: str) -> str:
    """Write JSON with `mark` in place of each part that is no text, and keep those parts."""

    def stand_in(part: Any) -> Any:
        if isinstance(part, Blob | Pieces):
            large.append(pieces_of(part))
            return mark
        if is_dataclass(part) and not isinstance(part, type):
            return {each.name: getattr(part, each.name) for each in fields(part)}
        if isinstance(part, Enum):
            return part.value
        raise TypeError(f"a {type(part).__name__} cannot be written as JSON")

    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=stand_in)
    return encoder.encode(value)


def _joined(between: list[str], large: list[list[wit.Piece]]) -> list[wit.Piece]:
    pieces: list[wit.Piece] = [wit.Piece_Bytes(between[0].encode())]
    for parts, text in zip(large, between[1:], strict=True):
        pieces += parts
        pieces.append(wit.Piece_Bytes(text.encode()))
    return pieces

"""Recorded answers: what is asked, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace import shape
from millrace.testing.strict import is_same


@dataclass
class Reply:
    """What was found: a document, and the texts of the blobs that it names by index."""

    document: dict[str, Any]
    blobs: list[str] | None = None


@dataclass
class Error:
    """Why nothing was; `kind` is the contract's word."""

    kind: str
    message: str


@dataclass
class Recording:
    """One recorded answer. It may be given any number of times.

    It is also an entry of a case's `answers.json`, with `reply` or `error`.
    """

    kind: str
    params: dict[str, Any]
    reply: Reply | None = None
    error: Error | None = None

    def __post_init__(self) -> None:
        if (self.reply is None) == (self.error is None):
            raise ValueError(f"recording of {self.kind} {self.params}: one of `reply` and `error`")
        self._body: bytes | None = None

    @staticmethod
    def answer(
        kind: str, params: Mapping[str, Any], document: Mapping[str, Any], blobs: Sequence[str] = ()
    ) -> Recording:
        """Answer asks of `kind` whose params have at least all of `params` with a document and its blobs."""
        return Recording(kind, dict(params), reply=Reply(dict(document), list(blobs)))

    @staticmethod
    def failure(kind: str, params: Mapping[str, Any], error: str, message: str = "") -> Recording:
        """Answer asks of `kind` whose params have at least all of `params` with an error.

        `error` is the contract's word: `missing`, `denied`, `too-large`, `unavailable` or `invalid`.
        """
        return Recording(kind, dict(params), error=Error(error, message))

    @staticmethod
    def read(entry: Any) -> Recording:
        """Read an entry of `answers.json`; `ValueError` says what is wrong with it."""
        recording = shape.read_strictly(Recording, entry)
        assert isinstance(recording, Recording)
        return recording

    def body(self, body: bytes | str) -> Recording:
        """Answer only asks with exactly this body; unless this is called, asks with any body or none."""
        self._body = body.encode() if isinstance(body, str) else body
        return self

    def suits(self, kind: str, params: Mapping[str, Any], body: bytes | None) -> bool:
        """Say whether this answers that ask."""
        are_there = all(name in params and is_same(params[name], value) for name, value in self.params.items())
        return self.kind == kind and are_there and self._body in (None, body)

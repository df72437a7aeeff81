"""What lookups answer: small facts as members, what is large as blobs, which stay in the host unless they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from millrace import contract as wit
from millrace import shape
from millrace.blob import Blob
from millrace.failure import Failure, Invalid

T = TypeVar("T")


class Reply:
    """An answer before it became a type: a small JSON document, and what is large beside it."""

    __slots__ = ("_inner",)

    def __init__(self, inner: wit.Reply) -> None:
        self._inner = inner

    @property
    def document(self) -> bytes:
        """The JSON document; the contract's README has its schema, by kind."""
        document = self._inner.document
        if isinstance(document, wit.Payload_Inline):
            return document.value
        return Blob(document.value.id, document.value.size).read_all()

    @property
    def blobs(self) -> list[Blob]:
        """The large parts, in the order of the indexes in the document."""
        return [Blob(each.id, each.size) for each in self._inner.blobs]

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type_: type[T]) -> T: ...
    def json(self, type_: Any = Any) -> Any:
        """Read the document, as a type of yours where one is given; raises `Invalid` when it is of another shape."""
        try:
            return shape.read(type_, shape.parse(self.document))
        except shape.Mismatch as error:
            raise Invalid(f"answer: {error}") from None

    def blob(self, index: int) -> Blob:
        """Give the blob that an index in the document names, from 0; raises `Invalid` when there is none."""
        blobs = self._inner.blobs
        if type(index) is not int or not 0 <= index < len(blobs):
            raise Invalid(f"answer: no blob {index}")
        return Blob(blobs[index].id, blobs[index].size)


@dataclass(slots=True)
class Content:
    """The content of a slot that the public may read."""

    model: str | None
    """The content model: `wikitext`, `wikibase-item`, ... None where the wiki does not say."""
    format: str | None
    """The format as a MIME type: `text/x-wiki`, ... None where the wiki does not say."""
    size: int
    """The size of the body in bytes, counted by the host."""
    sha1: str
    """SHA-1 in base 36, 31 characters, as in events; computed by the host from the bytes."""
    body: Blob
    """The content itself: UTF-8 text."""


@dataclass(slots=True)
class Revision:
    """One revision."""

    rev_id: int
    page_id: int
    """The page that it belongs to; 0 where the wiki does not say."""
    parent_id: int
    """The revision before it; 0 for a page's first."""
    slots: dict[str, Content | None]
    """Its slots by their roles (`main`); none where a slot exists and is hidden from the public."""

    def is_hidden(self, role: str) -> bool:
        """Say whether the slot exists and is hidden from the public."""
        return role in self.slots and self.slots[role] is None

    def content(self, role: str) -> Content:
        """Give the content of a slot; a failure `not_found` when there is no such slot, `hidden` if it is so."""
        if role not in self.slots:
            raise Failure("not_found", f"revision {self.rev_id} has no slot {role}")
        content = self.slots[role]
        if content is None:
            raise Failure("hidden", f"slot {role} of revision {self.rev_id} is hidden")
        return content


@dataclass(slots=True)
class Comparison:
    """The difference between two revisions."""

    from_rev: int
    to_rev: int
    from_size: int | None
    """Bytes of the revision on the left; none where the wiki does not say."""
    to_size: int | None
    """Bytes of the revision on the right; none where the wiki does not say."""
    body: Blob | None
    """MediaWiki's table rows; 0 bytes where nothing differs, none where the text of one side is hidden."""

    def rows(self) -> Blob:
        """Give the table rows; a failure `hidden` when the text of one side is hidden."""
        if self.body is None:
            raise Failure("hidden", f"the text of revision {self.from_rev} or {self.to_rev} is hidden")
        return self.body


@dataclass(slots=True)
class Html:
    """One revision as HTML."""

    rev_id: int
    headers: Mapping[str, str]
    """What the wiki says of it, by names in small letters: `content-type`, `content-language`, `etag`, ..."""
    body: Blob
    """The page, as it came."""


@dataclass(slots=True)
class Response:
    """The answer of a wiki's API or of a service."""

    status: int
    """The HTTP status, 200 to 299: every other one is raised."""
    headers: Mapping[str, str]
    """Some of its headers, by names in small letters: `content-type`, `etag`, `last-modified`, `link`, ..."""
    body: Blob
    """Its body, as it came; 0 bytes where there is none."""

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type_: type[T]) -> T: ...
    def json(self, type_: Any = Any) -> Any:
        """Read the body, which is JSON, as a type of yours where one is given; raises `Invalid` otherwise.

        It copies the body into the plugin's memory. To pass JSON on without reading it: `Pieces().blob(response.body)`.
        """
        try:
            return shape.read(type_, shape.parse(self.body.read_all()))
        except shape.Mismatch as error:
            raise Invalid(f"body of the answer: {error}") from None


@dataclass(slots=True)
class _Slot:
    hidden: bool = False
    model: str | None = None
    format: str | None = None
    size: int = 0
    sha1: str = ""
    body: int | None = None


@dataclass(slots=True)
class _Revision:
    rev_id: int
    slots: dict[str, _Slot]
    page_id: int = 0
    parent_id: int = 0


@dataclass(slots=True)
class _Comparison:
    from_rev: int
    to_rev: int
    from_size: int | None = None
    to_size: int | None = None
    hidden: bool = False
    body: int | None = None


@dataclass(slots=True)
class _Html:
    rev_id: int
    body: int
    headers: dict[str, str] | None = None


@dataclass(slots=True)
class _Response:
    status: int
    body: int
    headers: dict[str, str] | None = None


def same(reply: Reply) -> Reply:
    """Leave an answer as it is."""
    return reply


def revision(reply: Reply) -> Revision:
    """Read the answer of `revision`."""
    document = reply.json(_Revision)
    slots: dict[str, Content | None] = {}
    for role, slot in document.slots.items():
        if slot.hidden:
            slots[role] = None
        elif slot.body is None:
            raise Invalid(f"answer: slot {role} has neither a body nor is hidden")
        else:
            slots[role] = Content(slot.model, slot.format, slot.size, slot.sha1, reply.blob(slot.body))
    return Revision(document.rev_id, document.page_id, document.parent_id, slots)


def comparison(reply: Reply) -> Comparison:
    """Read the answer of `compare`."""
    document = reply.json(_Comparison)
    if not document.hidden and document.body is None:
        raise Invalid("answer: a comparison has neither a body nor is hidden")
    body = None if document.hidden or document.body is None else reply.blob(document.body)
    return Comparison(document.from_rev, document.to_rev, document.from_size, document.to_size, body)


def html(reply: Reply) -> Html:
    """Read the answer of `html`."""
    document = reply.json(_Html)
    return Html(document.rev_id, document.headers or {}, reply.blob(document.body))


def response(reply: Reply) -> Response:
    """Read the answer of `query` and of `http`."""
    document = reply.json(_Response)
    return Response(document.status, document.headers or {}, reply.blob(document.body))

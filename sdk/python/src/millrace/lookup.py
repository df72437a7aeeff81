"""Lookups: what a plugin may ask of a wiki or of another service. What comes back is in `answers`.

A plugin has no network. It asks by awaiting a lookup, and the host does the rest: it puts 50 revisions of one wiki into
one call, asks once what several events ask, caches, retries, obeys the limits of the wiki, and waits while it is down.

A kind must be among the plugin's `lookups`, and the operator grants kinds, wikis, and the paths of services. Of one
event 64 lookups are open at once; those beyond wait by themselves until others are answered. In all it may make 1,000,
and one more breaks a rule (`plugin_rule`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from millrace import answers
from millrace import contract as wit
from millrace.answers import Comparison, Html, Reply, Response, Revision
from millrace.blob import Pieces
from millrace.failure import lookup_failed

if TYPE_CHECKING:
    from millrace.executor import Ticket

A = TypeVar("A")

Param = str | int | Iterable[str | int]
"""The value of a parameter; several are joined by `|`."""

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Waiting:
    """What a coroutine may wait for; nothing else ever wakes it."""

    __slots__ = ()


class Lookup(Waiting, Generic[A]):
    """A question under way; await it, or several at once with `gather`.

    It is asked when it is first awaited. Its result is the answer; a `LookupFailed` is raised where there is none. What
    is never awaited is never asked.
    """

    __slots__ = ("_is_asked", "_read", "_result", "_ticket", "body", "kind", "params")

    def __init__(
        self, ticket: Ticket, kind: str, params: str, read: Callable[[Reply], A], body: list[wit.Piece] | None = None
    ) -> None:
        self._ticket = ticket
        self._read = read
        self._is_asked = False
        self._result: wit.Ok[wit.Reply] | wit.Err[wit.LookupError] | None = None
        self.kind = kind
        self.params = params
        self.body: list[wit.Piece] = body or []

    def take(self, result: wit.Ok[wit.Reply] | wit.Err[wit.LookupError]) -> None:
        """Keep the host's answer."""
        self._result = result

    def __await__(self) -> Generator[Waiting, None, A]:
        while self._result is None:
            if not self._is_asked:
                self._is_asked = self._ticket.ask(self)
            yield self
        result = self._result
        if isinstance(result, wit.Err):
            raise lookup_failed(result.value.kind, result.value.message)
        return self._read(Reply(result.value))


class MediaWiki:
    """The wikis and services that this pipeline may ask, on behalf of one event.

    `domain` is always that of a wiki, as in `meta.domain`: `en.wikipedia.org`. A wiki that is not configured and
    granted raises `Denied`. All params of a lookup together may have 64 KiB, written as JSON; more break a rule
    (`plugin_rule`).
    """

    __slots__ = ("_ticket",)

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def revision(self, domain: str, rev_id: int, *, slots: Iterable[str] | None = None) -> Lookup[Revision]:
        """Ask for one revision: its facts and the content of its slots.

        `slots` are the roles that are wanted (`main`, `mediainfo`), 1 to 20; all that the revision has, unless given. A
        role that the revision does not have is no error: it is not in the answer. Nor is a hidden text: see
        `Revision.is_hidden`. A revision that does not exist or was deleted raises `Missing`.
        """
        params: dict[str, Any] = {"domain": domain, "rev_id": rev_id}
        if slots is not None:
            params["slots"] = list(slots)
        return Lookup(self._ticket, "revision", _write(params), answers.revision)

    def compare(self, domain: str, from_rev: int, to_rev: int) -> Lookup[Comparison]:
        """Ask for the difference between two revisions, from the left to the right.

        One that does not exist or was deleted raises `Missing`. A hidden text is no error: `Comparison.body` is none.
        """
        params = {"domain": domain, "from_rev": from_rev, "to_rev": to_rev}
        return Lookup(self._ticket, "compare", _write(params), answers.comparison)

    def html(self, domain: str, rev_id: int) -> Lookup[Html]:
        """Ask for one revision as the wiki's REST API renders it.

        One that does not exist or was deleted raises `Missing`, one whose text is hidden `Denied`, as does a wiki that
        is not granted; to tell these apart, ask for the `revision`.
        """
        return Lookup(self._ticket, "html", _write({"domain": domain, "rev_id": rev_id}), answers.html)

    def query(self, domain: str, params: Mapping[str, Param] | None = None, **more: Param) -> Lookup[Response]:
        """Ask a wiki's API with these parameters of `action=query`.

            answer = (await wiki.query("en.wikipedia.org", prop="categories", titles=["Water", "Ice"])).json()

        There are at most 64 of them. `action`, `format`, `formatversion` (it is 2), `maxlag` and the like are the
        host's (`Denied`). A page that does not exist is mostly no error of the API, but an answer that says so. Where
        the answer has a `continue`, there is more: ask again with its members as further parameters.
        """
        asked = {name: _joined(value) for name, value in {**(params or {}), **more}.items()}
        return Lookup(self._ticket, "query", _write({"domain": domain, "params": asked}), answers.response)

    def http(
        self,
        target: str,
        path: str,
        *,
        method: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | Pieces | None = None,
    ) -> Lookup[Response]:
        """Send a request to a service that the operator has configured: `GET`, unless another method is given.

        `target` is its name in the host's configuration, and `path` one that is granted, in normal form and
        percent-encoded; the host encodes the query. Of headers, `accept`, `accept-language`, `content-type`,
        `cache-control` and those that begin with `x-` may be set (else `Denied`); nothing sets a `content-type` by
        itself. A `GET` or `HEAD` has no body (`Invalid`). By its status, an answer raises `Missing` (404, 410),
        `Denied` (401, 403), `TooLarge` (413) or `Invalid` (others from 300 to 499). A request with another method than
        `GET` and `HEAD` may reach the service more than once.
        """
        params: dict[str, Any] = {"target": target, "path": path}
        if method is not None:
            params["method"] = method
        if query:
            params["query"] = dict(query)
        if headers:
            params["headers"] = {name.lower(): value for name, value in headers.items()}
        return Lookup(self._ticket, "http", _write(params), answers.response, _body(body))

    def ask(self, kind: str, params: Mapping[str, Any], body: bytes | str | Pieces | None = None) -> Lookup[Reply]:
        """Ask for anything, for kinds that this package has no type for.

        A kind that is not among the plugin's `lookups` breaks a rule (`plugin_rule`).
        """
        return Lookup(self._ticket, kind, _write(dict(params)), answers.same, _body(body))


def _joined(value: Param) -> str:
    if isinstance(value, str | int):
        return str(value)
    return "|".join(map(str, value))


def _body(body: bytes | str | Pieces | None) -> list[wit.Piece]:
    if body is None:
        return []
    return body.parts if isinstance(body, Pieces) else Pieces().raw(body).parts

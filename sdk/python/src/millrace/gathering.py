"""Waiting for several lookups at once, which the host can then ask for together."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Literal, TypeVar, overload

from millrace.executor import foreign
from millrace.lookup import Lookup, Waiting

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class _Gathering(Waiting):
    """Several coroutines that take turns, in the order in which they were given."""

    __slots__ = ()


_GATHERING = _Gathering()


class _Part:
    """One of them: a coroutine under way, or its result."""

    __slots__ = ("coroutine", "error", "is_over", "result")

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        # What is sent on: a coroutine, or the generator behind a lookup.
        self.coroutine: Any = awaitable.__await__() if isinstance(awaitable, Lookup) else _coroutine_of(awaitable)
        self.is_over = False
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> bool:
        """Let it go on until it waits or ends; says whether it ended."""
        if self.is_over:
            return True
        try:
            yielded = self.coroutine.send(None)
            while not isinstance(yielded, Waiting):
                yielded = self.coroutine.throw(foreign(yielded))
        except StopIteration as end:
            self.result, self.is_over = end.value, True
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - it is raised, or handed over, by `gather`
            self.error, self.is_over = error, True
        return self.is_over


def _coroutine_of(awaitable: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
    return awaitable if isinstance(awaitable, Coroutine) else _awaited(awaitable)


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class _All:
    """Ends when all parts are over, or the first one fails."""

    __slots__ = ("keep_errors", "parts")

    def __init__(self, awaitables: tuple[Awaitable[Any], ...], keep_errors: bool) -> None:
        self.parts = [_Part(each) for each in awaitables]
        self.keep_errors = keep_errors

    def __await__(self) -> Generator[Waiting, None, tuple[Any, ...]]:
        try:
            while not self._run():
                yield _GATHERING
        finally:
            for part in self.parts:
                part.coroutine.close()
        return tuple(part.result if part.error is None else part.error for part in self.parts)

    def _run(self) -> bool:
        are_over = True
        for part in self.parts:
            are_over = part.run() and are_over
            if part.error is not None and not self.keep_errors:
                raise part.error
        return are_over


@overload
async def gather(first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...
@overload
async def gather(first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], /) -> tuple[A, B, C]: ...
@overload
async def gather(*awaitables: Awaitable[T]) -> tuple[T, ...]: ...
@overload
async def gather(*awaitables: Awaitable[T], return_exceptions: Literal[True]) -> tuple[T | Exception, ...]: ...
async def gather(*awaitables: Awaitable[Any], return_exceptions: bool = False) -> Any:
    """Await several lookups, or coroutines that await lookups, at once; their results, in their order.

        new, old = await gather(wiki.revision(domain, 2), wiki.revision(domain, 1))
        pages = await gather(*(wiki.revision(domain, each) for each in ids))

    They are asked in the same turn, so that the host can put many into one call. Of one event 64 may be open at once;
    those beyond wait by themselves until others are answered, up to the 1,000 that an event may make in all.

    As with `asyncio.gather`, the first exception is raised, and with `return_exceptions=True` each exception takes the
    place of its result. Unlike there, the others end with it.
    """
    return await _All(awaitables, return_exceptions)

"""Why an event failed, in a word for machines and a sentence for people, and how lookups say it."""

from __future__ import annotations

import re
import traceback
from pathlib import PurePath

from millrace import contract as wit

FRAMES_MAX = 32
"""Frames of a stack, the innermost ones: an error event holds 16 KiB of it."""

_SDK_FOLDER = PurePath(__file__).parent

_MOUNT = re.compile(r'File "/\d+/')
"""Where modules lay while their component was put together: `/1/` and the like, which tells an author nothing."""


class Failure(Exception):
    """Why an event failed: raise it, and the event becomes an error event with `kind` as its `error_type`.

    `kind` is a stable word of at most 64 `a-z`, `0-9` and `_`: dashboards count by it, so never put into it what
    differs from event to event. `message` is a sentence for people: what, where, what was expected. Where it was raised
    gets into the error event's `stack`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class LookupFailed(Failure):
    """Why a lookup has no answer. The host's own retries are over by then, so trying again at once seldom helps.

    Catch the class that a decision depends on. What is not caught fails the event, with the `kind` of its class.
    An outage is none of these: while a wiki is down, the host waits, and the lookup with it.
    """

    word = "unavailable"
    """The contract's word for the class."""
    kind = "lookup_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(type(self).kind, message)


class Missing(LookupFailed):
    """What was asked for does not exist: an unknown or deleted revision or page, a 404.

    A revision of a young event that the wiki does not know yet has already been asked for again.
    """

    word = "missing"
    kind = "not_found"


class Denied(LookupFailed):
    """The pipeline has no grant for it, or the other side refuses it: 401, 403, the HTML of a text that is hidden."""

    word = "denied"
    kind = "lookup_denied"


class TooLarge(LookupFailed):
    """The answer, or the body of the question, is larger than the host takes."""

    word = "too-large"
    kind = "lookup_too_large"


class Unavailable(LookupFailed):
    """The other side could not answer this question, while it did answer others; or it has lost the text."""


class Invalid(LookupFailed):
    """The question or the answer makes no sense: wrong params, an error of the API, an answer of another shape."""

    word = "invalid"
    kind = "lookup_invalid"


_BY_WORD = {each.word: each for each in (Missing, Denied, TooLarge, Unavailable, Invalid)}


def lookup_failed(word: str, message: str) -> LookupFailed:
    """Make the exception that the contract's word stands for; a word of a newer host is `Unavailable`."""
    return _BY_WORD.get(word, Unavailable)(message)


def failure_of(error: BaseException) -> wit.Failure:
    """Write an exception for the host: kind, message, and the stack without the frames of this package."""
    if isinstance(error, Failure):
        kind, message = error.kind, error.message
    else:
        kind, message = _word_of(type(error).__name__), f"{type(error).__name__}: {error}"
    return wit.Failure(str(kind), str(message), _stack_of(error))


def _word_of(name: str) -> str:
    """Make a kind of the name of a class: `KeyError` is `key_error`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _stack_of(error: BaseException) -> str | None:
    """Write what Python would print, from the author's first frame on; none for what was never raised."""
    if error.__traceback__ is None:
        return None
    shown = traceback.TracebackException.from_exception(error, limit=-FRAMES_MAX, compact=True)
    each: traceback.TracebackException | None = shown
    while each is not None:
        each.stack = _without_outer_frames(each.stack)
        each = each.__cause__ or each.__context__
    return _MOUNT.sub('File "', "".join(shown.format()).rstrip())


def _without_outer_frames(stack: traceback.StackSummary) -> traceback.StackSummary:
    """Leave out what called the author's code; what it called itself stays."""
    for index, frame in enumerate(stack):
        if PurePath(frame.filename).parent != _SDK_FOLDER:
            return traceback.StackSummary.from_list(stack[index:])
    return stack

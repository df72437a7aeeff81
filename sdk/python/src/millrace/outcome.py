"""What a plugin decides about one event, and the emissions and patches that this is made of."""

from __future__ import annotations

from typing import Any

from millrace import contract as wit
from millrace.blob import pieces_of
from millrace.failure import Failure, failure_of


class Outcome:
    """What a plugin decided about one event.

    | outcome | when | what becomes of the event |
    |---|---|---|
    | `Patch.emit`, `Outcome.emit` | there is something to say | outputs, all or none |
    | `Outcome.skip` | there is nothing to say, and that is right | counted by its word |
    | `Outcome.retry` | something that it needs is not there yet, and may be later | runs again, 3 times in all |
    | `raise Failure(...)`, any other exception | it can never work | an error event, which holds the input |

    Never retry because a wiki is down: the host waits for it by itself, and no event fails by that. And never skip what
    should have worked: nobody looks at skips.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: wit.Outcome) -> None:
        self.inner = inner

    @staticmethod
    def emit(*emissions: Emission) -> Outcome:
        """Emit these events, in this order, all or none; at most 1,000, else `plugin_rule`. None: skip `nothing`."""
        if not emissions:
            return Outcome.skip("nothing")
        return Outcome(wit.Outcome_Emit([each.inner for each in emissions]))

    @staticmethod
    def skip(reason: str) -> Outcome:
        """Say nothing about this event, and why: a stable word of at most 64 `a-z`, `0-9` and `_`.

        Skips are counted by it (`millrace_events_skipped_total`). The host turns anything else into such a word.
        """
        return Outcome(wit.Outcome_Skip(reason))

    @staticmethod
    def retry(failure: Failure, after_ms: int | None = None) -> Outcome:
        """Run this event again later, with new lookups, within the pipeline's budget (`limits.retries`: 3 runs in all).

        Later events of its key wait. It waits at least `after_ms`, of which more than the pipeline's longest wait
        (`limits.retries.cap`) count as that. When the budget is used up, `failure` becomes the error event.
        """
        return Outcome(wit.Outcome_Retry(wit.RetryHint(after_ms, failure_of(failure))))

    @staticmethod
    def fail(failure: Failure) -> Outcome:
        """Say that this event can never work. The same as raising the failure, but for the stack."""
        return Outcome(wit.Outcome_Fail(failure_of(failure)))


class Emission:
    """One event on one output.

    The host writes `$schema`, `meta.id`, `meta.stream` and `meta.dt` into it, and a new document that lacks them also
    gets the input's `dt`, `meta.domain`, `meta.request_id` and `meta.uri`.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: wit.Emission) -> None:
        self.inner = inner

    @staticmethod
    def document(output: str, value: Any, *, key: bytes | str | None = None) -> Emission:
        """Emit a new document: what `json` can write, dataclasses, blobs as strings, or `Pieces`; a JSON object in all.

        Prefer a patch where the output is the input with more in it: fields that this plugin does not know survive
        there. The key is built by the host from the output stream's key fields, unless one is given.
        """
        return Emission(wit.Emission(output, _bytes(key), wit.Document_Whole(pieces_of(value)), []))

    @staticmethod
    def tombstone(output: str, *, key: bytes | str | None = None) -> Emission:
        """Emit Kafka's null value, by the input's key unless another one is given."""
        return Emission(wit.Emission(output, _bytes(key), wit.Document_Tombstone(), []))

    def header(self, name: str, value: bytes | str) -> Emission:
        """Add a header. One whose name begins with `millrace-` is the host's: the event becomes `output_invalid`."""
        self.inner.headers.append(wit.Header(name, _bytes(value)))
        return self


def _bytes(text: bytes | str | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


class Patch:
    """Edits on the input document, as the host received it: what the plugin never saw survives.

    A path is a JSON Pointer, not the empty one; `pointer` writes one from names that may hold `/` or `~`. Edits apply
    in order, and missing parents are made as objects. In an array, an index must exist, or be `-` to append. What
    cannot be done (a path through a string or number, an index that is not there, a `set` in place of an object of
    which the plugin saw a part only) makes the event an error event `output_invalid`.

        patch = event.patch().set("/revision/is_checked", True).set("/tags/-", "checked").remove("/performer/user_text")
        return patch.emit("checked")
    """

    __slots__ = ("edits",)

    def __init__(self) -> None:
        self.edits: list[wit.Edit] = []

    def set(self, path: str, value: Any) -> Patch:
        """Set the value at `path`: what `json` can write, dataclasses, and blobs, which become strings.

        A blob is never read for that: this is how content gets into an event without passing through the plugin. To set
        a blob that is itself JSON, give `Pieces().blob(blob)`.
        """
        self.edits.append(wit.Edit(path, wit.Change_Set(pieces_of(value))))
        return self

    def remove(self, path: str) -> Patch:
        """Remove what is at `path`, if anything is."""
        self.edits.append(wit.Edit(path, wit.Change_Remove()))
        return self

    def to(self, output: str, *, key: bytes | str | None = None) -> Emission:
        """Make an emission of it, for a key, headers, or several emissions in one outcome."""
        return Emission(wit.Emission(output, _bytes(key), wit.Document_Patch(self.edits), []))

    def emit(self, output: str) -> Outcome:
        """Make the outcome that emits just this on `output`, a name from the plugin's outputs."""
        return Outcome(wit.Outcome_Emit([wit.Emission(output, None, wit.Document_Patch(self.edits), [])]))


def pointer(*names: str) -> str:
    """Write the JSON Pointer (RFC 6901) to the value under these names, one below the other.

    >>> pointer("revision", "content_slots", "a/b")
    '/revision/content_slots/a~1b'
    """
    return "".join(f"/{_escaped(name)}" for name in names)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name


def outcome_of(returned: Any) -> wit.Outcome:
    """Take what an author's function returned; `TypeError` for what is no outcome."""
    if type(returned) is Outcome:
        return returned.inner
    if isinstance(returned, Emission):
        return wit.Outcome_Emit([returned.inner])
    hint = "return event.patch().emit(OUTPUT), Outcome.emit(...), Outcome.skip(WORD) or Outcome.retry(...)"
    what = "a patch that is not emitted" if isinstance(returned, Patch) else f"{_short(returned)}"
    raise TypeError(f"the plugin returned {what}, which is no outcome: {hint}")


def _short(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"

"""State of an event's key, and the timers that are kept with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from millrace import contract as wit
from millrace import imports, shape
from millrace.failure import Failure
from millrace.imports import Clock, Level

if TYPE_CHECKING:
    from millrace.executor import Ticket

T = TypeVar("T")


class State:
    """One store of the key of an event or a timer: names with values, which last.

        counts = event.state("counts")
        seen = counts.get_json("seen", int) or 0
        counts.put_json("seen", seen + 1)

    State belongs to the key. Only one event of a key runs at a time, also while it awaits lookups, so what was read
    stays true until the event is done. Writes are seen by this event at once. They are kept when it ends with an
    emission or a skip, and dropped with any other end: then it is as if nothing had been written. The host keeps them
    in the same transaction as what was emitted.

    The store must be among the plugin's `stores`, and the event needs a key; otherwise each call breaks a rule
    (`plugin_rule`). A name has 1 to 1,024 bytes, a value at most 1,000,000, and a key at most 4,096 values and timers.
    An event with all that it wrote becomes an error event `state_full` where the state of a partition would pass the
    operator's limit.
    """

    __slots__ = ("_store", "_ticket")

    def __init__(self, ticket: Ticket, store: str) -> None:
        self._ticket = ticket
        self._store = store

    def get(self, name: str) -> bytes | None:
        """Give the value of this name, if there is one."""
        return imports.state_get(self._ticket.number, self._store, name)

    def put(self, name: str, value: bytes | str) -> None:
        """Write a value."""
        imports.state_put(self._ticket.number, self._store, name, value.encode() if isinstance(value, str) else value)

    def delete(self, name: str) -> None:
        """Delete a value, if it is there."""
        imports.state_delete(self._ticket.number, self._store, name)

    @overload
    def get_json(self, name: str) -> Any: ...
    @overload
    def get_json(self, name: str, type_: type[T]) -> T | None: ...
    def get_json(self, name: str, type_: Any = Any) -> Any:
        """Read a value that is JSON, as `Event.json` does; none where there is none.

        What is of another shape fails the event with `invalid_state`: an older version of the plugin may have written
        it.
        """
        value = self.get(name)
        if value is None:
            return None
        try:
            return shape.read(type_, shape.parse(value))
        except shape.Mismatch as error:
            raise Failure("invalid_state", f"store {self._store}, {name}: {error}") from None

    def put_json(self, name: str, value: Any) -> None:
        """Write what `json` can write."""
        self.put(name, json.dumps(value, ensure_ascii=False, allow_nan=False))


class Keyed:
    """What an event and a timer have in common: a key with state and timers, the time, log and metrics."""

    __slots__ = ("_ticket",)

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def state(self, store: str) -> State:
        """Give a store of this key: see `State`."""
        return State(self._ticket, store)

    def set_timer(self, name: str, clock: Clock, at_ms: int) -> None:
        """Set a timer of this key, or move it; the plugin's `on_timer` gets it once it is due.

        `clock` is `event` or `wall`: the greatest timestamp that Kafka has of the partition's records so far, which
        stands still where no records come in, or the wall clock. `at_ms` is in milliseconds since 1970. One that is due
        already fires as soon as this event is done. It is kept as state is. Its name has 1 to 1,024 bytes; a timer of
        the same name by the other clock is another one.
        """
        imports.timer_set(self._ticket.number, name, clock, at_ms)

    def clear_timer(self, name: str, clock: Clock) -> None:
        """Clear a timer of this key, if it is set."""
        imports.timer_clear(self._ticket.number, name, clock)

    @property
    def now_ms(self) -> int:
        """The time, in milliseconds since 1970. It stands still until something is awaited."""
        return self._ticket.executor.now_ms

    def now(self) -> datetime:
        """Tell the time, in UTC. It stands still until something is awaited, and a replay gets the same one."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def log(self, message: str, level: Level = "info") -> None:
        """Write a log line of this event, which never fails.

        Control characters become spaces, a line is cut at 8 KiB, and lines beyond 50 of an event are dropped, which the
        host counts.
        """
        imports.log(self._ticket.number, level, message)

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Add to a counter, which Prometheus sees as `millrace_plugin_<name>_total`.

        Never fails, but what breaks a rule counts as `other`. The name, and each label's name, is 1 to 64 ASCII
        letters, digits and `_`, no digit first; a label's value has at most 64 bytes; there are at most 8 labels. Take
        all of them from small sets (a wiki, never a title).
        """
        imports.count(self._ticket.number, name, labels, by)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Take a value down, which Prometheus sees in `millrace_plugin_<name>_sum` and `_count`.

        The rules are those of `count`. Give units in the name: `diff_bytes`.
        """
        imports.observe(self._ticket.number, name, labels, float(value))


class Timer(Keyed):
    """A timer that is due, for as long as the plugin's `on_timer` has it: in the order of the events of its key.

    It is no longer set, unless it is set again here.
    """

    __slots__ = ("_inner",)

    def __init__(self, ticket: Ticket, inner: wit.Timer) -> None:
        super().__init__(ticket)
        self._inner = inner

    @property
    def key(self) -> bytes:
        """The key that it was set for."""
        return self._inner.key

    @property
    def name(self) -> str:
        """The name that it was set by."""
        return self._inner.name

    @property
    def clock(self) -> Clock:
        """What drove it."""
        return "wall" if self._inner.clock == wit.Clock.WALL else "event"

    @property
    def due_ms(self) -> int:
        """When it was due, in milliseconds since 1970.

        It fires then or later, mostly by a part of a second, and by much more where no host ran.
        """
        return self._inner.due_ms

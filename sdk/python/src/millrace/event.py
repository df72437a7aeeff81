"""The event in an author's hands: what the host sent, and its chance. What timers have, too, is in `state`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeVar, overload

from millrace import contract as wit
from millrace import shape
from millrace.blob import Blob
from millrace.failure import Failure
from millrace.outcome import Patch
from millrace.state import Keyed

if TYPE_CHECKING:
    from millrace.executor import Ticket

T = TypeVar("T")


class Event(Keyed):
    """One event, for as long as the plugin's function has it.

    What is logged and counted through it counts only once the event is done: if another event's fault makes the host
    run it again, it still counts once.
    """

    __slots__ = ("_bytes", "_inner", "_random")

    def __init__(self, ticket: Ticket, inner: wit.Event) -> None:
        super().__init__(ticket)
        self._inner = inner
        self._bytes: bytes | None = None
        self._random: random.Random | None = None

    @property
    def input(self) -> str:
        """The input that it came in by: a name from the plugin's inputs."""
        return self._inner.input

    @property
    def topic(self) -> str:
        """The topic that the record lay in. One stream may have a topic per data centre."""
        return self._inner.source.topic

    @property
    def partition(self) -> int:
        """The number of the record's partition, from 0."""
        return self._inner.source.partition

    @property
    def offset(self) -> int:
        """The record's number in its partition, from 0."""
        return self._inner.source.offset

    @property
    def timestamp_ms(self) -> int:
        """Kafka's time of the record, in milliseconds since 1970; negative where it has none."""
        return self._inner.timestamp_ms

    @property
    def key(self) -> bytes | None:
        """Kafka's key: bytes, mostly JSON text. None where the record has none."""
        return self._inner.key

    def header(self, name: str) -> bytes | None:
        """Give the value of the first header of that name, of those that the input lists; none for Kafka's null."""
        return next((each.value for each in self._inner.headers if each.name == name), None)

    @property
    def attempt(self) -> int:
        """1 for the first try, 2 after the first `Outcome.retry`."""
        return self._inner.attempt

    @property
    def is_tombstone(self) -> bool:
        """Whether there is no document. Comes only to inputs with `tombstones`."""
        return self._inner.value is None

    @property
    def bytes(self) -> bytes:
        """The JSON document, cut down to the input's fields; empty for a tombstone.

        One that is larger than the pipeline's limit `inline` (256 KiB unless set) is copied out of the host when this
        is first used.
        """
        value = self._inner.value
        if isinstance(value, wit.Payload_Inline):
            return value.value
        if self._bytes is None:
            self._bytes = b"" if value is None else Blob(value.value.id, value.value.size).read_all()
        return self._bytes

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type_: type[T]) -> T: ...
    def json(self, type_: Any = Any) -> Any:
        """Read the document: as `dict` and `list`, or as a type of yours, a dataclass with typed fields.

        With a type, what is read is checked: a member that is missing or of another type fails the event with
        `invalid_event`, and says where. Members that the type does not have are passed over.
        """
        try:
            return shape.read(type_, shape.parse(self.bytes))
        except shape.Mismatch as error:
            raise Failure("invalid_event", f"input {self.input}: {error}") from None

    def patch(self) -> Patch:
        """Begin edits on this event's document; without any, the event goes out as it came."""
        return Patch()

    @property
    def random(self) -> random.Random:
        """A random generator of this event, seeded with its place: each attempt and replay gets the same numbers.

        Not for secrets. The functions of the module `random` give other numbers in each instance.
        """
        if self._random is None:
            place = f"{self.topic}\0{self.partition}\0{self.offset}"
            self._random = random.Random(place)  # noqa: S311 - it is to be repeatable
        return self._random

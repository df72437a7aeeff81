"""The types of the contract as plain data, for where there is no component around: unit tests.

Names and members are those of the bindings that a component gets; `contract` chooses between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E")


@dataclass(slots=True)
class Ok(Generic[T]):
    """What went well."""

    value: T


@dataclass(frozen=True)
class Err(Exception, Generic[E]):
    """What did not."""

    value: E


@dataclass(slots=True)
class Blob:
    """Bytes that stay in the host."""

    id: int
    size: int


@dataclass(slots=True)
class Payload_Inline:
    """A small value."""

    value: bytes


@dataclass(slots=True)
class Payload_Large:
    """A value above the inline limit."""

    value: Blob


Payload = Payload_Inline | Payload_Large


@dataclass(slots=True)
class Header:
    """A header of a record; Kafka's null value is none."""

    name: str
    value: bytes | None


@dataclass(slots=True)
class Source:
    """Where a record lay."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True)
class Event:
    """A new ticket and its event."""

    ticket: int
    input: str
    source: Source
    timestamp_ms: int
    key: bytes | None
    value: Payload | None
    headers: list[Header]
    attempt: int


@dataclass(slots=True)
class Piece_Bytes:
    """Bytes as they are."""

    value: bytes


@dataclass(slots=True)
class Piece_Blob:
    """A blob as it is."""

    value: int


@dataclass(slots=True)
class Piece_JsonString:
    """A blob as a JSON string."""

    value: int


Piece = Piece_Bytes | Piece_Blob | Piece_JsonString


@dataclass(slots=True)
class Ask:
    """A question."""

    ticket: int
    id: int
    kind: str
    params: str
    body: list[Piece]


@dataclass(slots=True)
class Reply:
    """What was found."""

    document: Payload
    blobs: list[Blob]


@dataclass(slots=True)
class LookupError:  # noqa: A001 - the contract's name
    """Why nothing was."""

    kind: str
    message: str


@dataclass(slots=True)
class Answer:
    """The answer to one ask."""

    ticket: int
    id: int
    result: Ok[Reply] | Err[LookupError]


@dataclass(slots=True)
class Change_Set:
    """Puts one JSON value."""

    value: list[Piece]


@dataclass(slots=True)
class Change_Remove:
    """Takes away what is there."""


@dataclass(slots=True)
class Edit:
    """One edit of a document."""

    path: str
    change: Change_Set | Change_Remove


@dataclass(slots=True)
class Document_Whole:
    """A new document."""

    value: list[Piece]


@dataclass(slots=True)
class Document_Patch:
    """The input document with edits."""

    value: list[Edit]


@dataclass(slots=True)
class Document_Tombstone:
    """Kafka's null value."""


@dataclass(slots=True)
class Emission:
    """One event on one output."""

    output: str
    key: bytes | None
    document: Document_Whole | Document_Patch | Document_Tombstone
    headers: list[Header]


@dataclass(slots=True)
class Failure:
    """Why an event failed."""

    kind: str
    message: str
    stack: str | None


@dataclass(slots=True)
class RetryHint:
    """When to try again, and why."""

    after_ms: int | None
    failure: Failure


@dataclass(slots=True)
class Outcome_Emit:
    """These events."""

    value: list[Emission]


@dataclass(slots=True)
class Outcome_Skip:
    """Nothing to say."""

    value: str


@dataclass(slots=True)
class Outcome_Retry:
    """Later."""

    value: RetryHint


@dataclass(slots=True)
class Outcome_Fail:
    """Never."""

    value: Failure


Outcome = Outcome_Emit | Outcome_Skip | Outcome_Retry | Outcome_Fail


@dataclass(slots=True)
class Done:
    """Ends a ticket."""

    ticket: int
    outcome: Outcome


class Clock(Enum):
    """What drives a timer."""

    EVENT_TIME = 0
    WALL = 1


@dataclass(slots=True)
class Timer:
    """A timer that is due."""

    ticket: int
    key: bytes
    name: str
    clock: Clock
    due_ms: int


@dataclass(slots=True)
class Input_Event:
    """An event."""

    value: Event


@dataclass(slots=True)
class Input_Answer:
    """An answer."""

    value: Answer


@dataclass(slots=True)
class Input_Timer:
    """A timer."""

    value: Timer


@dataclass(slots=True)
class Input_Cancel:
    """A ticket that the host has given up."""

    value: int


Input = Input_Event | Input_Answer | Input_Timer | Input_Cancel


@dataclass(slots=True)
class Output_Done:
    """An outcome."""

    value: Done


@dataclass(slots=True)
class Output_Ask:
    """A question."""

    value: Ask


Output = Output_Done | Output_Ask

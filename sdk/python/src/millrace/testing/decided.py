"""What became of an event in a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from millrace.desk import Report


@dataclass
class Emitted:
    """One emitted event."""

    output: str
    document: dict[str, Any] | None
    """The whole document, patches applied, before the host's envelope; none is a tombstone."""
    key: bytes | None = None
    """The key, if the plugin gave one."""
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass
class Emit:
    """These events, in this order."""

    events: list[Emitted]


@dataclass
class Skip:
    """Nothing, for this reason."""

    reason: str


@dataclass
class Fail:
    """The plugin failed the event."""

    kind: str
    message: str
    stack: str | None = field(default=None, compare=False)


@dataclass
class Retry:
    """Another attempt, after at least so many milliseconds if it says so. It is not made here."""

    failure: Fail
    after_ms: int | None = None


@dataclass
class OutputInvalid:
    """The plugin emitted what cannot be written: a host makes an error event `output_invalid` of the event."""

    message: str


@dataclass
class Fault:
    """The plugin broke a rule of the contract, or a test did.

    A host throws the instance away and makes an error event `plugin_rule` of the event (`plugin_stalled` where it says
    so).
    """

    message: str


Decision = Emit | Skip | Fail | Retry | OutputInvalid | Fault


@dataclass
class Decided:
    """What became of an event."""

    decision: Decision
    """The outcome."""
    asks: list[tuple[str, Any]]
    """Kind and params of every ask, in order."""
    bodies: list[bytes | None]
    """The body of each of these asks; none where it had none."""
    report: Report
    """What was logged and counted."""

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The emitted documents, tombstones left out; none for any other outcome."""
        events = self.decision.events if isinstance(self.decision, Emit) else []
        return [each.document for each in events if each.document is not None]

    @property
    def failure_kind(self) -> str | None:
        """The kind of the failure, if the event failed: the plugin's word, or `output_invalid`. None for a fault."""
        if isinstance(self.decision, Fail):
            return self.decision.kind
        return "output_invalid" if isinstance(self.decision, OutputInvalid) else None

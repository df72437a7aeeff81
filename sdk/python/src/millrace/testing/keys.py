"""What the host of tests keeps of keys: values and timers, and which timers are due."""

from __future__ import annotations

from dataclasses import dataclass, field

from millrace import contract as wit
from millrace.desk import KeyState
from millrace.imports import Clock

CLOCKS: dict[Clock, wit.Clock] = {"event": wit.Clock.EVENT_TIME, "wall": wit.Clock.WALL}


@dataclass(order=True)
class Due:
    """A timer that is due, ordered as timers fire."""

    due_ms: int
    key: bytes
    name: str
    clock: Clock

    def described(self, ticket: int) -> wit.Timer:
        """Say it in the contract's form."""
        return wit.Timer(ticket, self.key, self.name, CLOCKS[self.clock], self.due_ms)


@dataclass
class Keys:
    """All keys, and the event time."""

    of: dict[bytes, KeyState] = field(default_factory=dict)
    event_time_ms: int = -1
    """The greatest time of a record so far; negative before the first."""

    def begin(self, key: bytes | None) -> KeyState | None:
        """Give a copy for a ticket to write to; none without a key."""
        return None if key is None else self.of.get(key, KeyState()).copy()

    def due(self, wall_ms: int) -> list[Due]:
        """List the timers that are due, in the order in which they fire."""
        now: dict[Clock, int] = {"event": self.event_time_ms, "wall": wall_ms}
        return sorted(
            Due(due_ms, key, name, clock)
            for key, state in self.of.items()
            for (name, clock), due_ms in state.timers.items()
            if due_ms <= now[clock]
        )

    def spend(self, due: Due) -> KeyState | None:
        """Take a timer away, whatever comes of it; none if it was moved or cleared meanwhile."""
        state = self.of[due.key]
        if state.timers.get((due.name, due.clock)) != due.due_ms:
            return None
        del state.timers[due.name, due.clock]
        return state.copy()

"""The calls to the host: in a component the contract's imports, elsewhere `desk`, for unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

Level = Literal["debug", "info", "warn", "error"]
"""How much a log line matters, the least first."""

Clock = Literal["event", "wall"]
"""What drives a timer: the event time of the partition, or the wall clock."""

if TYPE_CHECKING:

    def read(blob: int, offset: int, length: int) -> bytes:
        """Read a blob."""

    def log(ticket: int | None, level: Level, message: str) -> None:
        """Write a log line."""

    def count(ticket: int | None, name: str, labels: Mapping[str, str], by: int) -> None:
        """Add to a counter."""

    def observe(ticket: int | None, name: str, labels: Mapping[str, str], value: float) -> None:
        """Take a value down."""

    def state_get(ticket: int, store: str, name: str) -> bytes | None:
        """Read a value of the ticket's key."""

    def state_put(ticket: int, store: str, name: str, value: bytes) -> None:
        """Write a value of the ticket's key."""

    def state_delete(ticket: int, store: str, name: str) -> None:
        """Delete a value of the ticket's key."""

    def timer_set(ticket: int, name: str, clock: Clock, at_ms: int) -> None:
        """Set a timer of the ticket's key."""

    def timer_clear(ticket: int, name: str, clock: Clock) -> None:
        """Clear a timer of the ticket's key."""

else:
    try:
        from wit_world.imports import log as _log
        from wit_world.imports import metrics as _metrics
        from wit_world.imports import timers as _timers
        from wit_world.imports.blobs import read
        from wit_world.imports.state import delete as state_delete
        from wit_world.imports.state import get as state_get
        from wit_world.imports.state import put as state_put
        from wit_world.imports.types import Clock as _Clock
    except ModuleNotFoundError:
        from millrace.desk import (  # noqa: F401
            count,
            log,
            observe,
            read,
            state_delete,
            state_get,
            state_put,
            timer_clear,
            timer_set,
        )
    else:
        _CLOCKS = {"event": _Clock.EVENT_TIME, "wall": _Clock.WALL}
        _LEVELS = {level.name.lower(): level for level in _log.Level}

        def log(ticket, level, message):
            """Write a log line."""
            _log.write(ticket, _LEVELS[level], message)

        def count(ticket, name, labels, by):
            """Add to a counter."""
            _metrics.count(ticket, name, list(labels.items()), by)

        def observe(ticket, name, labels, value):
            """Take a value down."""
            _metrics.observe(ticket, name, list(labels.items()), value)

        def timer_set(ticket, name, clock, at_ms):
            """Set a timer of the ticket's key."""
            _timers.set(ticket, name, _CLOCKS[clock], at_ms)

        def timer_clear(ticket, name, clock):
            """Clear a timer of the ticket's key."""
            _timers.clear(ticket, name, _CLOCKS[clock])

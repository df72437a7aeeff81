"""The calls to the host: in a component the contract's imports, elsewhere `desk`, for unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

Level = Literal["debug", "info", "warn", "error"]
"""How much a log line matters, the least first."""

if TYPE_CHECKING:

    def read(blob: int, offset: int, length: int) -> bytes:
        """Read a blob."""

    def log(ticket: int | None, level: Level, message: str) -> None:
        """Write a log line."""

    def count(ticket: int | None, name: str, labels: Mapping[str, str], by: int) -> None:
        """Add to a counter."""

    def observe(ticket: int | None, name: str, labels: Mapping[str, str], value: float) -> None:
        """Take a value down."""

else:
    try:
        from wit_world.imports import log as _log
        from wit_world.imports import metrics as _metrics
        from wit_world.imports.blobs import read
    except ModuleNotFoundError:
        from millrace.desk import count, log, observe, read  # noqa: F401
    else:
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

"""Takes the calls that a plugin makes to its host while a unit test runs it.

Blobs are read here, state is written here, and what is logged and counted is kept for the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from millrace.imports import Clock

NAME_BYTES_MAX = 1 << 10
"""Bytes of the name of a value or a timer."""

VALUE_BYTES_MAX = 1_000_000
"""Bytes of a value."""

ENTRIES_MAX = 4_096
"""Values and timers of a key."""


@dataclass
class Report:
    """What a plugin wrote beside its outcome.

    A host cuts lines, and counts as `other` what is beyond its limits; here everything is as the plugin wrote it.
    """

    logs: list[tuple[str, str]] = field(default_factory=list)
    """Level and text of log lines, in order."""
    counts: dict[str, int] = field(default_factory=dict)
    """Counters, by name and labels in the plugin's order: `sha1_mismatch{slot=main}`, or `seen` without any."""
    observations: dict[str, list[float]] = field(default_factory=dict)
    """Observed values, by name and labels, in order."""


@dataclass
class KeyState:
    """What is kept of one key."""

    values: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """By store and name."""
    timers: dict[tuple[str, Clock], int] = field(default_factory=dict)
    """When they are due, by name and clock."""

    def copy(self) -> KeyState:
        """Make another one, to be written to."""
        return KeyState(dict(self.values), dict(self.timers))


@dataclass
class Desk:
    """The blobs of the event that runs, the state of its key, and what it wrote."""

    blobs: dict[int, bytes] = field(default_factory=dict)
    blobs_ever: int = 0
    report: Report = field(default_factory=Report)
    stores: tuple[str, ...] = ()
    """Those of the plugin."""
    state: KeyState | None = None
    """None: the event that runs has no key."""

    def keep_blob(self, data: bytes) -> int:
        """Keep a blob and give its number, which is never used again."""
        self.blobs_ever += 1
        self.blobs[self.blobs_ever] = data
        return self.blobs_ever

    def clear(self) -> Report:
        """End all blobs, and hand out what was written since the last time."""
        self.blobs.clear()
        report, self.report = self.report, Report()
        return report


DESK = Desk()


def read(blob: int, offset: int, length: int) -> bytes:
    """Read a blob; `RuntimeError` where a host would throw the instance away."""
    if blob not in DESK.blobs:
        raise RuntimeError(f"blob {blob} is unknown, or its event is done")
    return DESK.blobs[blob][offset : offset + length]


def log(_ticket: int | None, level: str, message: str) -> None:
    """Keep a log line."""
    if level not in ("debug", "info", "warn", "error"):
        raise KeyError(level)
    DESK.report.logs.append((level, message))


def count(_ticket: int | None, name: str, labels: Mapping[str, str], by: int) -> None:
    """Add to a counter."""
    series = _series(name, labels)
    DESK.report.counts[series] = DESK.report.counts.get(series, 0) + by


def observe(_ticket: int | None, name: str, labels: Mapping[str, str], value: float) -> None:
    """Take a value down."""
    DESK.report.observations.setdefault(_series(name, labels), []).append(value)


def state_get(_ticket: int, store: str, name: str) -> bytes | None:
    """Read a value."""
    return _state(store).values.get((store, name))


def state_put(_ticket: int, store: str, name: str, value: bytes) -> None:
    """Write a value."""
    _demand(len(value) <= VALUE_BYTES_MAX, f"a value of {len(value)} bytes, and {VALUE_BYTES_MAX} are the most")
    _state(store, name).values[store, name] = bytes(value)
    _check_entries()


def state_delete(_ticket: int, store: str, name: str) -> None:
    """Delete a value."""
    _state(store, name).values.pop((store, name), None)


def timer_set(_ticket: int, name: str, clock: Clock, at_ms: int) -> None:
    """Set a timer."""
    _check_clock(clock)
    _state(None, name).timers[name, clock] = at_ms
    _check_entries()


def timer_clear(_ticket: int, name: str, clock: Clock) -> None:
    """Clear a timer."""
    _check_clock(clock)
    _state(None, name).timers.pop((name, clock), None)


def _state(store: str | None, name: str = "x") -> KeyState:
    """Give the state of the key; `RuntimeError` where a host would throw the instance away."""
    _demand(bool(DESK.stores), "state and timers need a store, and the plugin has no `stores`")
    _demand(store is None or store in DESK.stores, f"store {store} is not in `stores`")
    if DESK.state is None:
        raise RuntimeError("the event has no key, so it has no state: give the test's record one")
    length = len(name.encode())
    _demand(1 <= length <= NAME_BYTES_MAX, f"a name of {length} bytes: 1 to {NAME_BYTES_MAX}")
    return DESK.state


def _check_entries() -> None:
    entries = 0 if DESK.state is None else len(DESK.state.values) + len(DESK.state.timers)
    _demand(entries <= ENTRIES_MAX, f"a key with {entries} values and timers, and {ENTRIES_MAX} are the most")


def _check_clock(clock: Clock) -> None:
    if clock not in ("event", "wall"):
        raise KeyError(clock)


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)


def _series(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{label}={value}' for label, value in labels.items())}}}" if labels else name

"""Takes the calls that a plugin makes to its host while a unit test runs it.

Blobs are read here, and what is logged and counted is kept for the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
class Desk:
    """The blobs of the event that runs, and what it wrote."""

    blobs: dict[int, bytes] = field(default_factory=dict)
    blobs_ever: int = 0
    report: Report = field(default_factory=Report)

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


def _series(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{label}={value}' for label, value in labels.items())}}}" if labels else name

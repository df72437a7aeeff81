"""Tests as folders: input events, recorded answers, what comes out. Adding a test is adding a folder.

| file | what is in it |
|---|---|
| `case.json` | `plugin` (its name), `description`; where needed `settings`, `input`, `now_ms` |
| `input.jsonl` | an event a line; `null` is a tombstone |
| `answers.json` | a list of recorded answers; may be absent when nothing is asked |
| `expected.jsonl` | what becomes of each event, a line each, with all counters that it raised |

Lines of `expected.jsonl`:

    {"emit": [{"output": "enriched", "document": {"a": 1}}], "counts": {"seen{kind=edit}": 1}}
    {"skip": "bot"}
    {"fail": {"kind": "not_found"}}
    {"retry": {"kind": "not_yet", "after_ms": 500}}

Events run one after the other in one instance. Documents are compared as JSON; a `message` only when it is given. What
is emitted and cannot be written is `{"fail": {"kind": "output_invalid"}}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millrace import shape
from millrace.plugin import Plugin
from millrace.testing.decided import Decided, Decision, Emit, Fail, OutputInvalid, Retry, Skip
from millrace.testing.host import Host
from millrace.testing.recording import Recording
from millrace.testing.strict import difference


@dataclass
class Case:
    """What `case.json` says."""

    plugin: str
    description: str
    settings: dict[str, Any] = field(default_factory=dict)
    input: str | None = None
    """The input by which the events come; the plugin's only one unless given."""
    now_ms: int | None = None


@dataclass
class _Event:
    output: str
    document: dict[str, Any] | None
    key: str | None = None


@dataclass
class _Failure:
    kind: str
    message: str | None = None
    after_ms: int | None = None


@dataclass
class Expected:
    """A line of `expected.jsonl`: one of the four, and counters."""

    emit: list[_Event] | None = None
    skip: str | None = None
    retry: _Failure | None = None
    fail: _Failure | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.emit, self.skip, self.retry, self.fail)) != 1:
            raise ValueError("one of `emit`, `skip`, `retry` and `fail`")


def run(plugin: Plugin[Any], folder: str | Path) -> int:
    """Run every folder in `folder` whose `case.json` names the plugin, and say how many there are.

    Folders that hold nothing but folders are passed over.

    `AssertionError` when a case does not end as expected or cannot be read, with all of them, by name; also when none
    of the folders names the plugin.
    """
    count, wrong = 0, []
    for path in sorted(each for each in Path(folder).iterdir() if _is_case(each)):
        try:
            case = shape.read_strictly(Case, _json(path / "case.json"))
            if case.plugin == plugin.name:
                count += 1
                run_case(plugin, path, case)
        except (ValueError, OSError) as error:
            wrong.append(f"{path}: {error}")
    if wrong:
        raise AssertionError("\n".join([f"cases of {plugin.name}:", *wrong]))
    if not count:
        raise AssertionError(f"no folder in {folder} has a case.json with the plugin {plugin.name}")
    return count


def _is_case(path: Path) -> bool:
    """Tell whether a folder is a case: one that holds nothing but folders has cases of another kind."""
    return path.is_dir() and any(each.is_file() for each in path.iterdir())


def run_case(plugin: Plugin[Any], path: Path, case: Case) -> None:
    """Run one case; `ValueError` says how it ended otherwise than expected."""
    if not case.description.strip():
        raise ValueError("case.json: describe what the case shows")
    host = Host(plugin, case.settings)
    host.now_ms = host.now_ms if case.now_ms is None else case.now_ms
    answers = path / "answers.json"
    host.record(*map(Recording.read, _json(answers) if answers.exists() else []))
    input_ = case.input or next(iter(plugin.inputs))
    events, lines = _lines(path / "input.jsonl"), _lines(path / "expected.jsonl")
    if len(events) != len(lines) or not events:
        raise ValueError(f"{len(events)} events and {len(lines)} lines of expected.jsonl")
    for number, (event, line) in enumerate(zip(events, lines, strict=True), start=1):
        expected = shape.read_strictly(Expected, line)
        if (differs := compare(host.run(input_, event), expected)) is not None:
            raise ValueError(f"event {number}: {differs}")


def compare(decided: Decided, expected: Expected) -> str | None:
    """Say how what became of an event differs from what was expected."""
    differs = _compare_decision(decided.decision, expected)
    if differs is None and decided.report.counts != expected.counts:
        return f"counts {decided.report.counts} instead of {expected.counts}"
    return differs


def _compare_decision(decision: Decision, expected: Expected) -> str | None:
    match decision:
        case Emit(events) if expected.emit is not None:
            found = [(each.output, each.key, each.document) for each in events]
            wanted = [(each.output, each.key and each.key.encode(), each.document) for each in expected.emit]
            return _compare_events(found, wanted)
        case Skip(reason) if reason == expected.skip:
            return None
        case Fail(kind, message) if _suits(kind, message, expected.fail):
            return None
        case OutputInvalid(message) if _suits("output_invalid", message, expected.fail):
            return None
        case Retry(why, after_ms) if expected.retry and after_ms == expected.retry.after_ms:
            if _suits(why.kind, why.message, expected.retry):
                return None
    return f"{decision} instead of {expected}"


def _suits(kind: str, message: str, wanted: _Failure | None) -> bool:
    return wanted is not None and kind == wanted.kind and wanted.message in (None, message)


def _compare_events(found: list[tuple[Any, Any, Any]], wanted: list[tuple[Any, Any, Any]]) -> str | None:
    if len(found) != len(wanted):
        return f"{len(found)} events emitted instead of {len(wanted)}"
    for (output, key, document), (wanted_output, wanted_key, wanted_document) in zip(found, wanted, strict=True):
        if (output, key) != (wanted_output, wanted_key):
            return f"output {output} with key {key} instead of {wanted_output} with key {wanted_key}"
        if (differs := difference(document, wanted_document)) is not None:
            return differs
    return None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _lines(path: Path) -> list[Any]:
    values = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from None
    return values

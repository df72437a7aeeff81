"""The host of a test: one plugin, one event at a time, answers from recordings, state in memory.

The contract's rules are checked by `rules`, documents are edited by `document`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from millrace import contract as wit
from millrace.desk import DESK, KeyState
from millrace.executor import Executor
from millrace.imports import Clock
from millrace.plugin import Plugin
from millrace.testing.decided import Decided, Decision, Emit, Emitted, Fail, Fault, OutputInvalid, Retry, Skip
from millrace.testing.document import Draft
from millrace.testing.keys import Due, Keys
from millrace.testing.projection import cut, projection
from millrace.testing.recording import Recording
from millrace.testing.rules import Broken, Rules
from millrace.testing.strict import parse

INLINE_BYTES_MAX = 256 * 1024
"""The inline limit of the contract: larger documents come as a blob."""

KINDS_WITHOUT_BODY = ("revision", "compare", "html", "query")
"""The kinds of lookup that have no body; a newer host may know others that have one."""


@dataclass
class Record:
    """A record as it comes from Kafka, where that matters to a plugin."""

    document: Mapping[str, Any] | None
    """The event; none is a tombstone."""
    key: bytes | None = None
    """Whose state the event has; without one it has none."""
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    """Names and values; the plugin gets those that its input lists."""
    topic: str | None = None
    """`test.<input>` unless given."""
    partition: int = 0
    offset: int | None = None
    """Counts from 1 unless given."""
    timestamp_ms: int | None = None
    """The clock's unless given."""
    attempt: int = 1


@dataclass
class _Asked:
    """What one event asked."""

    asks: list[tuple[str, Any]] = field(default_factory=list)
    bodies: list[bytes | None] = field(default_factory=list)


class _Unrecorded(Exception):
    """An ask that no recording suits."""


class Host:
    """A host that runs one plugin in a test: one instance, one event at a time."""

    def __init__(self, plugin: Plugin[Any], settings: Mapping[str, Any] | None = None) -> None:
        """Set the plugin up, with the settings that a pipeline would have there.

        `ValueError` for what the plugin has against them, and for a field of an input that is no JSON Pointer. The
        clock shows 1,700,000,000,000 ms (14 November 2023) until `now_ms` is set.
        """
        self.now_ms = 1_700_000_000_000
        self._plugin = plugin
        self._executor = Executor(plugin, json.dumps(dict(settings or {})))
        self._seen = {name: projection(each.fields) for name, each in plugin.inputs.items()}
        self._recordings: list[Recording] = []
        self._keys = Keys()
        self._tickets = 0

    def record(self, *recordings: Recording) -> None:
        """Add recorded answers. The first that suits an ask is given.

        An ask that none suits fails the event with the kind `unrecorded`, whatever the plugin makes of the error.
        """
        self._recordings += recordings

    def run(self, input_: str, event: Mapping[str, Any] | Record | None) -> Decided:
        """Run one event to its end; none is a tombstone. A `Record` says more about where it comes from."""
        record = event if isinstance(event, Record) else Record(event)
        self._tickets += 1
        timestamp_ms = self.now_ms if record.timestamp_ms is None else record.timestamp_ms
        self._keys.event_time_ms = max(self._keys.event_time_ms, min(timestamp_ms, self.now_ms))
        state = self._keys.begin(record.key)
        return self._run_ticket(lambda: self._event(input_, record), input_, record, state)

    def fire_due(self) -> list[Decided]:
        """Run the timers that are due by the clock or by the greatest time of a record so far.

        In the order of their times, then of keys and names. One that is set anew meanwhile is not run again.
        """
        return [each for due in self._keys.due(self.now_ms) if (each := self._fire(due)) is not None]

    def _fire(self, due: Due) -> Decided | None:
        state = self._keys.spend(due)
        if state is None:
            return None
        self._tickets += 1
        timer = wit.Input_Timer(due.described(self._tickets))
        return self._run_ticket(lambda: timer, "", Record(None, key=due.key), state)

    def state(self, key: bytes, store: str, name: str) -> bytes | None:
        """Give what is kept of this key."""
        return self._keys.of.get(key, KeyState()).values.get((store, name))

    def put_state(self, key: bytes, store: str, name: str, value: bytes) -> None:
        """Keep a value, as if an earlier event of this key had written it."""
        self._keys.of.setdefault(key, KeyState()).values[store, name] = value

    def timer(self, key: bytes, name: str, clock: Clock) -> int | None:
        """Say when a timer of this key is due, if it is set."""
        return self._keys.of.get(key, KeyState()).timers.get((name, clock))

    def _run_ticket(
        self, first: Callable[[], wit.Input], input_: str, record: Record, state: KeyState | None
    ) -> Decided:
        """Run a ticket to its end, and keep what it wrote if it ended well."""
        asked = _Asked()
        DESK.stores, DESK.state = self._plugin.stores, state
        try:
            decision = self._drive(first(), input_, record, asked)
        except Broken as broken:
            decision = Fault(str(broken))
        except _Unrecorded as unrecorded:
            # What was begun must not be answered by what a later event asks.
            self._executor.turn(self.now_ms, [wit.Input_Cancel(self._tickets)])
            decision = Fail("unrecorded", str(unrecorded))
        if state is not None and record.key is not None and isinstance(decision, Emit | Skip):
            self._keys.of[record.key] = state
        DESK.state = None
        return Decided(decision, asked.asks, asked.bodies, DESK.clear())

    def _drive(self, first: wit.Input, input_: str, record: Record, asked: _Asked) -> Decision:
        inputs: list[wit.Input] = [first]
        rules = Rules(self._plugin, self._tickets)
        was_empty = False
        while True:
            outputs = self._executor.turn(self.now_ms, inputs)
            rules.check(outputs)
            for output in outputs:
                if isinstance(output, wit.Output_Done):
                    # What the ticket still asks is withdrawn.
                    return self._decision(input_, record, output.value.outcome)
            inputs = []
            for output in outputs:
                assert isinstance(output, wit.Output_Ask)
                result = self._answer(output.value, asked)
                inputs.append(wit.Input_Answer(wit.Answer(self._tickets, output.value.id, result)))
                rules.answered()
            if not inputs and was_empty:
                raise Broken("stalled: neither done nor asking")
            was_empty = not inputs

    def _event(self, input_: str, record: Record) -> wit.Input:
        described = self._plugin.inputs.get(input_)
        if described is None:
            raise Broken(f"input {input_} is not in `inputs`")
        value = None
        if record.document is not None:
            if not isinstance(record.document, Mapping):
                raise Broken(f"an event is a JSON object, and no plugin gets to see {record.document!r}")
            value = _payload(cut(dict(record.document), self._seen[input_]))
        offset = self._tickets if record.offset is None else record.offset
        source = wit.Source(record.topic or f"test.{input_}", record.partition, offset)
        timestamp_ms = self.now_ms if record.timestamp_ms is None else record.timestamp_ms
        headers = [wit.Header(name, text) for name, text in record.headers if name in described.headers]
        event = wit.Event(self._tickets, input_, source, timestamp_ms, record.key, value, headers, record.attempt)
        return wit.Input_Event(event)

    def _answer(self, ask: wit.Ask, asked: _Asked) -> wit.Ok[wit.Reply] | wit.Err[wit.LookupError]:
        params = json.loads(ask.params)
        body = _bytes_of(ask.body) if ask.body else None
        asked.asks.append((ask.kind, params))
        asked.bodies.append(body)
        if body is not None and ask.kind in KINDS_WITHOUT_BODY:
            return wit.Err(wit.LookupError("invalid", f"a lookup of the kind {ask.kind} has no body"))
        recording = next((each for each in self._recordings if each.suits(ask.kind, params, body)), None)
        if recording is None:
            raise _Unrecorded(f"no recording suits {ask.kind} {ask.params}")
        if recording.error is not None:
            return wit.Err(wit.LookupError(recording.error.kind, recording.error.message))
        assert recording.reply is not None
        blobs = [_blob(text.encode()) for text in recording.reply.blobs or []]
        return wit.Ok(wit.Reply(_payload(recording.reply.document), blobs))

    def _decision(self, input_: str, record: Record, outcome: wit.Outcome) -> Decision:
        if isinstance(outcome, wit.Outcome_Skip):
            return Skip(outcome.value)
        if isinstance(outcome, wit.Outcome_Fail):
            return _fail(outcome.value)
        if isinstance(outcome, wit.Outcome_Retry):
            return Retry(_fail(outcome.value.failure), outcome.value.after_ms)
        try:
            return Emit([self._emitted(input_, record, each) for each in outcome.value])
        except ValueError as error:
            return OutputInvalid(str(error))

    def _emitted(self, input_: str, record: Record, emission: wit.Emission) -> Emitted:
        """Write the emission as a stream would get it; `ValueError` says why it cannot be."""
        for header in emission.headers:
            if header.name.startswith("millrace-"):
                raise ValueError(f"header {header.name}: names that begin with `millrace-` are the host's")
        document: Any = None
        if isinstance(emission.document, wit.Document_Whole):
            document = _whole(emission.document.value)
        elif isinstance(emission.document, wit.Document_Patch):
            if record.document is None:
                raise ValueError("a patch of a tombstone or of a timer: there is no document to edit")
            draft = Draft(dict(record.document), self._seen[input_])
            for edit in emission.document.value:
                _apply(draft, edit)
            document = draft.finish()
        if document is not None and not isinstance(document.get("meta", {}), dict):
            raise ValueError("`meta` must be an object or absent: the host writes into it")
        headers = [(each.name, each.value or b"") for each in emission.headers]
        return Emitted(emission.output, document, emission.key, headers)


def _apply(draft: Draft, edit: wit.Edit) -> None:
    if not isinstance(edit.change, wit.Change_Set):
        draft.remove(edit.path)
        return
    try:
        value = parse(_bytes_of(edit.change.value))
    except ValueError as error:
        raise ValueError(f"set {edit.path}: {error}") from None
    draft.set(edit.path, value)


def _whole(pieces: list[wit.Piece]) -> Any:
    try:
        document = parse(_bytes_of(pieces))
    except ValueError as error:
        raise ValueError(f"a new document: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("a new document must be a JSON object")
    return document


def _bytes_of(pieces: list[wit.Piece]) -> bytes:
    """Write pieces one after the other; `rules` has made sure that their blobs are there."""
    parts = []
    for piece in pieces:
        if isinstance(piece, wit.Piece_Bytes):
            parts.append(piece.value)
        elif isinstance(piece, wit.Piece_Blob):
            parts.append(DESK.blobs[piece.value])
        else:
            parts.append(json.dumps(DESK.blobs[piece.value].decode(), ensure_ascii=False).encode())
    return b"".join(parts)


def _blob(data: bytes) -> wit.Blob:
    return wit.Blob(DESK.keep_blob(data), len(data))


def _payload(document: Any) -> wit.Payload:
    text = json.dumps(document, ensure_ascii=False).encode()
    return wit.Payload_Large(_blob(text)) if len(text) > INLINE_BYTES_MAX else wit.Payload_Inline(text)


def _fail(failure: wit.Failure) -> Fail:
    return Fail(failure.kind, failure.message, failure.stack)

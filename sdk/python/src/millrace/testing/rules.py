"""The rules and limits of the contract whose breach is a guest fault, for one ticket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from millrace import contract as wit
from millrace.desk import DESK
from millrace.executor import ASKS_OPEN_MAX
from millrace.plugin import Plugin

ASKS_MAX = 1_000
"""Asks of a ticket in all: ends a plugin that asks in a circle."""

PARAMS_BYTES_MAX = 64 * 1024
"""Bytes of an ask's params: arguments, not content."""

EMISSIONS_MAX = 1_000
"""Emissions of an outcome."""

RESULT_BYTES_MAX = 64 << 20
"""Bytes of pieces that a turn returns, unless a pipeline sets `limits.plugin.result`. A host counts all else, too."""


class Broken(Exception):
    """Which rule was broken."""


class Rules:
    """One ticket, held against the rules."""

    def __init__(self, plugin: Plugin[Any], ticket: int) -> None:
        self._plugin = plugin
        self._ticket = ticket
        self._ids: set[int] = set()
        self._open = 0
        self._is_done = False

    def check(self, outputs: list[wit.Output]) -> None:
        """Check what one turn returned; raises `Broken` for the first rule that is not kept."""
        total = sum(len(each.value) for one in outputs for each in _pieces(one) if isinstance(each, wit.Piece_Bytes))
        _demand(total <= RESULT_BYTES_MAX, f"a turn returned {total} bytes, and may return {RESULT_BYTES_MAX}")
        for output in outputs:
            _demand(output.value.ticket == self._ticket, f"ticket {output.value.ticket} is not open")
            for piece in _pieces(output):
                is_known = isinstance(piece, wit.Piece_Bytes) or piece.value in DESK.blobs
                _demand(is_known, f"blob {piece.value!r} is unknown, or its event is done")
            if isinstance(output, wit.Output_Ask):
                self._ask(output.value)
            else:
                self._done(output.value)

    def answered(self) -> None:
        """Note that one of the asks has its answer."""
        self._open -= 1

    def _ask(self, ask: wit.Ask) -> None:
        _demand(ask.id not in self._ids, f"two asks have the id {ask.id}")
        self._ids.add(ask.id)
        self._open += 1
        _demand(self._open <= ASKS_OPEN_MAX, f"more than {ASKS_OPEN_MAX} asks are open: await some first")
        _demand(len(self._ids) <= ASKS_MAX, f"more than {ASKS_MAX} asks: does it loop?")
        _demand(ask.kind in self._plugin.lookups, f"lookup {ask.kind} is not in `lookups`")
        is_small = len(ask.params.encode()) <= PARAMS_BYTES_MAX
        _demand(is_small, f"the params of ask {ask.id} have more than {PARAMS_BYTES_MAX} bytes")

    def _done(self, done: wit.Done) -> None:
        _demand(not self._is_done, f"two `done` for ticket {done.ticket}")
        self._is_done = True
        if not isinstance(done.outcome, wit.Outcome_Emit):
            return
        emissions = done.outcome.value
        _demand(bool(emissions), "an empty `emit`: say `skip`")
        is_few = len(emissions) <= EMISSIONS_MAX
        _demand(is_few, f"{len(emissions)} emissions, and an outcome may have {EMISSIONS_MAX}")
        for emission in emissions:
            _demand(emission.output in self._plugin.outputs, f"output {emission.output} is not in `outputs`")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)


def _pieces(output: wit.Output) -> Iterator[wit.Piece]:
    if isinstance(output, wit.Output_Ask):
        yield from output.value.body
        return
    if isinstance(output.value.outcome, wit.Outcome_Emit):
        for emission in output.value.outcome.value:
            document = emission.document
            if isinstance(document, wit.Document_Whole):
                yield from document.value
            elif isinstance(document, wit.Document_Patch):
                for edit in document.value:
                    if isinstance(edit.change, wit.Change_Set):
                        yield from edit.change.value

"""The turns of one instance: many events at once, each a coroutine that runs until it waits for a lookup.

There is no event loop: the host is one. A coroutine that waits yields what it waits for; when an answer to its event
comes, it is sent on, and yields again if that was not yet the one. Which question is open is the ticket's to know, what
an answer means is `lookup`'s.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from millrace import contract as wit
from millrace import imports
from millrace.event import Event
from millrace.failure import Failure, failure_of
from millrace.lookup import Lookup, MediaWiki, Waiting
from millrace.outcome import outcome_of
from millrace.state import Timer

if TYPE_CHECKING:
    from millrace.plugin import Plugin

ASKS_OPEN_MAX = 64
"""Asks of one event that may be open at once: one more is a guest fault, and no operator can set another number."""


class Ticket:
    """One event in flight: its coroutine, and the lookups that it has asked."""

    __slots__ = ("asked", "coroutine", "executor", "number", "open")

    def __init__(self, number: int, executor: Executor) -> None:
        self.number = number
        self.executor = executor
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.asked: list[Lookup[Any]] = []
        self.open = 0

    def ask(self, lookup: Lookup[Any]) -> bool:
        """Ask, unless as many as may be are open: then the lookup tries again when the next answer comes."""
        if self.executor.running is not self:
            raise RuntimeError("a lookup was awaited by another event than the one whose `wiki` made it")
        if self.open >= ASKS_OPEN_MAX:
            return False
        ask = wit.Ask(self.number, len(self.asked), lookup.kind, lookup.params, lookup.body)
        self.open += 1
        self.asked.append(lookup)
        self.executor.outputs.append(wit.Output_Ask(ask))
        return True


class Executor:
    """One configured instance of a plugin."""

    def __init__(self, plugin: Plugin[Any], settings: str) -> None:
        """Read the settings; `ValueError` says what is wrong with them."""
        self.functions = plugin.configured(settings)
        self.tickets: dict[int, Ticket] = {}
        self.outputs: list[wit.Output] = []
        self.now_ms = 0
        self.running: Ticket | None = None

    def turn(self, now_ms: int, inputs: list[wit.Input]) -> list[wit.Output]:
        """Do one turn of the contract."""
        self.now_ms = now_ms
        outputs: list[wit.Output] = []
        self.outputs = outputs
        with_news: dict[int, Ticket] = {}
        for each in inputs:
            if isinstance(each, wit.Input_Answer):
                self._answer(each.value, with_news)
            elif isinstance(each, wit.Input_Event):
                self._start(each.value)
            elif isinstance(each, wit.Input_Cancel):
                self._cancel(each.value, with_news)
            else:
                self._fire(each.value)
        for ticket in with_news.values():
            self._run(ticket)
        return outputs

    def _start(self, event: wit.Event) -> None:
        ticket = Ticket(event.ticket, self)
        self.tickets[event.ticket] = ticket
        ticket.coroutine = self.functions.process(Event(ticket, event), MediaWiki(ticket))
        self._run(ticket)

    def _fire(self, timer: wit.Timer) -> None:
        ticket = Ticket(timer.ticket, self)
        self.tickets[timer.ticket] = ticket
        ticket.coroutine = self.functions.on_timer(Timer(ticket, timer), MediaWiki(ticket))
        self._run(ticket)

    def _answer(self, answer: wit.Answer, with_news: dict[int, Ticket]) -> None:
        # An answer to a ticket that is done or cancelled may have been under way already.
        ticket = self.tickets.get(answer.ticket)
        if ticket is not None and answer.id < len(ticket.asked):
            ticket.open -= 1
            ticket.asked[answer.id].take(answer.result)
            with_news[answer.ticket] = ticket

    def _cancel(self, number: int, with_news: dict[int, Ticket]) -> None:
        ticket = self.tickets.pop(number, None)
        with_news.pop(number, None)
        if ticket is None or ticket.coroutine is None:
            return
        try:
            ticket.coroutine.close()
        except Exception as error:  # noqa: BLE001 - what an author's `finally` does is no business of other events
            failure = failure_of(error)
            imports.log(None, "error", f"while an event was cancelled: {failure.message}\n{failure.stack or ''}")

    def _run(self, ticket: Ticket) -> None:
        """Let the coroutine go on until it waits or ends."""
        assert ticket.coroutine is not None
        self.running = ticket
        try:
            yielded = ticket.coroutine.send(None)
            while not isinstance(yielded, Waiting):
                # Throwing tells it at the line that awaits; if it goes on all the same, it is asked again.
                yielded = ticket.coroutine.throw(foreign(yielded))
            return
        except StopIteration as end:
            outcome = self._outcome(end.value)
        except MemoryError:
            # The other events of this instance cannot be sure of theirs either: the host starts them again elsewhere.
            raise
        except BaseException as error:  # noqa: BLE001 - whatever an event's code raises is that event's failure
            outcome = wit.Outcome_Fail(failure_of(error))
        finally:
            self.running = None
        del self.tickets[ticket.number]
        self.outputs.append(wit.Output_Done(wit.Done(ticket.number, outcome)))

    def _outcome(self, returned: Any) -> wit.Outcome:
        try:
            return outcome_of(returned)
        except TypeError as error:
            return wit.Outcome_Fail(failure_of(Failure("no_outcome", str(error))))


def foreign(yielded: object) -> RuntimeError:
    """Say that something was awaited that no answer of the host will ever end."""
    what = "asyncio.sleep(0) or the like" if yielded is None else f"a {type(yielded).__name__}"
    return RuntimeError(
        f"the plugin awaited {what}, which nothing here can wake: await lookups, `gather`, and functions that do"
    )

"""What an author writes: what a plugin is called and wants, and the function that decides about one event."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any, Generic, TypeVar

from millrace import shape
from millrace.event import Event
from millrace.failure import Failure
from millrace.lookup import MediaWiki
from millrace.outcome import Emission, Outcome
from millrace.schema import schema_of
from millrace.state import Timer

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, Outcome | Emission]])


@dataclass(frozen=True)
class Input:
    """What a plugin reads of an input."""

    fields: Sequence[str] | None = None
    """Only these fields, as JSON Pointers (`/revision/rev_id`), at most 256; the whole document unless given.

    A pointer to an object or an array takes all of it, and one to what an event lacks takes nothing. The host cuts the
    rest off before the plugin gets to see the document, and reading it is most of what an event costs. What is cut off
    is not lost: a patch keeps it.
    """
    headers: Sequence[str] = ()
    """These Kafka headers, by their exact names, for `Event.header`. At most 256."""
    tombstones: bool = False
    """Tombstones too (see `Event.is_tombstone`); the host skips them otherwise."""

    def described(self) -> dict[str, Any]:
        """Say it in the contract's form."""
        fields = {} if self.fields is None else {"fields": list(self.fields)}
        return {**fields, "headers": list(self.headers), "tombstones": self.tombstones}


@dataclass(frozen=True)
class Output:
    """What a plugin says of an output."""

    schema: str | None = None
    """The title of the schema that its events have, like `mediawiki/page/change`.

    An operator can bind it to a stream of any version of that schema only; to any stream unless given.
    """

    def described(self) -> dict[str, Any]:
        """Say it in the contract's form."""
        return {} if self.schema is None else {"schema": self.schema}


Deciding = Coroutine[Any, Any, Any]


@dataclass(frozen=True)
class Functions:
    """An author's functions, which know their settings."""

    process: Callable[[Event, MediaWiki], Deciding]
    on_timer: Callable[[Timer, MediaWiki], Deciding]


async def _no_timers(*_arguments: object) -> Outcome:
    raise Failure("unexpected_timer", "this plugin does nothing with timers: there is no `@plugin.on_timer`")


class Plugin(Generic[S]):
    """A plugin: what it is called and wants, and by `enrich` the function that decides about one event.

        plugin = Plugin(
            "big-pages",
            "0.1.0",
            inputs={"page_change": Input(fields=["/revision/rev_size"])},
            outputs={"big_pages": Output()},
        )

        @plugin.enrich
        async def enrich(event: Event, wiki: MediaWiki) -> Outcome:
            ...

    The names of plugin, inputs, outputs, lookups and stores have 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, a letter or
    digit first. The operator binds inputs and outputs to streams; unless told, to the streams of the same names. The
    version is for people: a host tells plugins apart by their bytes.

    `lookups` are the kinds that the plugin asks: `revision`, `compare`, `html`, `query`, `http`. One that is asked and
    not listed breaks a rule (`plugin_rule`), and a pipeline must grant exactly those that are listed.

    `stores` are names of stores for `event.state`; with any, timers may be set, too. The operator must grant each, and
    every input needs keys. A name is for good: what was kept is found by it.

    `settings` is a dataclass of what the operator may set; the function gets it as its third argument. Unknown members
    and wrong types are refused. Its `__post_init__` may raise `ValueError` for what else is wrong, and may make what
    follows from the settings. The operator gets to see the error in `millrace check` already.
    """

    def __init__(
        self,
        name: str,
        version: str,
        *,
        inputs: Mapping[str, Input],
        outputs: Mapping[str, Output] | None = None,
        lookups: Sequence[str] = (),
        stores: Sequence[str] = (),
        settings: type[S] | None = None,
    ) -> None:
        if settings is not None and not is_dataclass(settings):
            raise TypeError(f"the settings of {name} must be a dataclass, and are {settings!r}")
        self.name = name
        self.version = version
        self.inputs = dict(inputs)
        self.outputs = dict(outputs or {})
        self.lookups = tuple(lookups)
        self.stores = tuple(stores)
        self.settings = settings
        self._function: Callable[..., Deciding] | None = None
        self._on_timer: Callable[..., Deciding] | None = None

    def enrich(self, function: F) -> F:
        """Make an `async def` the one that decides about each event. It may await lookups, and nothing else.

        It takes the event, the wiki and, where the plugin has them, its settings. Any exception makes an error event of
        the input; to ask for another attempt instead, return `Outcome.retry`.
        """
        self._check(function, "event")
        if self._function is not None:
            raise TypeError(f"{self.name} has two functions: a plugin decides about each event in one of them")
        self._function = function
        return function

    def on_timer(self, function: F) -> F:
        """Make an `async def` the one that decides about timers that `event.set_timer` set, once they are due.

        It takes the timer, the wiki and, where the plugin has them, its settings. There is no document to patch. An
        exception makes an error event, and the timer is gone.
        """
        self._check(function, "timer")
        if self._on_timer is not None:
            raise TypeError(f"{self.name} has two functions for timers: they are told apart by their names in one")
        self._on_timer = function
        return function

    def _check(self, function: Callable[..., object], first: str) -> None:
        arguments = [first, "wiki"] + ["settings"] * (self.settings is not None)
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function!r} must be an `async def`")
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError as error:
            raise TypeError(f"{function!r} is called with ({', '.join(arguments)}): {error}") from None

    def describe(self) -> str:
        """Say in the contract's form what this plugin is called and wants."""
        nothing = {"type": "object", "additionalProperties": False}
        return json.dumps(
            {
                "name": self.name,
                "version": self.version,
                "inputs": {name: each.described() for name, each in self.inputs.items()},
                "outputs": {name: each.described() for name, each in self.outputs.items()},
                "lookups": list(self.lookups),
                "stores": {name: {} for name in self.stores},
                "settings": nothing if self.settings is None else schema_of(self.settings),
            }
        )

    def configured(self, text: str) -> Functions:
        """Read the operator's settings and give the functions that know them; `ValueError` says what is wrong."""
        process, on_timer = self._function, self._on_timer or _no_timers
        if process is None:
            raise ValueError(f"{self.name} has no function: there is no `@plugin.enrich`")
        given = shape.parse(text.encode()) if text.strip() else {}
        if given is None:
            given = {}
        if self.settings is None:
            if given != {}:
                raise ValueError("settings: this plugin has none")
            return Functions(process, on_timer)
        try:
            settings = shape.read_strictly(self.settings, given)
        except ValueError as error:
            raise ValueError(f"settings: {error}") from None
        return Functions(
            lambda event, wiki: process(event, wiki, settings), lambda timer, wiki: on_timer(timer, wiki, settings)
        )

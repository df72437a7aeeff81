"""Write a Millrace plugin as an `async def`.

Millrace reads events from Kafka, hands each one to a plugin, and writes what the plugin makes of it to Kafka again.

    from millrace import Event, Input, MediaWiki, Outcome, Output, Plugin

    plugin = Plugin(
        "big-pages",
        "0.1.0",
        inputs={"page_change": Input(fields=["/revision/rev_size"])},
        outputs={"big_pages": Output()},
    )


    @plugin.enrich
    async def enrich(event: Event, wiki: MediaWiki) -> Outcome:
        if event.json()["revision"]["rev_size"] < 100_000:
            return Outcome.skip("small")
        return event.patch().set("/is_big", True).emit("big_pages")

`millrace.testing` runs it in a unit test, without WebAssembly, and `python -m millrace.build` makes a component of it.
The README of this package shows how to begin, and says what a plugin must not do.
"""

from millrace.answers import Comparison, Content, Html, Reply, Response, Revision
from millrace.blob import Blob, Pieces
from millrace.event import Event
from millrace.failure import Denied, Failure, Invalid, LookupFailed, Missing, TooLarge, Unavailable
from millrace.gathering import gather
from millrace.imports import Clock, Level
from millrace.lookup import Lookup, MediaWiki
from millrace.outcome import Emission, Outcome, Patch, pointer
from millrace.plugin import Input, Output, Plugin
from millrace.state import State, Timer

__all__ = [
    "Blob",
    "Clock",
    "Comparison",
    "Content",
    "Denied",
    "Emission",
    "Event",
    "Failure",
    "Html",
    "Input",
    "Invalid",
    "Level",
    "Lookup",
    "LookupFailed",
    "MediaWiki",
    "Missing",
    "Outcome",
    "Output",
    "Patch",
    "Pieces",
    "Plugin",
    "Reply",
    "Response",
    "Revision",
    "State",
    "Timer",
    "TooLarge",
    "Unavailable",
    "gather",
    "pointer",
]

"""Does what the field `do` of an event says: whatever goes wrong in Python, what its runtime asks of WASI, and state.

For the host's tests; no plugin to learn from.
"""

import os
import random
import socket
import sys
import time
import uuid
from datetime import datetime

from millrace import Event, Input, MediaWiki, Outcome, Output, Plugin, Timer

plugin: Plugin[None] = Plugin(
    "python-probe", "0.1.0", inputs={"in": Input()}, outputs={"out": Output()}, stores=["counts"]
)


def deeper(levels: int) -> int:
    """Call itself without end."""
    return deeper(levels + 1) + 1


@plugin.enrich
async def enrich(event: Event, _wiki: MediaWiki) -> Outcome:
    """Do what the event says."""
    match event.json().get("do"):
        case "time":
            return Outcome.skip(f"{time.time()} {event.now_ms}")
        case "chance":
            return Outcome.skip(f"{uuid.uuid4()} {random.random()} {event.random.random()}")  # noqa: S311
        case "print":
            print("printed")  # noqa: T201
        case "socket":
            socket.socket()
        case "resolve":
            socket.create_connection(("en.wikipedia.org", 443))
        case "open":
            open("/etc/passwd")  # noqa: SIM115
        case "environment":
            return Outcome.skip(f"{dict(os.environ)} {sys.argv[1:]}")
        case "load late":
            when = datetime.strptime("2026-07-01", "%Y-%m-%d")
            return Outcome.skip(f"{when.year} {'é'.encode('latin-1')!r} {'é'.encode('idna')!r}")
        case "import late":
            import wave  # noqa: F401
        case "recursion":
            deeper(0)
        case "exit":
            sys.exit(3)
        case "memory":
            return Outcome.skip(str(len(bytearray(1 << 30))))
        case "loop":
            while True:
                pass
        case "count":
            counts = event.state("counts")
            seen = (counts.get_json("seen", int) or 0) + 1
            counts.put_json("seen", seen)
            event.set_timer("late", "event", 5)
            event.clear_timer("late", "event")
            event.set_timer("quiet", "wall", 7)
            return Outcome.skip(f"{seen}")
        case "another store":
            event.state("other").get("seen")
    return Outcome.skip("reason")


@plugin.on_timer
async def on_timer(timer: Timer, _wiki: MediaWiki) -> Outcome:
    """Say what was counted, and forget it."""
    counts = timer.state("counts")
    seen = counts.get_json("seen")
    counts.delete("seen")
    return Outcome.skip(f"{timer.key.decode()} {timer.name} {timer.clock} {timer.due_ms} {seen}")

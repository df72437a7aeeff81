"""State and timers through the host of tests. One plugin does one thing for each word in the field `do`."""

import json
import unittest

from millrace import Emission, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Timer
from millrace.testing import Decided, Fail, Host, Record

keeper: Plugin[None] = Plugin(
    "keeper", "1.0.0", inputs={"in": Input()}, outputs={"out": Output()}, lookups=["query"], stores=["kept"]
)


@keeper.enrich
async def enrich(event: Event, wiki: MediaWiki) -> Outcome:
    """Count, and do what the event says."""
    document, kept = event.json(), event.state("kept")
    count = (kept.get_json("n", int) or 0) + 1
    kept.put_json("n", count)
    match document["do"]:
        case "delete":
            kept.delete("n")
        case "fail":
            raise Failure("odd", "it is odd")
        case "retry":
            return Outcome.retry(Failure("not_yet", "later"))
        case "ask":
            await wiki.query("test.example.org", {"titles": "A"})
        case "emit what cannot be written":
            return event.patch().remove("").emit("out")
        case "set":
            event.set_timer("t", "wall", 50)
        case "set by event time":
            event.set_timer("t", "event", 50)
        case "set by no clock":
            event.set_timer("t", "moon", 50)  # type: ignore[arg-type]
        case "clear":
            event.clear_timer("t", "wall")
        case "another store":
            event.state("other").put("n", "1")
        case "no name":
            kept.put("", "1")
        case "too large":
            kept.put("n", bytes(1_000_001))
        case "too many":
            for number in range(4_096):
                kept.put(str(number), b"")
        case "garble":
            kept.put("n", '"x"')
        case _:
            return event.patch().set("/n", count).emit("out")
    return Outcome.skip("done")


@keeper.on_timer
async def on_timer(timer: Timer, _wiki: MediaWiki) -> Emission:
    """Say what was counted, and forget it; fail at 3, and go on at 2."""
    kept = timer.state("kept")
    count = kept.get_json("n")
    if count == 3:
        raise Failure("three", "it fails")
    if count == 2:
        timer.set_timer(timer.name, timer.clock, timer.due_ms)
    kept.delete("n")
    return Emission.document("out", {"key": timer.key.decode(), "n": count, "name": timer.name, "due": timer.due_ms})


class Keeping(unittest.TestCase):
    def setUp(self) -> None:
        self.host = Host(keeper)
        self.host.now_ms = 100

    def run_one(self, what: str, key: bytes | None = b"k", timestamp_ms: int | None = None) -> Decided:
        return self.host.run("in", Record({"do": what}, key=key, timestamp_ms=timestamp_ms))

    def test_writes_are_kept_with_emit_and_skip_and_dropped_otherwise(self) -> None:
        for what, kept in [
            ("emit", b"2"),
            ("set", b"2"),
            ("delete", None),
            ("fail", b"1"),
            ("retry", b"1"),
            ("ask", b"1"),
            ("emit what cannot be written", b"1"),
        ]:
            self.setUp()
            self.run_one("emit")
            self.run_one(what)
            self.assertEqual(self.host.state(b"k", "kept", "n"), kept, what)

    def test_each_key_has_state_of_its_own(self) -> None:
        for key, count in [(b"a", 1), (b"b", 1), (b"a", 2), (b"", 1)]:
            self.assertEqual(self.run_one("emit", key).documents[0]["n"], count)
        self.host.put_state(b"b", "kept", "n", b"41")
        self.assertEqual(self.run_one("emit", b"b").documents[0]["n"], 42)

    def test_timers_fire_when_they_are_due_and_once(self) -> None:
        for key in (b"b", b"a"):
            self.run_one("set", key)
        self.host.now_ms = 49
        self.assertEqual(self.host.fire_due(), [])
        self.host.now_ms = 50
        fired = [document for decided in self.host.fire_due() for document in decided.documents]
        self.assertEqual(fired, [{"key": key, "n": 1, "name": "t", "due": 50} for key in "ab"])
        self.assertEqual(self.host.fire_due(), [])
        self.assertEqual((self.host.state(b"a", "kept", "n"), self.host.timer(b"a", "t", "wall")), (None, None))

    def test_a_timer_that_fails_is_gone_and_changes_nothing_and_one_may_set_itself_again(self) -> None:
        for key, times in [(b"again", 2), (b"fails", 3)]:
            for _ in range(times):
                self.run_one("set", key)
        self.assertEqual([decided.failure_kind for decided in self.host.fire_due()], [None, "three"])
        self.assertEqual((self.host.state(b"fails", "kept", "n"), self.host.timer(b"fails", "t", "wall")), (b"3", None))
        self.assertEqual(self.host.timer(b"again", "t", "wall"), 50)
        self.run_one("clear", b"again")
        self.assertEqual(self.host.fire_due(), [])

    def test_event_time_follows_the_records_and_not_the_clock(self) -> None:
        self.run_one("set by event time", timestamp_ms=49)
        self.assertEqual(self.host.fire_due(), [])
        self.run_one("emit", b"other", timestamp_ms=50)
        self.assertEqual(len(self.host.fire_due()), 1)

    def check_fails(self, what: str, kind: str, expected: str, key: bytes | None = b"k") -> None:
        decision = self.run_one(what, key).decision
        assert isinstance(decision, Fail)
        self.assertEqual(decision.kind, kind)
        self.assertIn(expected, decision.message)

    def test_what_a_host_would_refuse_is_an_error(self) -> None:
        self.check_fails("emit", "runtime_error", "has no key", key=None)
        self.check_fails("another store", "runtime_error", "store other is not in `stores`")
        self.check_fails("no name", "runtime_error", "a name of 0 bytes")
        self.check_fails("too large", "runtime_error", "a value of 1000001 bytes")
        self.check_fails("too many", "runtime_error", "a key with 4097 values and timers")
        self.check_fails("set by no clock", "key_error", "moon")

    def test_what_is_kept_in_another_shape_fails_the_event(self) -> None:
        self.run_one("garble")
        self.check_fails("emit", "invalid_state", "an integer was expected")

    def test_a_plugin_without_stores_has_neither_state_nor_timers(self) -> None:
        stateless: Plugin[None] = Plugin("stateless", "1.0.0", inputs={"in": Input()})

        @stateless.enrich
        async def use(event: Event, _wiki: MediaWiki) -> Outcome:
            event.set_timer("t", "wall", 1)
            return Outcome.skip("done")

        decision = Host(stateless).run("in", Record({}, key=b"k")).decision
        assert isinstance(decision, Fail)
        self.assertIn("need a store", decision.message)

    def test_stores_are_described_and_functions_are_checked(self) -> None:
        self.assertEqual(json.loads(keeper.describe())["stores"], {"kept": {}})
        with self.assertRaisesRegex(TypeError, "two functions for timers"):
            keeper.on_timer(on_timer)
        with self.assertRaisesRegex(TypeError, "is called with .timer, wiki."):

            @keeper.on_timer
            async def too_few(_timer: Timer) -> Outcome:
                return Outcome.skip("never")


if __name__ == "__main__":
    unittest.main()

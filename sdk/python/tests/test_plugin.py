"""What a plugin can say and what comes of it, through the door that plugins' own tests use.

One plugin does one thing for each word in the field `do`.
"""

import asyncio
import unittest
from typing import Any

from millrace import Blob, Emission, Event, Failure, Input, MediaWiki, Missing, Outcome, Output, Pieces, Plugin, gather
from millrace import contract as wit
from millrace.executor import Executor
from millrace.testing import Decided, Emitted, Fail, Fault, Host, OutputInvalid, Record, Recording, Retry, Skip

WIKI = "test.example.org"

probe: Plugin[None] = Plugin(
    "probe",
    "1.0.0",
    inputs={"in": Input(headers=["a"], tombstones=True)},
    outputs={"out": Output()},
    lookups=["revision", "query", "http"],
)


@probe.enrich
async def enrich(event: Event, wiki: MediaWiki) -> Outcome | Emission:
    """Do what the event says."""
    if event.is_tombstone:
        return Emission.tombstone("out")
    match event.json()["do"]:
        case "emit nothing":
            return Outcome.emit()
        case "emit two":
            return Outcome.emit(Emission.document("out", {"a": 1}, key="k"), event.patch().to("out").header("h", "v"))
        case "retry":
            return Outcome.retry(Failure("not_yet", "later"), after_ms=500)
        case "return nothing":
            return None  # type: ignore[return-value]
        case "return a patch":
            return event.patch()  # type: ignore[return-value]
        case "raise":
            return Outcome.skip({"a": "b"}["missing"])
        case "raise a failure":
            raise Failure("too_odd", "it is odd")
        case "sleep":
            await asyncio.sleep(0)
        case "sleep among others":
            await gather(wiki.revision(WIKI, 1), asyncio.sleep(0))
        case "report":
            event.log("look", "warn")
            event.count("seen", kind="a", wiki="b")
            event.observe("diff_bytes", 1.5)
            dice = [event.random.randrange(1 << 30), event.random.randrange(1 << 30)]
            return event.patch().set("/now", event.now().isoformat()).set("/dice", dice).emit("out")
        case "gather":
            return await gathered(event, wiki)
        case "blobs":
            return await blobs(event, wiki)
        case "catch":
            try:
                await wiki.revision(WIKI, 9)
            except Missing as error:
                return Outcome.skip(error.kind)
        case "set NaN":
            return event.patch().set("/a", float("nan")).emit("out")
        case "set over a scalar":
            return event.patch().set("/do/x", 1).emit("out")
        case "ask what is not listed":
            await wiki.compare(WIKI, 1, 2)
        case "a blob of no one":
            return event.patch().set("/a", Blob(999, 3)).emit("out")
        case "loop":
            while True:
                await wiki.revision(WIKI, 1)
    return Outcome.skip("nothing_to_do")


async def gathered(event: Event, wiki: MediaWiki) -> Outcome:
    """Ask 70 at once, one that is missing, and one behind another in a function."""

    async def two() -> int:
        first = await wiki.revision(WIKI, 1)
        second = await wiki.revision(WIKI, first.rev_id + 1)
        return second.rev_id

    ids = [each % 3 + 1 for each in range(70)]
    many = await gather(*(wiki.revision(WIKI, each) for each in ids))
    sums = await gather(two(), two())
    error, found = await gather(wiki.revision(WIKI, 9), wiki.revision(WIKI, 3), return_exceptions=True)
    assert not isinstance(found, Exception)
    is_ordered = [each.rev_id for each in many] == ids
    return event.patch().set("/got", [is_ordered, list(sums), str(error), found.rev_id]).emit("out")


async def blobs(event: Event, wiki: MediaWiki) -> Outcome:
    """Read, pass on and nest."""
    reply = await wiki.query(WIKI, {"prop": "info"}, titles=["A", "B"])
    text = (await wiki.revision(WIKI, 1)).content("main").body
    nested = {"text": text, "mark": "\0", "json": Pieces().blob(reply.body), "other": ['"\0"', text]}
    read = [text.text(), text.read(2, 100).decode(), text.size, text.read(9).decode(), reply.json()["b"]]
    return event.patch().set("/string", text).set("/nested", nested).set("/read", read).emit("out")


def host() -> Host:
    """Make a host that knows revisions 1 to 3."""
    made = Host(probe)
    made.record(Recording.answer("query", {}, {"status": 200, "body": 0}, ['{"b":[1.50]}']))
    for rev_id in range(1, 4):
        slots = {"main": {"model": "wikitext", "size": 5, "body": 0}, "aux": {"hidden": True}}
        made.record(Recording.answer("revision", {"rev_id": rev_id}, {"rev_id": rev_id, "slots": slots}, ['a"bc']))
    made.record(Recording.failure("revision", {}, "missing", "no such revision"))
    return made


def run(what: str) -> Decided:
    """Run one event."""
    return host().run("in", {"do": what})


class Outcomes(unittest.TestCase):
    def check(self, what: str, expected: object) -> None:
        self.assertEqual(run(what).decision, expected)

    def test_outcomes_are_what_was_said(self) -> None:
        self.check("emit nothing", Skip("nothing"))
        self.check("retry", Retry(Fail("not_yet", "later"), 500))
        self.check("catch", Skip("not_found"))

    def test_several_events_keep_their_order_keys_and_headers(self) -> None:
        decision: Any = run("emit two").decision
        second = Emitted("out", {"do": "emit two"}, headers=[("h", b"v")])
        self.assertEqual(decision.events, [Emitted("out", {"a": 1}, b"k"), second])

    def test_a_tombstone_can_be_passed_on(self) -> None:
        decision: Any = host().run("in", None).decision
        self.assertEqual(decision.events, [Emitted("out", None)])

    def test_what_is_no_outcome_is_named(self) -> None:
        for what, named in [("return nothing", "returned None"), ("return a patch", "a patch that is not emitted")]:
            decision: Any = run(what).decision
            self.assertEqual(decision.kind, "no_outcome")
            self.assertIn(named, decision.message)

    def test_what_cannot_be_written_is_invalid_or_fails_where_it_is_set(self) -> None:
        self.assertIsInstance(run("set over a scalar").decision, OutputInvalid)
        self.assertEqual(run("set NaN").failure_kind, "value_error")

    def test_a_broken_rule_is_a_fault(self) -> None:
        for what, named in [
            ("ask what is not listed", "lookup compare is not in"),
            ("a blob of no one", "blob 999 is unknown"),
            ("loop", "more than 1000 asks"),
        ]:
            decision = run(what).decision
            self.assertIsInstance(decision, Fault)
            self.assertIn(named, str(decision))


class Failures(unittest.TestCase):
    def test_an_exception_is_a_failure_with_the_authors_line(self) -> None:
        decision: Any = run("raise").decision
        self.assertEqual((decision.kind, decision.message), ("key_error", "KeyError: 'missing'"))
        frames = [line for line in decision.stack.splitlines() if "File" in line]
        self.assertEqual(len(frames), 1, decision.stack)
        self.assertIn("test_plugin.py", frames[0])
        self.assertIn('return Outcome.skip({"a": "b"}["missing"])', decision.stack)

    def test_a_failure_keeps_its_word_and_says_where_it_was_raised(self) -> None:
        decision: Any = run("raise a failure").decision
        self.assertEqual((decision.kind, decision.message), ("too_odd", "it is odd"))
        self.assertIn('raise Failure("too_odd"', decision.stack)

    def test_waiting_for_what_nothing_wakes_fails_at_its_line(self) -> None:
        for what in ["sleep", "sleep among others"]:
            decision: Any = run(what).decision
            self.assertEqual(decision.kind, "runtime_error")
            self.assertIn("nothing here can wake", decision.message)
            self.assertIn("asyncio.sleep(0)", decision.stack)

    def test_an_ask_without_a_recording_is_named(self) -> None:
        decision: Any = Host(probe).run("in", {"do": "catch"}).decision
        self.assertEqual(decision.kind, "unrecorded")
        self.assertIn('"rev_id":9', decision.message)


class Lookups(unittest.TestCase):
    def test_gathered_lookups_keep_their_order_and_their_own_errors(self) -> None:
        decided = run("gather")
        self.assertEqual(decided.documents[0]["got"], [True, [2, 2], "not_found: no such revision", 3])

    def test_blobs_become_values_without_being_read(self) -> None:
        decided = run("blobs")
        document = decided.documents[0]
        self.assertEqual(document["string"], 'a"bc')
        nested = {"text": 'a"bc', "mark": "\0", "json": {"b": [1.5]}, "other": ['"\0"', 'a"bc']}
        self.assertEqual(document["nested"], nested)
        self.assertEqual(document["read"], ['a"bc', "bc", 4, "", [1.5]])
        self.assertEqual(decided.asks[0], ("query", {"domain": WIKI, "params": {"prop": "info", "titles": "A|B"}}))


class OfTheEvent(unittest.TestCase):
    def test_a_report_holds_what_was_logged_and_counted(self) -> None:
        report = run("report").report
        self.assertEqual(report.logs, [("warn", "look")])
        self.assertEqual(report.counts, {"seen{kind=a,wiki=b}": 1})
        self.assertEqual(report.observations, {"diff_bytes": [1.5]})

    def test_time_is_the_hosts_and_chance_is_the_events(self) -> None:
        def thrown(offset: int) -> dict[str, Any]:
            return host().run("in", Record({"do": "report"}, offset=offset)).documents[0]

        self.assertEqual(thrown(5), thrown(5))
        self.assertNotEqual(thrown(5)["dice"], thrown(6)["dice"])
        self.assertEqual(thrown(5)["now"], "2023-11-14T22:13:20+00:00")


class Turns(unittest.TestCase):
    """What only several events of one instance show."""

    def setUp(self) -> None:
        self.closed: list[int] = []
        plugin: Plugin[None] = Plugin("p", "1", inputs={"in": Input()}, outputs={"out": Output()}, lookups=["query"])

        @plugin.enrich
        async def enrich(event: Event, wiki: MediaWiki) -> Outcome:
            try:
                await wiki.query(WIKI, prop="info")
                return Outcome.skip(str(event.offset))
            finally:
                self.closed.append(event.offset)

        self.executor = Executor(plugin, "{}")

    def turn(self, *inputs: wit.Input) -> list[wit.Output]:
        return self.executor.turn(1, list(inputs))

    def event(self, ticket: int) -> wit.Input:
        return wit.Input_Event(wit.Event(ticket, "in", wit.Source("t", 0, ticket), 0, None, None, [], 1))

    def answer(self, ticket: int, number: int = 0) -> wit.Input:
        reply = wit.Reply(wit.Payload_Inline(b'{"status":200,"body":0}'), [wit.Blob(1, 0)])
        return wit.Input_Answer(wit.Answer(ticket, number, wit.Ok(reply)))

    def test_events_wait_side_by_side_and_end_in_the_order_of_their_answers(self) -> None:
        asked = self.turn(self.event(7), self.event(8))
        self.assertEqual(
            [(each.value.ticket, type(each)) for each in asked], [(7, wit.Output_Ask), (8, wit.Output_Ask)]
        )
        done = self.turn(self.answer(8), self.answer(7))
        self.assertEqual([each.value for each in done], [wit.Done(n, wit.Outcome_Skip(str(n))) for n in (8, 7)])
        self.assertEqual(self.executor.tickets, {})

    def test_a_cancelled_event_is_closed_and_says_nothing_more(self) -> None:
        self.turn(self.event(7))
        self.assertEqual(self.turn(wit.Input_Cancel(7), self.answer(7)), [])
        self.assertEqual((self.closed, self.executor.tickets), ([7], {}))

    def test_answers_that_nobody_waits_for_are_ignored(self) -> None:
        self.turn(self.event(7))
        self.assertEqual(self.turn(self.answer(6), self.answer(7, number=3)), [])
        self.assertEqual(len(self.turn(self.answer(7))), 1)


if __name__ == "__main__":
    unittest.main()

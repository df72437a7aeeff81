"""The host of tests itself: projection, edits and comparison, by tables; a document is what a host would write."""

import unittest
from typing import Any

from millrace.testing.document import Draft
from millrace.testing.projection import cut, projection, steps
from millrace.testing.strict import difference, parse

DOCUMENT: dict[str, Any] = {
    "a": {"b": 1, "c": {"d": 2, "e": {}}},
    "l": [1, {"x": 1, "y": 2}],
    "s": "t",
    "n": None,
    "o": {},
}


def changed(**members: Any) -> dict[str, Any]:
    """Give the document with other members."""
    return {**DOCUMENT, **members}


class Edits(unittest.TestCase):
    def check_set(self, path: str, fields: list[str] | None, expected: dict[str, Any] | str) -> None:
        draft = Draft(DOCUMENT, projection(fields))
        if isinstance(expected, str):
            with self.assertRaisesRegex(ValueError, expected, msg=path):
                draft.set(path, 9)
        else:
            draft.set(path, 9)
            self.assertEqual(draft.finish(), expected, (path, fields))

    def test_a_set_makes_its_parents_and_keeps_the_rest(self) -> None:
        for path, expected in [
            ("/a/b", changed(a={"b": 9, "c": {"d": 2, "e": {}}})),
            ("/o/p", changed(o={"p": 9})),
            ("/new/0/-", changed(new={"0": {"-": 9}})),
            ("/~0~1", changed(**{"~/": 9})),
            ("/l/-", changed(l=[1, {"x": 1, "y": 2}, 9])),
            ("/l/-/z", changed(l=[1, {"x": 1, "y": 2}, {"z": 9}])),
            ("/l/1/x", changed(l=[1, {"x": 9, "y": 2}])),
        ]:
            self.check_set(path, None, expected)

    def test_a_path_that_leads_nowhere_is_refused(self) -> None:
        for path, expected in [
            ("", "no JSON Pointer"),
            ("a", "no JSON Pointer"),
            ("/~2", "neither 0 nor 1"),
            ("/s/x", "neither object nor array"),
            ("/l/0/x", "neither object nor array"),
            ("/l/2", "no such element"),
            ("/l/01", "no such element"),
            ("/a" * 129, "more steps"),
        ]:
            self.check_set(path, None, expected)

    def test_what_was_not_seen_is_not_destroyed_unless_none_of_it_was_seen(self) -> None:
        partly = "saw a part only"
        whole_a, whole_c = changed(a=9), changed(a={"b": 1, "c": 9})
        for path, fields, expected in [
            ("/a", ["/a/b"], partly),
            ("/a", ["/a/c/d"], partly),
            ("/a/c", ["/a/c/d"], partly),
            ("/a", ["/a/b/x", "/a/c"], partly),
            ("/a", ["/a"], whole_a),
            ("/a/c", ["/a"], whole_c),
            ("/a", ["/a/b", "/a/c/d", "/a/c/e"], whole_a),
            ("/o", ["/o/x"], changed(o=9)),
            ("/a", ["/s"], whole_a),
            ("/a/c", ["/a/b"], whole_c),
            ("/l", ["/l/0"], changed(l=9)),
            ("/l/1", ["/l/1/x"], changed(l=[1, 9])),
            ("/s", ["/s/x"], changed(s=9)),
        ]:
            self.check_set(path, fields, expected)  # type: ignore[arg-type]

    def test_what_the_plugin_set_itself_is_its_own(self) -> None:
        draft = Draft(DOCUMENT, projection(["/a/b", "/new/x"]))
        draft.set("/new/y", {"z": 1})
        draft.set("/new", 9)
        with self.assertRaisesRegex(ValueError, "saw a part only"):
            draft.set("/a", 9)
        draft.set("/a/c", {"own": True})
        draft.set("/a", 9)
        self.assertEqual(draft.finish(), changed(a=9, new=9))

    def test_removing_what_is_not_there_does_nothing(self) -> None:
        for path, expected in [
            ("/a/b", changed(a={"c": {"d": 2, "e": {}}})),
            ("/l/0", changed(l=[{"x": 1, "y": 2}])),
            ("/l/1/x", changed(l=[1, {"y": 2}])),
            ("/a/x", DOCUMENT),
            ("/x/y", DOCUMENT),
            ("/l/2", DOCUMENT),
            ("/l/-", DOCUMENT),
            ("/o/x/y", DOCUMENT),
        ]:
            draft = Draft(DOCUMENT, None)
            draft.remove(path)
            self.assertEqual(draft.finish(), expected, path)


class Projections(unittest.TestCase):
    def test_the_fields_that_are_declared_are_shown_and_no_others(self) -> None:
        for fields, expected in [
            ([], {}),
            (["/a/c/d"], {"a": {"c": {"d": 2}}}),
            (["/a/c/d", "/a"], {"a": DOCUMENT["a"]}),
            (["/l/0/x"], {"l": DOCUMENT["l"]}),
            (["/a/x", "/s/x"], {"a": {}}),
        ]:
            self.assertEqual(cut(DOCUMENT, projection(fields)), expected, fields)
        self.assertEqual(cut(DOCUMENT, projection(None)), DOCUMENT)
        self.assertEqual(steps("/a~1b//~01"), ["a/b", "", "~1"])


class Json(unittest.TestCase):
    def test_values_are_compared_as_json(self) -> None:
        self.assertIsNone(difference({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "x"}]}))
        for found, wanted, expected in [
            ({"a": 1}, {"a": True}, "/a is 1 instead of true"),
            ({"a": 1}, {"a": 1.0}, "/a is 1 instead of 1.0"),
            ({"a": [1, 2]}, {"a": [1, 3]}, "/a/1 is 2 instead of 3"),
            ({}, {"a": 1}, "/a is missing"),
            ({"a": 1}, {}, "/a is there: 1"),
        ]:
            self.assertEqual(difference(found, wanted), expected)

    def test_what_a_host_refuses_is_refused(self) -> None:
        for text in [b'{"a":1,"a":2}', b"{}{}", b"NaN", b'"\\ud800"', b"\xff", b"[" * 100_000]:
            with self.assertRaisesRegex(ValueError, "not exactly one JSON value"):
                parse(text)


if __name__ == "__main__":
    unittest.main()

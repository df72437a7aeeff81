"""The cases of `tests/cases`, and what cannot be said in a folder: `python -m unittest discover tests` runs them."""

import unittest
from pathlib import Path
from typing import Any

from millrace.testing import Host, Recording, run_cases
from page_content_change import plugin

CASES = Path(__file__).parent / "../../../tests/cases"


class PageContentChange(unittest.TestCase):
    """What becomes of an event."""

    def test_every_case_ends_as_expected(self) -> None:
        self.assertGreaterEqual(run_cases(plugin, CASES), 30)

    def test_a_setting_that_does_not_exist_is_refused(self) -> None:
        for settings, expected in [
            ({"sha1": "emit"}, "there is no member sha1"),
            ({"sha1_mismatch": "explode"}, "/sha1_mismatch: one of"),
        ]:
            with self.assertRaisesRegex(ValueError, expected):
                Host(plugin, settings)

    def test_the_slots_of_the_event_are_asked_for_and_no_others(self) -> None:
        host = Host(plugin)
        host.record(Recording.failure("revision", {}, "missing"))
        decided = host.run("page_change", change(slots={"main": {}, "mediainfo": {}}))
        params = {"domain": "commons.wikimedia.org", "rev_id": 5, "slots": ["main", "mediainfo"]}
        self.assertEqual(decided.asks, [("revision", params)])

    def test_nothing_is_asked_for_what_gets_no_body(self) -> None:
        host = Host(plugin)
        for event in [change(kind="delete"), change(is_content_visible=False), change(slots={})]:
            decided = host.run("page_change", event)
            self.assertEqual((decided.asks, decided.documents), ([], [event]))


def change(
    kind: str = "edit", slots: dict[str, Any] | None = None, *, is_content_visible: bool = True
) -> dict[str, Any]:
    """Make a page_change event, as far as the plugin reads it."""
    slots = {"main": {}} if slots is None else slots
    revision = {"rev_id": 5, "is_content_visible": is_content_visible, "content_slots": slots}
    return {"page_change_kind": kind, "meta": {"domain": "commons.wikimedia.org"}, "revision": revision}


if __name__ == "__main__":
    unittest.main()

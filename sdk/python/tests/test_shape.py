"""From JSON to types and to JSON Schema, by tables."""

import unittest
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal

from millrace import Input, Plugin
from millrace.schema import schema_of
from millrace.shape import Mismatch, parse, read, read_strictly


class Colour(Enum):
    RED = "red"


@dataclass
class Inner:
    a: int


@dataclass
class Outer:
    inner: Inner
    schema: str = field(default="", metadata={"name": "$schema"})
    maybe: int | None = None
    many: list[Inner] = field(default_factory=list)
    by_name: dict[str, Inner] = field(default_factory=dict)
    nothing: str | None = field(default=None)


class Shape(unittest.TestCase):
    def check(self, type_: Any, value: Any, expected: Any) -> None:
        self.assertEqual(read(type_, value), expected)

    def check_wrong(self, type_: Any, value: Any, expected: str) -> None:
        with self.assertRaises(Mismatch) as caught:
            read(type_, value)
        self.assertEqual(str(caught.exception), expected)

    def test_values_are_of_the_types_that_they_are_read_as(self) -> None:
        self.check(Any, {"a": [1]}, {"a": [1]})
        self.check(float, 1, 1)
        self.check(Colour, "red", Colour.RED)
        self.check(int | str, "x", "x")
        self.check(int | None, None, None)
        self.check(Literal["a", 1], 1, 1)
        self.check(list[int], [1, 2], [1, 2])
        whole = {"inner": {"a": 1, "b": 2}, "$schema": "s", "many": [{"a": 2}], "by_name": {"x": {"a": 3}}}
        self.check(Outer, whole, Outer(Inner(1), "s", None, [Inner(2)], {"x": Inner(3)}))

    def test_what_does_not_fit_is_named_with_its_place(self) -> None:
        self.check_wrong(int, True, "an integer was expected, and a boolean found")
        self.check_wrong(int, "1", "an integer was expected, and a string found")
        self.check_wrong(int, 1.0, "an integer was expected, and a number found")
        self.check_wrong(Outer, {"inner": {"a": "x"}}, "/inner/a: an integer was expected, and a string found")
        self.check_wrong(Outer, {"inner": {}}, "/inner/a: it is missing")
        self.check_wrong(
            Outer, {"inner": {"a": 1}, "many": [{"a": 1}, 2]}, "/many/1: an object was expected, and an integer found"
        )
        self.check_wrong(
            Outer, {"inner": {"a": 1}, "by_name": {"x": []}}, "/by_name/x: an object was expected, and an array found"
        )
        self.check_wrong(Colour, "blue", 'one of "red" was expected, and "blue" found')
        with self.assertRaisesRegex(Mismatch, "no JSON"):
            parse(b'{"a":')

    def test_only_strict_reading_refuses_what_is_not_known(self) -> None:
        self.check(Inner, {"a": 1, "b": 2}, Inner(1))
        with self.assertRaisesRegex(Mismatch, "there is no member b; there are: a"):
            read_strictly(Inner, {"a": 1, "b": 2})

    def test_a_type_without_a_form_in_json_is_refused(self) -> None:
        for type_ in [set, dict[int, str], object]:
            with self.assertRaisesRegex(TypeError, "has no form in JSON"):
                read(type_, {})


class Schema(unittest.TestCase):
    def test_settings_are_described_for_operators(self) -> None:
        @dataclass
        class Settings:
            size: Annotated[int, "how many"]
            mode: Literal["a", "b"] = "a"
            names: list[str] = field(default_factory=list)

        globals()["Settings"] = Settings
        expected = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "size": {"description": "how many", "type": "integer"},
                "mode": {"enum": ["a", "b"], "default": "a"},
                "names": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["size"],
        }
        self.assertEqual(schema_of(Settings), expected)


@dataclass
class Limits:
    min_bytes: int = 1

    def __post_init__(self) -> None:
        if self.min_bytes < 1:
            raise ValueError("min_bytes must be 1 or more")


class Settings(unittest.TestCase):
    def check(self, settings: type | None, text: str, expected: str) -> None:
        plugin: Plugin[Any] = Plugin("p", "1", inputs={"in": Input()}, settings=settings)

        async def enrich(*_: object) -> Any: ...

        plugin.enrich(enrich)
        if not expected:
            plugin.configured(text)
            return
        with self.assertRaises(ValueError) as caught:
            plugin.configured(text)
        self.assertEqual(str(caught.exception), expected)

    def test_no_settings_suit_every_plugin_that_needs_none(self) -> None:
        for text in ["", "null", "{}"]:
            self.check(None, text, "")
            self.check(Limits, text, "")

    def test_mistakes_are_named(self) -> None:
        self.check(None, '{"a":1}', "settings: this plugin has none")
        self.check(Limits, '{"min_byte":1}', "settings: there is no member min_byte; there are: min_bytes")
        self.check(Limits, '{"min_bytes":0}', "settings: min_bytes must be 1 or more")

    def test_a_function_that_cannot_be_called_is_refused_at_once(self) -> None:
        plugin: Plugin[Limits] = Plugin("p", "1", inputs={}, settings=Limits)
        with self.assertRaisesRegex(TypeError, "must be an `async def`"):
            plugin.enrich(lambda *_: None)  # type: ignore[type-var]

        async def without_settings(event: object, wiki: object) -> Any: ...

        with self.assertRaisesRegex(TypeError, r"called with \(event, wiki, settings\)"):
            plugin.enrich(without_settings)


if __name__ == "__main__":
    unittest.main()

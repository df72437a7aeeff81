"""The JSON Schema of settings, for operators to read, made from the dataclass that they are read as.

A text in `Annotated` describes a member: `Annotated[int, "how many edits make a page busy"]`.
"""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from millrace.shape import is_needed, name_in_json

_SCALARS = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}


def schema_of(type_: Any) -> dict[str, Any]:
    """Say what JSON suits a type that `shape` can read."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        texts = [each for each in arguments[1:] if isinstance(each, str)]
        return {**({"description": texts[0]} if texts else {}), **schema_of(arguments[0])}
    if type_ in _SCALARS:
        return {"type": _SCALARS[type_]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(type_, type) and issubclass(type_, Enum):
        return {"enum": [each.value for each in type_]}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each) for each in arguments]}
    if type_ is list or origin is list:
        return {"type": "array", **({"items": schema_of(arguments[0])} if arguments else {})}
    if is_dataclass(type_):
        return _object(type_)
    if type_ is dict or origin is dict:
        return {"type": "object", **({"additionalProperties": schema_of(arguments[1])} if arguments else {})}
    return {}


def _object(type_: Any) -> dict[str, Any]:
    hints = get_type_hints(type_, include_extras=True)
    members: dict[str, Any] = {}
    required = []
    for field in fields(type_):
        if not field.init:
            continue
        name = name_in_json(field)
        members[name] = schema_of(hints[field.name])
        if is_needed(field, hints[field.name]):
            required.append(name)
        elif field.default is not MISSING:
            members[name]["default"] = field.default.value if isinstance(field.default, Enum) else field.default
    made: dict[str, Any] = {"type": "object", "additionalProperties": False}
    if members:
        made["properties"] = members
    if required:
        made["required"] = required
    return made

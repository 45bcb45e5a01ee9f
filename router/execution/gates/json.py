"""Turns down answers that aren't the JSON that the request asked for; where it asked for none, all are accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from jsonschema import validators
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator
from pydantic import BaseModel, ConfigDict
from referencing import Registry
from referencing.exceptions import Unresolvable

from router.core.ports import NOTHING
from router.core.types import JsonObject, JsonValue
from router.execution.fold import Folded
from router.execution.gates import Asked, GateDeps


class Config(BaseModel):
    """The gate has no settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _accept(validator: Validator, value: object, instance: object, schema: object) -> Iterator[Exception]:
    del validator, value, instance, schema
    yield from ()


_UNCHECKED = dict.fromkeys(("pattern", "uniqueItems"), _accept)
_Bounded: type[Validator] = validators.extend(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    Draft202012Validator, _UNCHECKED
)
"""Schemas are the caller's. An expression of theirs could keep the process busy for ever, and so could a long list's
uniqueness, so neither is checked; and what they refer to is never fetched (see `_NOWHERE`)."""

_NOWHERE: Registry[Any] = Registry()

_EXPRESSIONS = b'"patternProperties"'
"""A schema with this in it is looked at by several of the validator's checks, all of which use its expressions."""


class Json:
    """The gate."""

    @property
    def asks(self) -> Mapping[str, JsonValue]:
        """Nothing."""
        return NOTHING

    async def accepts(self, answer: Folded, asked: Asked) -> bool:
        """See `Gate`; a schema that makes no sense accepts whatever JSON there is."""
        wanted = asked.body.get("response_format")
        if not isinstance(wanted, dict) or wanted.get("type") not in ("json_object", "json_schema"):
            return True
        if answer.tool_calls and not answer.text:
            return True
        return await asyncio.to_thread(_is_valid, answer.text, wanted)


def _is_valid(text: str, wanted: JsonObject) -> bool:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    if wanted.get("type") == "json_object":
        return isinstance(value, dict)
    named = wanted.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict) or _EXPRESSIONS in msgspec.json.encode(schema):
        return True
    try:
        Draft202012Validator.check_schema(schema)  # pyright: ignore[reportUnknownMemberType]
        return _Bounded(schema, registry=_NOWHERE).is_valid(value)
    except (SchemaError, Unresolvable, RecursionError):
        return True


def build(config: Config, deps: GateDeps) -> Json:
    """Build the gate."""
    del config, deps
    return Json()

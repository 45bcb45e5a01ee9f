"""Turns down answers that aren't the JSON that the request asked for; where it asked for none, all are accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec
from jsonschema import validators
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator
from pydantic import BaseModel, ConfigDict
from referencing import Registry

from router.core import clock
from router.core.ports import NOTHING
from router.core.types import JsonObject, JsonValue
from router.execution.fold import Folded
from router.execution.gates import Asked, GateDeps


class Config(BaseModel):
    """The gate has no settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Check = Callable[[Validator, Any, Any, Any], Iterable[Exception] | None]

_MAX_S = 0.25
"""A few references can make a schema that takes longer than anybody lives: what isn't told by then is accepted."""

_until_s: ContextVar[float] = ContextVar("until_s")


class _TooSlow(Exception):
    """The time for one answer is over."""


def _accept(validator: Validator, value: object, instance: object, schema: object) -> Iterator[Exception]:
    del validator, value, instance, schema
    yield from ()


def _timed(check: _Check) -> _Check:
    def timed(validator: Validator, value: object, instance: object, schema: object) -> Iterable[Exception] | None:
        if clock.monotonic_s() > _until_s.get():
            raise _TooSlow
        return check(validator, value, instance, schema)

    return timed


_UNCHECKED = dict.fromkeys(("pattern", "uniqueItems", "unevaluatedItems", "unevaluatedProperties"), _accept)
_Bounded: type[Validator] = validators.extend(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    Draft202012Validator,
    {name: _timed(check) for name, check in Draft202012Validator.VALIDATORS.items()} | _UNCHECKED,  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
)
"""Schemas are the caller's. An expression of theirs could keep the process busy for ever, and so could a long list's
uniqueness or what no other part of a schema has looked at, so none of these is checked; and what they refer to is never
fetched (see `_NOWHERE`)."""

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
    _until_s.set(clock.monotonic_s() + _MAX_S)
    try:
        return _Bounded(schema, registry=_NOWHERE).is_valid(value)
    except Exception:  # noqa: BLE001 whatever a schema of the caller's makes of the validator, it isn't the answer's fault
        return True


def build(config: Config, deps: GateDeps) -> Json:
    """Build the gate."""
    del config, deps
    return Json()

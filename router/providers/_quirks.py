"""How vendors of OpenAI's dialects differ from OpenAI, as data: read from `vendors.yaml` and the provider's row, applied here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Literal, cast

import msgspec
import yaml
from pydantic import BaseModel, ConfigDict

from router.core.errors import UnsupportedFeature
from router.core.plugin import nearest
from router.core.types import Dialect, JsonObject, JsonValue
from router.wire.openai_fields import FIELDS

CAPABILITIES = frozenset(
    {"tools", "vision", "audio", "files", "json_schema", "json_object", "logprobs", "n", "web_search"}
)
"""All that a request may need; see `core.types.Features.needs`."""

REASONING = "reasoning_content"
"""Where a chat holds a model's thinking, whatever the vendor calls it."""


class Quirks(BaseModel):
    """What is known of a vendor. The defaults are OpenAI's own ways, or change nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    base_url: str | None = None
    """Up to and including `/v1`."""
    auth_header: str = "authorization"
    """The header that takes the key: `Bearer <key>` in `authorization`, the key alone in any other."""
    api_version: str | None = None
    """Sent as `?api-version=` with every request."""
    deployment_path: bool = False
    """Whether the model's name stands in the path too: `/deployments/<model>/chat/completions`."""
    endpoints: tuple[Literal["chat", "completions", "embeddings", "responses"], ...] = ("chat", "embeddings")
    """What it answers as it is; any other request is translated into a chat, where it can be."""
    rename: dict[str, str] = {}
    """Field of a chat request -> what this vendor calls it."""
    drop: tuple[str, ...] = ()
    """Tuning knobs of a chat or completion that it refuses or ignores: left out, and named in `x-router-dropped`."""
    drop_inside: tuple[str, ...] = ()
    """The same for fields of messages, their parts and tools."""
    lacks: frozenset[str] = frozenset()
    """Capabilities that it hasn't: requests that need one go elsewhere."""
    stream_options: bool = True
    """Whether it takes them; usage is asked for there."""
    reasoning_field: str = REASONING
    """What it calls a model's thinking; answers get it under `reasoning_content` too."""
    reasoning_beside: bool = False
    """Whether reasoning tokens are counted beside `completion_tokens`, not among them."""
    developer_role: bool = True
    """Whether it knows the role; where not, it becomes `system`."""
    unknown_fields: Literal["pass", "refuse", "drop"] = "pass"
    """What becomes of a chat request's fields that are neither OpenAI's nor in `fields`."""
    fields: tuple[str, ...] = ()
    """Fields of its own."""
    prices: str | None = None
    """Its name in the price list; null = found by its URL, or by the provider's name."""

    @property
    def dialects(self) -> frozenset[Dialect]:
        """The endpoints as dialects."""
        return frozenset(Dialect(name) for name in self.endpoints)

    @property
    def capabilities(self) -> frozenset[str] | None:
        """What it can do; None = nothing is known that it can't."""
        return CAPABILITIES - self.lacks if self.lacks else None


class Vendor(Quirks):
    """A row of `vendors.yaml`."""

    source: tuple[str, ...]
    """Where the facts are from."""
    checked: date
    """When they were looked up there."""


@cache
def vendors() -> Mapping[str, Vendor]:
    """Read the vendors that ship with the router."""
    text = resources.files("router.providers").joinpath("vendors.yaml").read_text(encoding="utf-8")
    rows = cast("dict[str, object]", yaml.safe_load(text))
    return {name: Vendor.model_validate(row) for name, row in rows.items()}


def with_vendor(row: object) -> object:
    """Put a vendor's facts under the keys that a provider's row doesn't give.

    Raises:
        ValueError: there is no such vendor; names the nearest.
    """
    if not isinstance(row, dict):
        return row
    given = cast("dict[str, object]", row)
    name = given.get("vendor")
    if not isinstance(name, str):
        return given
    if name not in vendors():
        raise ValueError(f"there is no vendor '{name}'{nearest(name, sorted(vendors()))}")
    facts = vendors()[name].model_dump(exclude={"source", "checked"}, exclude_unset=True)
    return {**facts, **given}


def adapt(body: JsonObject, dialect: Dialect, quirks: Quirks) -> tuple[JsonObject, tuple[str, ...]]:
    """Write a request as a vendor takes it; return it, and the names of what was left out. `body` isn't changed.

    Where no quirk applies, it comes back as it is, in the same order.

    Raises:
        UnsupportedFeature: it holds a field that the vendor's row refuses.
    """
    dropped: list[str] = []
    if dialect in (Dialect.CHAT, Dialect.COMPLETIONS):
        body = _without(body, {*quirks.drop, *(() if quirks.stream_options else ("stream_options",))}, dropped)
    if dialect is Dialect.CHAT:
        body = _known(_renamed(body, quirks.rename, dropped), quirks, dropped)
        body = _inside(body, quirks, dropped)
    return body, tuple(dict.fromkeys(dropped))


def _without(body: JsonObject, names: set[str], dropped: list[str]) -> JsonObject:
    found = [name for name in body if name in names]
    if not found:
        return body
    dropped += found
    return {name: value for name, value in body.items() if name not in names}


def _renamed(body: JsonObject, rename: Mapping[str, str], dropped: list[str]) -> JsonObject:
    """Rename fields in their places; one whose new name is taken already is left out."""
    body = _without(body, {old for old, new in rename.items() if old in body and new in body}, dropped)
    if body.keys().isdisjoint(rename):
        return body
    return {rename.get(name, name): value for name, value in body.items()}


def _known(body: JsonObject, quirks: Quirks, dropped: list[str]) -> JsonObject:
    if quirks.unknown_fields == "pass":
        return body
    unknown = body.keys() - FIELDS[Dialect.CHAT] - {*quirks.fields, *quirks.rename.values()}
    if unknown and quirks.unknown_fields == "refuse":
        name = min(unknown)
        raise UnsupportedFeature("this provider takes no fields that it doesn't know", param=name)
    return _without(body, unknown, dropped)


def _inside(body: JsonObject, quirks: Quirks, dropped: list[str]) -> JsonObject:
    """Adapt messages, their parts, and tools."""
    changed: JsonObject = {}
    for field in ("messages", "tools"):
        items = body.get(field)
        if isinstance(items, list):
            adapted = [_item(item, quirks, dropped) for item in items]
            if any(new is not old for new, old in zip(adapted, items, strict=True)):
                changed[field] = adapted
    return {**body, **changed} if changed else body


def _item(item: JsonValue, quirks: Quirks, dropped: list[str]) -> JsonValue:
    if not isinstance(item, dict):
        return item
    changed: JsonObject = _without(item, {*quirks.drop_inside}, dropped)
    if changed.get("role") == "developer" and not quirks.developer_role:
        changed = {**changed, "role": "system"}
    if REASONING in changed and quirks.reasoning_field not in changed:
        changed = {quirks.reasoning_field if name == REASONING else name: value for name, value in changed.items()}
    content = changed.get("content")
    if isinstance(content, list):
        parts: list[JsonValue] = [
            _without(part, {*quirks.drop_inside}, dropped) if isinstance(part, dict) else part for part in content
        ]
        if any(new is not old for new, old in zip(parts, content, strict=True)):
            changed = {**changed, "content": parts}
    return changed


def with_reasoning(payload: bytes, quirks: Quirks) -> bytes:
    """Give an answer's thinking the name that a chat has for it, beside the vendor's own; else return it as it is.

    Raises:
        msgspec.DecodeError: not a JSON object.
    """
    field = quirks.reasoning_field
    if field == REASONING or f'"{field}"'.encode() not in payload:
        return payload
    answer: JsonObject = msgspec.json.decode(payload, type=dict[str, object])  # pyright: ignore[reportAssignmentType] decoded JSON
    named = False
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        for name in ("message", "delta"):
            said = choice.get(name) if isinstance(choice, dict) else None
            if isinstance(said, dict) and isinstance(said.get(field), str) and REASONING not in said:
                said[REASONING], named = said[field], True
    return msgspec.json.encode(answer) if named else payload

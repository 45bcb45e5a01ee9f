"""Reads an adapter's card, what its author says of it in words; a bad card is worth a warning, never a refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import cast

import msgspec
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from router.core.adapters import AdapterCard
from router.core.plugin import nearest

CARD_FILES = ("README.md", "card.yaml")
MAX_CARD_BYTES = 256 * 1024
_MAX_MARKS = 20_000
"""Marks of YAML's structure in a card: each may cost a kilobyte of memory."""
_MARKS = "\n,[{:"
_SHOWN_FIELDS, _SHOWN_CHARS = 5, 40
PLACEHOLDER = "{prompt}"
NOBODY = ("",)
"""`tenants` of an adapter that nobody may use."""
UNREAD = AdapterCard(tenants=NOBODY)
"""What stands for a card that wasn't read yet, or can't be: whom it would admit isn't known."""
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class _Example(BaseModel):
    model_config = ConfigDict(extra="ignore")
    prompt: str


class _Check(BaseModel):
    model_config = ConfigDict(extra="ignore")
    prompt: str = Field(min_length=1, max_length=20_000)
    answer: str = Field(min_length=1, max_length=20_000)


class _Card(BaseModel):
    """The fields we know; README front matter holds others, for other tools."""

    model_config = ConfigDict(extra="ignore")

    description: str = Field("", max_length=20_000)
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = Field((), max_length=2_000)
    negative_examples: tuple[str, ...] = Field((), max_length=2_000)
    languages: tuple[str, ...] = ()
    system_prompt: str | None = Field(None, max_length=100_000)
    prompt_template: str | None = Field(None, max_length=100_000)
    tool_format: str | None = Field(None, max_length=64)
    tenants: tuple[str, ...] = Field((), max_length=10_000)
    pin: bool = False
    license: str | None = Field(None, max_length=1_000)
    metrics: dict[str, float] = Field(default_factory=dict[str, float])
    checks: tuple[_Check, ...] = Field((), max_length=100)
    min_checks_ratio: float = Field(1.0, ge=0, le=1)

    @field_validator("examples", "negative_examples", mode="before")
    @classmethod
    def _prompts(cls, value: object) -> object:
        """Take `{prompt, answer}` as well as plain prompts."""
        if not isinstance(value, list):
            return value
        items = cast("list[object]", value)
        return [_Example.model_validate(item).prompt if isinstance(item, dict) else item for item in items]

    @field_validator("prompt_template")
    @classmethod
    def _one_place(cls, value: str | None) -> str | None:
        if value is not None and value.count(PLACEHOLDER) != 1:
            raise ValueError(f"it must hold {PLACEHOLDER} once, where the user's text goes")
        return value

    @field_validator("metrics", mode="before")
    @classmethod
    def _measured(cls, value: object) -> object:
        """Pass over the Hub's list of names; ours are numbers by name."""
        return {} if isinstance(value, list) else value

    @field_validator("metrics")
    @classmethod
    def _finite(cls, value: dict[str, float]) -> dict[str, float]:
        return {name: number for name, number in value.items() if math.isfinite(number)}

    @field_validator("license", mode="before")
    @classmethod
    def _licenses(cls, value: object) -> object:
        return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else value

    @field_validator("keywords", "languages", "tenants", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class CardReading(msgspec.Struct, frozen=True):
    """A card and what was wrong with it."""

    card: AdapterCard
    warnings: tuple[str, ...] = ()


def read_card(read: Callable[[str], bytes | None]) -> CardReading:
    """Build a card from README.md's front matter and card.yaml; card.yaml wins field by field.

    `read` gives a file's bytes by its name, or None where there is no such file.
    """
    fields: dict[str, object] = {}
    warnings: list[str] = []
    for name in CARD_FILES:
        data = read(name)
        if data is None:
            continue
        try:
            found = _mapping(name, data)
            fields |= found
            warnings.extend(_unknown(name, found))
            if any(_means_tenants(key) for key in found):
                fields["tenants"] = NOBODY
        except ValueError as error:
            warnings.append(f"{name}: {error}")
            if b"tenants" in data:  # meant to close the adapter to somebody, but to whom can't be read
                fields["tenants"] = NOBODY
                warnings.append("card: 'tenants' can't be read, so nobody may use it")
    return _build(fields, warnings)


def _unknown(name: str, fields: Mapping[str, object]) -> Iterator[str]:
    """Warn of fields that may be misspelt; front matter of README.md holds others' fields too."""
    known = (*_Card.model_fields, "language")
    strange = [key for key in fields if key not in known]
    for key in [key for key in strange if _means_tenants(key)][:_SHOWN_FIELDS]:
        yield f"{name}: unknown field '{key}'; did you mean 'tenants'? Nobody may use it until that is mended"
    if name == CARD_FILES[-1]:
        for key in [key for key in strange if not _means_tenants(key)][:_SHOWN_FIELDS]:
            yield f"{name}: unknown field '{key[:_SHOWN_CHARS]}'{nearest(key[:_SHOWN_CHARS], known)}"


def _means_tenants(key: str) -> bool:
    """Say whether a field is `tenants` misspelt: read as unknown, it would leave an adapter open that was to be closed."""
    near = get_close_matches(key[:_SHOWN_CHARS].strip().casefold(), ("tenants",), cutoff=0.8)
    return key != "tenants" and bool(near)


class _Alias(yaml.YAMLError):
    """An alias, where none is accepted."""


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases: a few hundred bytes of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):  # pyright: ignore[reportUnknownMemberType]
            raise _Alias
        return super().compose_node(parent, index)  # pyright: ignore


def _cleaned(value: object) -> object:
    """Replace what no UTF-8 text can hold, at any depth: an escape in YAML can name half a character."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_cleaned(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in cast("dict[object, object]", value).items()}
    return value


def _mapping(name: str, data: bytes) -> dict[str, object]:
    if len(data) > MAX_CARD_BYTES:
        raise ValueError(f"ignored, larger than {MAX_CARD_BYTES // 1024} KiB")
    text = data.decode("utf-8", errors="replace")
    if name == "README.md":
        front = _FRONT_MATTER.match(text)
        if front is None:
            return {}
        text = front.group(1)
    if sum(text.count(mark) for mark in _MARKS) > _MAX_MARKS:
        raise ValueError(f"ignored, it holds more than {_MAX_MARKS} items")
    try:
        value = _cleaned(yaml.load(text, _PlainLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        if isinstance(error, _Alias):
            raise ValueError("ignored, aliases (`*name`) aren't accepted") from None
        raise ValueError(f"ignored, not valid YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    except (RecursionError, ValueError):
        raise ValueError("ignored, not valid YAML") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("ignored, it must hold `key: value` lines")
    return {str(key): item for key, item in cast("dict[object, object]", value).items()}


def _build(fields: dict[str, object], warnings: list[str]) -> CardReading:
    """Validate what is known; drop single fields that are wrong and keep the rest.

    One that is wrong in `tenants` opens the adapter to nobody, for it was meant to close it to somebody.
    """
    if fields.get("languages") is None and fields.get("language") is not None:  # the Hub's name for it
        fields["languages"] = fields["language"]
    known = {key: value for key, value in fields.items() if key in _Card.model_fields and value is not None}
    try:
        card = _Card.model_validate(known)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            field = str(problem["loc"][0])
            if field not in known or known[field] is NOBODY:
                continue
            if field == "tenants":
                known[field] = NOBODY
                warnings.append(f"card: 'tenants' can't be read, so nobody may use it: {problem['msg']}")
                continue
            del known[field]
            warnings.append(f"card: '{field}' ignored: {problem['msg']}")
        card = _Card.model_validate(known)
    return CardReading(msgspec.convert(card.model_dump(), AdapterCard), tuple(warnings))

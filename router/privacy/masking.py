"""Replaces what the scan found by placeholders such as `<PERSON_7QK2XF>`, and puts the values back into the answer.

The map lives in a vault that belongs to one request; nothing here is shared between requests or logged. A placeholder's
name is made of the value under the conversation's key, so turns agree on it without any memory of the values.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from router.core.types import Finding, JsonObject, JsonValue
from router.privacy.disguises.letters import normal
from router.privacy.leaves import CONSTANTS, KEYS, MIN_DIGITS, Path
from router.privacy.view import View

LEAST_COPY = 4
"""Shorter values are masked only where they were found: elsewhere they are just words."""

NUMBERS = frozenset(
    (
        "seed max_tokens max_completion_tokens max_output_tokens n temperature top_p top_k min_p top_logprobs logprobs "
        "presence_penalty frequency_penalty repetition_penalty best_of"
    ).split()
)
"""Settings of a request that must be numbers."""

TAG_CHARS = 6
"""Length of a placeholder's tag: 30 bits, enough to tell the values of a conversation apart. A clash gets another tag."""

_GROUP = r"[ .\-/]?"
_GROUPING = re.compile(r"[ .\-/]")
"""What may stand between the digits of a number."""

PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]*_[A-Z0-9]+>")
_BEGUN = re.compile(r"<(?:[A-Z][A-Z0-9_]*)?\Z")


class Vault:
    """The placeholders of one request and the values they stand for."""

    def __init__(self, key: bytes, taken: Iterable[str] = ()) -> None:
        """Start empty. `key` is the conversation's; `taken` are placeholders that the request itself holds as text."""
        self._key = key
        self._taken = frozenset(taken)
        self._values: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Vault({len(self)} values)"

    def placeholder(self, entity: str, value: str) -> str:
        """Return the placeholder for a value; within a conversation the same value gets the same one."""
        clashes = 0
        while value not in self._placeholders:
            name = f"<{entity}_{self._tag(value, clashes)}>"
            if name not in self._taken and name not in self._values:
                self._placeholders[value] = name
                self._values[name] = value
            clashes += 1
        return self._placeholders[value]

    def _tag(self, value: str, clashes: int) -> str:
        data = value.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(data, key=self._key, salt=clashes.to_bytes(8, "big")).digest()
        return base64.b32encode(digest)[:TAG_CHARS].decode()

    def items(self) -> Iterable[tuple[str, str]]:
        """Give each placeholder and its value."""
        return self._values.items()

    def unmask(self, text: str, *, in_json: bool = False) -> str:
        """Put the values back; unknown placeholders stay as they are.

        `in_json` escapes the values for text that is itself JSON, such as the arguments of a tool call.
        """

        def value(match: re.Match[str]) -> str:
            found = self._values.get(match.group())
            if found is None:
                return match.group()
            return json.dumps(found, ensure_ascii=False)[1:-1] if in_json else found

        return PLACEHOLDER.sub(value, text)

    def begins_one(self, text: str) -> bool:
        """Say whether some placeholder starts with this text."""
        return any(name.startswith(text) for name in self._values)


class StreamUnmasker:
    """Puts values back into a text that comes in pieces; holds back only what may be the start of a placeholder."""

    def __init__(self, vault: Vault, *, in_json: bool = False) -> None:
        self._vault = vault
        self._in_json = in_json
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what can be shown of it now."""
        text = self._held + text
        begun = _BEGUN.search(text)
        place = begun.start() if begun is not None and self._vault.begins_one(begun.group()) else len(text)
        self._held = text[place:]
        return self._vault.unmask(text[:place], in_json=self._in_json)

    def flush(self) -> str:
        """Return what was held back; the stream is over, so it was no placeholder."""
        held, self._held = self._held, ""
        return held


class _Span(NamedTuple):
    start: int
    end: int
    entity: str
    placeholder: str = ""
    """The one to use, where the text there isn't the value itself but a form of it."""


def _merged(findings: Iterable[Finding]) -> list[_Span]:
    """Merge spans that overlap; the widest names the result."""
    merged: list[_Span] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.end, -f.score)):
        last = merged[-1] if merged else None
        if last is None or finding.start >= last.end:
            merged.append(_Span(finding.start, finding.end, finding.entity))
        elif finding.end > last.end:
            widest = max((last.end - last.start, last.entity), (finding.end - finding.start, finding.entity))
            merged[-1] = _Span(last.start, finding.end, widest[1])
    return merged


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _mask_text(text: str, spans: list[_Span], vault: Vault) -> str:
    """Replace the spans; a number in a JSON text becomes a string, so that the text stays JSON."""
    masked = _replaced(text, spans, vault, quote=False)
    if text.lstrip()[:1] in ("{", "[") and _is_json(text) and not _is_json(masked):
        return _replaced(text, spans, vault, quote=True)
    return masked


def _replaced(text: str, spans: list[_Span], vault: Vault, *, quote: bool) -> str:
    pieces: list[str] = []
    done = 0
    for span in spans:
        before = text[max(span.start - 20, 0) : span.start]
        mark = '"' if quote and before.rstrip()[-1:] in (":", ",", "[") and before[-1:] != '"' else ""
        name = span.placeholder or vault.placeholder(span.entity, text[span.start : span.end])
        pieces += (text[done : span.start], mark, name, mark)
        done = span.end
    return "".join((*pieces, text[done:]))


def _forms(value: str) -> Iterator[str]:
    """Yield a value as it may stand elsewhere: as it is, before a full stop, in JSON."""
    bare = value.rstrip(".,;:!?")
    for form in (value, bare):
        yield form
        yield json.dumps(form, ensure_ascii=False)[1:-1]
        yield json.dumps(form)[1:-1]


def _digits(value: float | bool | None) -> str:
    """Write a number without its sign."""
    return str(value).removeprefix("-").removesuffix(".0")


def _bounded_digits(digits: str) -> str:
    """Write an expression for a number that may be grouped in any way."""
    return f"(?<![A-Za-z0-9]){_GROUP.join(digits)}(?![A-Za-z0-9])"


def _bounded(form: str) -> str:
    """Write an expression for a value that isn't part of a longer word or number; scripts that don't part words count."""
    first, last = (r"[A-Za-z0-9]" if edge.isascii() else r"[^\W\d_]" for edge in (form[0], form[-1]))
    before = f"(?<!{first})" if form[0].isalnum() else ""
    after = f"(?!{last})" if form[-1].isalnum() else ""
    return before + re.escape(form) + after


class _Copies:
    """Finds what was masked in one place wherever else it stands: its context may have given it away only once.

    A copy may be in other letters' case, and a number grouped in another way; a plain word, which a name may be, counts
    only as it is or in capitals.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._forms: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._grouped: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        for name, value in vault.items():
            for form in (*_forms(value), *_forms(normal(value).text)):
                if len(form) < LEAST_COPY:
                    continue
                self._forms.setdefault(form, name)
                if form.isalpha():
                    self._forms.setdefault(form.upper(), name)
                else:
                    self._folded.setdefault(form.lower(), name)
            digits = "".join(filter(str.isdigit, value))
            if len(digits) >= MIN_DIGITS:
                self._numbers.setdefault(digits, name)
                if digits == _GROUPING.sub("", value):
                    self._grouped.setdefault(digits, name)
        self._words = list(filter(str.isalpha, self._forms))

    def value(self, value: JsonValue, depth: int = 0) -> JsonValue:
        """Return a copy in which they are masked too; parts without any are the originals."""
        if isinstance(value, dict):
            return {
                self._key(name): self._item(name, item, depth)
                for name, item in value.items()
                if depth or not self._is_setting(name, item)
            }
        if isinstance(value, list):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, str):
            return value if value in CONSTANTS else self._text(value)
        return self._number(value)

    def _item(self, name: str, item: JsonValue, depth: int) -> JsonValue:
        is_setting = depth == 0 and name in NUMBERS and not isinstance(item, str | list | dict)
        return item if is_setting else self.value(item, depth + 1)

    def _is_setting(self, name: str, item: JsonValue) -> bool:
        """Say whether it is a setting that repeats a number that was masked."""
        return name in NUMBERS and not isinstance(item, str | list | dict) and _digits(item) in self._numbers

    def _key(self, name: str) -> str:
        return name if name in KEYS else self._text(name)

    def _number(self, value: float | bool | None) -> JsonValue:
        if value is None or isinstance(value, bool):
            return value
        digits = _digits(value)
        return self._forms.get(digits) or self._numbers.get(digits) or value

    def _text(self, text: str) -> str:
        text = self._masked(text, View(text))
        view = normal(text)
        return text if view.text == text else self._masked(text, view)

    def _masked(self, text: str, view: View) -> str:
        """Mask the copies that a reading of the text shows."""
        lower = view.text.lower()
        digits = _GROUPING.sub("", view.text) if self._grouped else ""
        here = [(form, _bounded(form)) for form in self._words if form in view.text]
        here += [(form, f"(?i:{_bounded(form)})") for form in self._folded if form in lower]
        here += [(form, _bounded_digits(form)) for form in self._grouped if form in digits]
        if not here:
            return text
        here.sort(key=lambda each: len(each[0]), reverse=True)
        expression = re.compile("|".join((PLACEHOLDER.pattern, *(expression for _, expression in here))))
        spans: list[_Span] = []
        for match in expression.finditer(view.text):
            name = self._name(match.group())
            if name is not None:
                spans.append(_Span(*view.original(*match.span()), "", name))
        return _mask_text(text, spans, self._vault) if spans else text

    def _name(self, copy: str) -> str | None:
        folded = self._forms.get(copy) or self._folded.get(copy.lower())
        return folded or self._grouped.get(_GROUPING.sub("", copy))


class _Masker:
    def __init__(self, findings: tuple[Finding, ...], vault: Vault) -> None:
        self._vault = vault
        self._keys: dict[Path, str] = {}
        self._spans: dict[Path, list[Finding]] = defaultdict(list)
        self._prefixes: set[Path] = set()
        for finding in findings:
            if finding.in_key:
                self._keys[finding.path] = finding.entity
            else:
                self._spans[finding.path].append(finding)
            self._prefixes.update(finding.path[:length] for length in range(len(finding.path) + 1))

    def value(self, value: JsonValue, path: Path) -> JsonValue:
        """Return a masked copy; parts without findings are the originals."""
        if path not in self._prefixes:
            return value
        if isinstance(value, dict):
            return {
                self.key(name, (*path, name)): self.value(item, (*path, name))
                for name, item in value.items()
                if not self._is_setting(item, (*path, name))
            }
        if isinstance(value, list) and path not in self._spans:
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        spans = _merged(self._spans.get(path, ()))
        if not spans:
            return value
        if isinstance(value, str):
            return _mask_text(value, spans, self._vault)
        return self._vault.placeholder(spans[0].entity, str(value))  # a number, or a list of numbers that are one

    def _is_setting(self, value: JsonValue, path: Path) -> bool:
        """Say whether it is a setting like `seed` that holds a finding: no upstream takes a placeholder for a number."""
        is_number = not isinstance(value, str | list | dict)
        return len(path) == 1 and path[0] in NUMBERS and is_number and path in self._spans

    def key(self, name: str, path: Path) -> str:
        """Return the key, or its placeholder."""
        return self._vault.placeholder(self._keys[path], name) if path in self._keys else name


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def mask(body: JsonObject, findings: tuple[Finding, ...], key: bytes) -> tuple[JsonObject, Vault]:
    """Return a copy of the body without what was found, and the vault that knows it; `key` is the conversation's.

    A key that holds a finding becomes a placeholder as a whole; a number that must be one is left out. What is found in
    one place is masked wherever it stands. The body itself isn't changed.
    """
    taken = {name for text in _texts(body) if "<" in text for name in PLACEHOLDER.findall(text)}
    vault = Vault(key, taken)
    masked = _Masker(findings, vault).value(body, ())
    if len(vault):
        masked = _Copies(vault).value(masked)
    assert isinstance(masked, dict)
    return masked, vault

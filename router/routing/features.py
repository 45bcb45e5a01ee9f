"""What a strategy may know of a request: counts and needs, never text."""

from __future__ import annotations

from collections.abc import Set
from decimal import Decimal

from router.core.types import Features, JsonObject, JsonValue, Request
from router.routing.estimate import EXPECTED_OUTPUT_TOKENS

CHARS_PER_TOKEN = 4
"""A rough, model-independent estimate; exact counts come back with the answer's usage."""

MAX_TOKENS_PER_BYTE = 0.5
"""The most that is reckoned with: two bytes of text are a token or less, but for rare scripts and random letters."""

OVERHEAD_TOKENS = 32
"""What a chat template adds, roughly, however short the prompt."""

OVERHEAD_TOKENS_PER_LEAF = 8
MEDIA_TOKENS = 2048
"""What an image, a recording or a file is reckoned with."""

_MEDIA = frozenset({"vision", "audio", "files"})

FIELDS = {
    **dict.fromkeys(("vision", "audio", "files"), "messages"),
    **dict.fromkeys(("json_schema", "json_object"), "response_format"),
    "web_search": "web_search_options",
}
"""Need -> the field of a chat request that asks for it, where it has another name."""

_LONG_CHARS = 4096
_TEXT_FIELDS = ("messages", "tools", "prompt", "input", "system", "instructions")
NEEDS = frozenset({"tools", "vision", "audio", "files", "json_schema", "json_object", "logprobs", "n", "web_search"})
"""All that a request can need; see `core.types.Features.needs`."""

_NEEDS_BY_PART = {"image_url": "vision", "input_audio": "audio", "file": "files"}


def features(
    request: Request,
    text_chars: int,
    untranslatable: tuple[str, ...] = (),
    *,
    bound: bool = False,
    session: str | None = None,
    stuck: str | None = None,
    language: str | None = None,
    max_cost_usd: Decimal | None = None,
    max_input_tokens: int | None = None,
    words: Set[str] = frozenset(),
) -> Features:
    """Compute the features of a request, its body as chat completions say it.

    `text_chars` is how many characters of text it has, `untranslatable` what chat can't say of it,
    `bound` whether only the model that was asked for can answer. `words` are the tasks and tiers that rules name: another
    one is a caller's text and left out, since features are recorded. The others are facts that aren't in the request: see
    `core.types.Features`.
    """
    body = request.body
    return Features(
        input_tokens=text_chars // CHARS_PER_TOKEN,
        max_input_tokens=max_input_tokens,
        max_output_tokens=_most_output_tokens(body),
        choices=_choices(body),
        needs=frozenset(needs(body)),
        task=request.hints.task if request.hints.task in words else None,
        tier=request.hints.tier if request.hints.tier in words else None,
        language=language,
        tenant=request.principal.tenant,
        key=request.principal.id,
        session=session,
        stuck=stuck,
        stream=request.stream,
        native=request.dialect if untranslatable else None,
        untranslatable=untranslatable,
        dialect=request.dialect,
        bound=bound,
        max_cost_usd=max_cost_usd,
        max_latency_ms=request.hints.max_latency_ms,
    )


def most_input_tokens(text_bytes: int, leaves: int, body: JsonObject) -> int:
    """Return the most tokens that a prompt is reckoned with, where a budget must hold: from the size of its text (UTF-8), how
    many texts that are, and what else its chat request holds."""
    messages = body.get("messages")
    count = len(messages) if isinstance(messages, list) else 0
    media = MEDIA_TOKENS * count if needs(body) & _MEDIA else 0
    text = int(text_bytes * MAX_TOKENS_PER_BYTE)
    return text + OVERHEAD_TOKENS + OVERHEAD_TOKENS_PER_LEAF * max(leaves, count) + media


def rough_tokens(body: JsonObject) -> int:
    """Estimate the tokens of a request as it came, in any dialect: of its prompt, and of an answer as long as it may be."""
    limit = _most_output_tokens(body)
    output = EXPECTED_OUTPUT_TOKENS if limit is None else limit
    return text_size(body)[0] // CHARS_PER_TOKEN + _choices(body) * output


def text_size(body: JsonObject) -> tuple[int, int]:
    """Add up (characters, bytes of UTF-8) of the texts in a request of any dialect. Data isn't text: what is embedded in a URL,
    and what is long, ASCII and has no spaces."""
    chars = size = 0
    left: list[JsonValue] = [body.get(field) for field in _TEXT_FIELDS]
    while left:
        value = left.pop()
        if isinstance(value, str):
            is_ascii = value.isascii()
            is_data = value.startswith("data:") or (
                is_ascii and len(value) >= _LONG_CHARS and " " not in value[:_LONG_CHARS]
            )
            if not is_data:
                chars += len(value)
                size += len(value) if is_ascii else len(value.encode(errors="replace"))
        elif isinstance(value, dict):
            for name, one in value.items():
                if name != "role" and name != "type":
                    left.append(one)
        elif isinstance(value, list):
            left.extend(value)
    return chars, size


def _most_output_tokens(body: JsonObject) -> int | None:
    """Return how long an answer may be, in tokens; of several limits the largest: a vendor may know only that one."""
    given = (body.get(name) for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"))
    return max((one for one in given if isinstance(one, int) and not isinstance(one, bool) and one > 0), default=None)


def _choices(body: JsonObject) -> int:
    asked = [value for name in ("n", "best_of") if isinstance(value := body.get(name), int)]
    return max([1, *asked])


def needs(body: JsonObject) -> set[str]:
    """Return the capabilities that a chat request uses, as `Features.needs` lists them."""
    needs: set[str] = set()
    if body.get("tools") or body.get("functions"):
        needs.add("tools")
    if body.get("logprobs") or body.get("top_logprobs"):
        needs.add("logprobs")
    if body.get("web_search_options") is not None:
        needs.add("web_search")
    choices = body.get("n")
    if isinstance(choices, int) and choices > 1:
        needs.add("n")
    modalities = body.get("modalities")
    if body.get("audio") or (isinstance(modalities, list) and "audio" in modalities):
        needs.add("audio")
    response_format = body.get("response_format")
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind in ("json_schema", "json_object"):
        needs.add(str(kind))
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind in _NEEDS_BY_PART:
                needs.add(_NEEDS_BY_PART[kind])
    return needs

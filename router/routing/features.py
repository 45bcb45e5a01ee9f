"""What a strategy may know of a request: counts and needs, never text."""

from __future__ import annotations

from decimal import Decimal

from router.core.types import Features, JsonObject, JsonValue, Request

CHARS_PER_TOKEN = 4
"""A rough, model-independent estimate; exact counts come back with the answer's usage."""

FIELDS = {
    **dict.fromkeys(("vision", "audio", "files"), "messages"),
    **dict.fromkeys(("json_schema", "json_object"), "response_format"),
    "web_search": "web_search_options",
}
"""Need -> the field of a chat request that asks for it, where it has another name."""

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
) -> Features:
    """Compute the features of a request, its body as chat completions say it.

    `text_chars` is how many characters of text it has (as the scan counted), `untranslatable` what chat can't say of it,
    `bound` whether only the model that was asked for can answer. The others are facts that aren't in the request: see
    `core.types.Features`.
    """
    body = request.body
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return Features(
        input_tokens=text_chars // CHARS_PER_TOKEN,
        max_output_tokens=limit if isinstance(limit, int) else None,
        needs=frozenset(_needs(body)),
        task=request.hints.task,
        tier=request.hints.tier,
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


def text_chars(body: JsonObject) -> int:
    """Count the characters of text in a chat request, for one that no scan counted."""
    return sum(_chars(body.get(field)) for field in ("messages", "tools", "prompt", "input"))


def _chars(value: JsonValue) -> int:
    if isinstance(value, str):
        return 0 if value.startswith("data:") else len(value)
    if isinstance(value, dict):
        return sum(_chars(one) for name, one in value.items() if name not in ("role", "type"))
    return sum(_chars(one) for one in value) if isinstance(value, list) else 0


def _needs(body: JsonObject) -> set[str]:
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

"""How each dialect says how long an answer may be, and the limit that is set where a request says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from router.core.types import Dialect, JsonObject

FIELDS: Mapping[Dialect, tuple[str, ...]] = {
    Dialect.CHAT: ("max_completion_tokens", "max_tokens"),
    Dialect.RESPONSES: ("max_output_tokens",),
}
"""Of the dialects in which a request may leave it open: completions end after 16 tokens by default, Anthropic demands a limit.
"""


def limited(body: JsonObject, dialect: Dialect, max_tokens: int) -> JsonObject:
    """Return the body with a limit, in tokens, for the length of an answer; as it is where it has one or needs none."""
    fields = FIELDS.get(dialect, ())
    if not fields or any(body.get(name) is not None for name in fields):
        return body
    return {**body, fields[0]: max_tokens}

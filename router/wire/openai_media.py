"""Where images, recordings and files of chat messages are: in the request, or at an address that who reads it would fetch. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from router.core.types import JsonValue

_HERE = "data:"


def fetched_part(contents: Sequence[JsonValue]) -> str | None:
    """Find a part of messages' contents that isn't in the request itself; return its place, as `messages[0].content[1]`.

    An address is what stands under a name that ends in `url`, in a part or one level deeper: so the servers that would
    fetch it find it, whatever the part's type says. What a text part quotes lies deeper and is fetched by nobody.
    Source: `_parse_chat_message_content_mm_part` in vllm/renderers/chat_utils.py in 0.32.0.
    """
    for at, content in enumerate(contents):
        if isinstance(content, list):
            for index, part in enumerate(content):
                if isinstance(part, dict) and any(_is_away(name, value) for name, value in part.items()):
                    return f"messages[{at}].content[{index}]"
    return None


def _is_away(name: str, value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(not isinstance(inner, dict) and _is_away(key, inner) for key, inner in value.items())
    return isinstance(value, str) and name.lower().endswith("url") and value[: len(_HERE)].lower() != _HERE


def refusal(place: str) -> str:
    """Say what to do about a part that `fetched_part` found."""
    return (
        f"{place} is an address, and the local engine fetches nothing; put the image, recording or file itself there, as "
        "data:<media type>;base64,…"
    )

"""Puts an adapter's own words into a request: its system prompt, and the template around what a user says."""

from __future__ import annotations

import msgspec

from local_inference.card import PLACEHOLDER
from router.core.adapters import AdapterCard

_MESSAGES = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str])
_INSTRUCTING = (b'"system"', b'"developer"')
Body = dict[str, msgspec.Raw]


def apply_card(body: Body, card: AdapterCard) -> None:
    """Change a body in place as a card asks; what can't be read stays as it is, for the engine to refuse."""
    if card.system_prompt is None and card.prompt_template is None:
        return
    if "messages" in body:
        try:
            messages = _MESSAGES.decode(body["messages"])
        except msgspec.DecodeError:
            return
        changed = _with_template(messages, card.prompt_template)
        body["messages"] = msgspec.Raw(msgspec.json.encode(_with_system(changed, card.system_prompt)))
    elif "prompt" in body and card.prompt_template is not None:
        body["prompt"] = _prompt(body["prompt"], card.prompt_template)


def _with_system(messages: list[Body], prompt: str | None) -> list[Body]:
    """Put the system prompt first, unless the caller sent one."""
    if prompt is None or any(bytes(message.get("role", b"")) in _INSTRUCTING for message in messages):
        return messages
    return [{"role": _raw("system"), "content": _raw(prompt)}, *messages]


def _with_template(messages: list[Body], template: str | None) -> list[Body]:
    """Put every message of a user into the template: so a conversation's earlier turns stay what they were."""
    if template is None:
        return messages
    return [
        {**message, "content": _content(message["content"], template)}
        if bytes(message.get("role", b"")) == b'"user"' and "content" in message
        else message
        for message in messages
    ]


def _content(raw: msgspec.Raw, template: str) -> msgspec.Raw:
    """Fill in a text, or the texts among a message's parts as if they were one."""
    try:
        return _raw(filled(template, _TEXT.decode(raw)))
    except msgspec.DecodeError:
        pass
    try:
        parts = _MESSAGES.decode(raw)
        texts = {index: _TEXT.decode(part["text"]) for index, part in enumerate(parts) if "text" in part}
    except msgspec.DecodeError:
        return raw
    if not texts or _is_filled(template, "".join(texts.values())):
        return raw
    before, after = template.split(PLACEHOLDER)
    texts[min(texts)] = before + texts[min(texts)]
    texts[max(texts)] += after
    for index, text in texts.items():
        parts[index]["text"] = _raw(text)
    return msgspec.Raw(msgspec.json.encode(parts))


def _prompt(raw: msgspec.Raw, template: str) -> msgspec.Raw:
    try:
        return _raw(filled(template, _TEXT.decode(raw)))
    except msgspec.DecodeError:
        pass
    try:
        return _raw([filled(template, text) for text in _TEXTS.decode(raw)])
    except msgspec.DecodeError:
        return raw  # token numbers


def filled(template: str, text: str) -> str:
    """Put a text where `{prompt}` stands; one that stands in the template already is left alone."""
    return text if _is_filled(template, text) else template.replace(PLACEHOLDER, text)


def _is_filled(template: str, text: str) -> bool:
    before, after = (part.strip() for part in template.split(PLACEHOLDER))
    return bool(before or after) and text.strip().startswith(before) and text.strip().endswith(after)


def _raw(value: str | list[str]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))

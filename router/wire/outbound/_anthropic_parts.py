"""Pictures and files in Anthropic's dialect; no I/O."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TypeAlias

from router.core.errors import InvalidRequest

_Fields: TypeAlias = dict[str, object]

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_FILE = re.compile(r"data:(?P<type>[\w.+-]{1,60}/[\w.+-]{1,60})(?:;[^,;]{0,60})*;base64,", re.IGNORECASE)


def image(url: str, param: str) -> _Fields:
    """Translate the address of a picture.

    Raises:
        InvalidRequest: it is neither an https URL nor a data URL of a type that Claude reads.
    """
    if url[:8].lower() == "https://":
        return {"type": "image", "source": {"type": "url", "url": url}}
    head, _, data = url.partition(",")
    head = head.lower()
    media_type = head.removeprefix("data:").partition(";")[0].replace("image/jpg", "image/jpeg")
    if not (head.startswith("data:") and head.endswith(";base64") and media_type in _IMAGE_TYPES and data):
        known = ", ".join(_IMAGE_TYPES)
        raise InvalidRequest(f"an image must be an https URL, or base64 in a data URL of type {known}", param=param)
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def attached(data: str, name: str | None, param: str) -> _Fields:
    """Translate a file that comes along as a data URL: a PDF, or text.

    Raises:
        InvalidRequest: it is neither.
    """
    match = _FILE.match(data)
    kind = match["type"].lower() if match else ""
    content = data[match.end() :] if match else ""
    if kind == "application/pdf":
        source: _Fields = {"type": "base64", "media_type": kind, "data": content}
    else:
        try:
            text = base64.b64decode(content, validate=True).decode() if kind.startswith("text/") else ""
        except (binascii.Error, UnicodeDecodeError):
            text = ""
        if not text:
            raise InvalidRequest("a file must be a PDF or a text, as base64 in a data URL", param=param)
        source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **({"title": name} if name else {})}

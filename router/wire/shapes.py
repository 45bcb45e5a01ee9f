"""Checks of a decoded request body against the types that its dialect says its fields have."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from router.core.errors import InvalidRequest

Shape = TypeVar("Shape", bound=msgspec.Struct)

MAX_MODEL_CHARS = 256

_QUOTED = re.compile(r"^Invalid (?:enum )?value .*(?= - at `)", re.DOTALL)
"""What a message quotes of the caller's text; it may be anything."""
_PATH = re.compile(r" - at `\$\.?(.*?)`$")


def convert(body: object, shape: type[Shape], where: str = "") -> Shape:
    """Read the fields that a shape names; what it doesn't name is nobody's business here.

    `where` is the path of `body` in the request, for the error.

    Raises:
        InvalidRequest: a field is missing or of the wrong type; `param` names it.
    """
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        path = _PATH.search(str(error))
        inner = path.group(1) if path else ""
        dot = "." if where and inner and not inner.startswith("[") else ""
        text = _QUOTED.sub("Invalid value", str(error))
        raise InvalidRequest(f"invalid request: {text}", param=f"{where}{dot}{inner}" or None) from None


def check_model(model: str) -> None:
    """Check that a model's name can be one.

    Raises:
        InvalidRequest: it is empty or too long.
    """
    if len(model) > MAX_MODEL_CHARS:
        raise InvalidRequest(f"'model' is longer than {MAX_MODEL_CHARS} characters", param="model")
    if not model:
        raise InvalidRequest("'model' is empty; send 'auto' to let the router choose", param="model")


def in_bounds(name: str, value: float | None, low: float, high: float | None = None) -> None:
    """Check a number, if there is one.

    Raises:
        InvalidRequest: it is out of bounds, both of which are allowed values.
    """
    if value is None or (value >= low and (high is None or value <= high)):
        return
    bounds = f"between {low} and {high}" if high is not None else f"at least {low}"
    raise InvalidRequest(f"'{name}' must be {bounds}", param=name)

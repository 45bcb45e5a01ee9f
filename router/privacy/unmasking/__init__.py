"""Puts the masked values back into an answer, whole or event by event, whatever dialect it is in; one module a dialect."""

from __future__ import annotations

import importlib
from typing import Protocol

import msgspec

from router.core.errors import UpstreamProtocolError
from router.core.types import Delta, Dialect, JsonObject, JsonValue
from router.privacy.masking import Vault

_DECODER = msgspec.json.Decoder(dict[str, object])


class Restorer(Protocol):
    """Restores one answer in one dialect; holds back, per text, only what may be the start of a placeholder."""

    def restore(self, payload: JsonObject, event: bytes | None) -> list[tuple[bytes | None, JsonObject]]:
        """Return (name, payload) of each event to send in place of this one; `payload` may be changed in place.

        Nothing is lost: where a text ends, what was held back of it is given out.
        """
        ...


class Unmasker:
    """Restores one request's answer."""

    def __init__(self, vault: Vault, response_format: JsonValue = None, *, is_whole: bool = False) -> None:
        """Take the request's vault, and the format it asked for as chat completions say it: JSON stays JSON.

        `is_whole`: the answer comes in one piece, so that nothing of it is held back, whether or not it says that it is over.
        """
        kind = response_format.get("type") if isinstance(response_format, dict) else None
        self._vault = vault
        self._is_json = kind in ("json_object", "json_schema")
        self._is_whole = is_whole
        self._restorers: dict[Dialect, Restorer] = {}

    def restore(self, delta: Delta) -> list[Delta]:
        """Return the deltas to pass on in place of this one, with all placeholders replaced.

        Raises:
            UpstreamProtocolError: the payload isn't a JSON object, or one too deep.
        """
        try:
            payload: JsonObject = _DECODER.decode(delta.payload)  # pyright: ignore[reportAssignmentType] decoded JSON
            restored = self._restorer(delta.dialect).restore(payload, delta.event)
            encoded = [(event, msgspec.json.encode(one)) for event, one in restored]
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise UpstreamProtocolError("The upstream's answer isn't a JSON object.") from None
        before = [Delta(payload=one, event=event, dialect=delta.dialect) for event, one in encoded[:-1]]
        last = [msgspec.structs.replace(delta, payload=one, event=event) for event, one in encoded[-1:]]
        return before + last

    def _restorer(self, dialect: Dialect) -> Restorer:
        """Find the one for a dialect; a request has several answers' dialects only before any of them was shown."""
        if dialect not in self._restorers:
            module = importlib.import_module(f"{__name__}.{dialect.value}")
            self._restorers[dialect] = module.build(self._vault, is_json=self._is_json, is_whole=self._is_whole)
        return self._restorers[dialect]

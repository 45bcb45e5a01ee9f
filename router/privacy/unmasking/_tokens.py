"""Puts the masked values back into log probabilities, where a placeholder stands cut into tokens."""

from __future__ import annotations

from router.core.types import JsonObject, JsonValue
from router.privacy.masking import StreamUnmasker, Vault


class TokenUnmasker:
    """Restores the tokens of one text, a few at a time; the token that ends a placeholder gets the value, those before it nothing.

    Joined, the tokens are the text as it is restored.
    """

    def __init__(self, vault: Vault, *, in_json: bool) -> None:
        """Take the request's vault, and whether the text is JSON."""
        self._vault = vault
        self._stream = StreamUnmasker(vault, in_json=in_json)
        self._last: JsonObject = {}

    def feed(self, tokens: JsonValue) -> None:
        """Restore tokens in place: objects with `token`, `bytes` and `top_logprobs`; anything else stays."""
        for token in tokens if isinstance(tokens, list) else ():
            if isinstance(token, dict):
                self._last = dict(token)
                _write(token, self.text(token.get("token")))
                alternatives = token.get("top_logprobs")
                for one in alternatives if isinstance(alternatives, list) else ():
                    if isinstance(one, dict) and isinstance(text := one.get("token"), str):
                        _write(one, self._vault.unmask(text))

    def text(self, token: JsonValue) -> JsonValue:
        """Return what one token's text becomes."""
        return self._stream.feed(token) if isinstance(token, str) else token

    def rest(self) -> str:
        """Return what is held back; the text is over, so it is part of no placeholder."""
        return self._stream.flush()

    def flush(self, tokens: list[JsonValue]) -> None:
        """Give what is held back to the last token, or in one like the last."""
        rest = self.rest()
        if not rest:
            return
        last = tokens[-1] if tokens else None
        if isinstance(last, dict) and isinstance(before := last.get("token"), str):
            _write(last, before + rest)
        else:
            _write(self._last, rest)
            tokens.append(self._last)


def _write(token: JsonObject, text: JsonValue) -> None:
    """Change a token's text, and its bytes with it."""
    if isinstance(text, str) and text != token.get("token"):
        token["token"] = text
        if token.get("bytes") is not None:
            token["bytes"] = [*text.encode("utf-8", "surrogatepass")]

"""Google's generateContent, and the token host of the service account that Vertex AI is called with."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from router.core.types import JsonObject, JsonValue

_TOKEN_PATH = "/made-up-token"


def wants_stream(path: str, body: JsonObject) -> bool:
    """Say whether a request asks for a stream."""
    del body
    return ":streamGenerateContent" in path


def whole(model: str, text: str) -> bytes:
    """Encode a whole answer."""
    return _event(model, text, "STOP")


def events(model: str, text: str) -> Iterator[bytes]:
    """Yield the frames of a stream, a few characters each, so that anything can be cut in two."""
    for start in range(0, len(text), 7):
        yield b"data: " + _event(model, text[start : start + 7], None) + b"\r\n\r\n"
    yield b"data: " + _event(model, "", "STOP") + b"\r\n\r\n"


def beside(path: str) -> bytes | None:
    """Encode the answer to a request that is none for the model; None = it is one."""
    return b'{"access_token": "made-up", "expires_in": 3600}' if path == _TOKEN_PATH else None


def redirected(options: dict[str, JsonValue], url: str) -> dict[str, JsonValue]:
    """Replace a service account by a made-up one whose token host is the mock at `url`."""
    if options.get("credentials") is None:
        return options
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {
        "type": "service_account",
        "project_id": "made-up",
        "client_email": "made-up@made-up.iam.gserviceaccount.com",
        "private_key": pem,
        "token_uri": url + _TOKEN_PATH,
    }
    return {**options, "credentials": msgspec.json.encode(account).decode()}


def _event(model: str, text: str, finish: str | None) -> bytes:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20}
    answer = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "r-1"}
    return msgspec.json.encode(answer)

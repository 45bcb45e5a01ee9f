"""Amazon's side of a request: its own service model as a judge of bodies, and a signature worked out from the specification.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, 2026-11.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.session import Session
from botocore.validate import ParamValidator

from tests.fakes.scripted import Asked


def operation(name: str) -> OperationModel:
    """Load an operation of Bedrock's runtime."""
    return Session().get_service_model("bedrock-runtime").operation_model(name)


class Spec:
    """What the service model says of one operation."""

    def __init__(self, name: str) -> None:
        self.operation = operation(name)
        self._validator = ParamValidator()
        self._serializer = create_serializer("rest-json")

    def problems(self, body: dict[str, Any], model: str) -> str:
        """Say what of a body doesn't fit the operation's input: names, types, bounds, patterns, choices."""
        params = self._params(body, model)
        shape = self.operation.input_shape
        report = self._validator.validate(params, shape)
        return report.generate_report() or "; ".join(_strict(params, shape, "body"))

    def serialized(self, body: dict[str, Any], model: str) -> tuple[str, dict[str, Any]]:
        """Return (path, body) as botocore would send them."""
        request = self._serializer.serialize_to_request(self._params(body, model), self.operation)
        return request["url_path"], json.loads(request["body"])

    def parsed(self, payload: bytes | Stream) -> dict[str, Any]:
        """Parse an answer as botocore does."""
        response = {"status_code": 200, "headers": {}, "body": payload, "context": {"operation_name": "x"}}
        return create_parser("rest-json").parse(response, self.operation.output_shape)

    def _params(self, body: dict[str, Any], model: str) -> dict[str, Any]:
        return {"modelId": model, **_with_bytes(body, self.operation.input_shape)}


class Stream:
    """A body that botocore reads in pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> list[bytes]:
        return [self._data]


def _with_bytes(value: Any, shape: Shape) -> Any:
    """Turn the base64 of JSON into the bytes that botocore takes."""
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    if isinstance(shape, StructureShape) and isinstance(value, dict) and not shape.is_document_type:
        known = shape.members
        return {key: _with_bytes(item, known[key]) if key in known else item for key, item in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_with_bytes(item, shape.member) for item in value]
    return value


def _strict(value: Any, shape: Shape, where: str) -> list[str]:
    """What botocore leaves to the service: choices, patterns and upper bounds."""
    found: list[str] = []
    rules = shape.metadata
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        for key, item in value.items():
            found += _strict(item, shape.members[key], f"{where}.{key}")
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            found += _strict(item, shape.member, f"{where}[{index}]")
    elif isinstance(shape, MapShape):
        return found
    if isinstance(value, str):
        if rules.get("enum") and value not in rules["enum"]:
            found.append(f"{where}: {value!r} is none of {rules['enum']}")
        if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
            found.append(f"{where}: {value!r} doesn't match")
    size = len(value) if isinstance(value, str | list | bytes) else value
    if isinstance(size, int | float) and not isinstance(size, bool) and size > rules.get("max", size):
        found.append(f"{where}: larger than {rules['max']}")
    return found


def signature_holds(asked: Asked, secret: str, *, region: str, service: str) -> bool:
    """Work out a request's signature anew from what arrived, and compare."""
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
        asked.headers.get("authorization", ""),
    )
    if match is None or match[3] != region or match[4] != service:
        return False
    names = match[5].split(";")
    stamp = asked.headers["x-amz-date"]
    if not {"host", "x-amz-date"} <= set(names) or stamp[:8] != match[2]:
        return False
    canonical = "\n".join(
        [
            asked.method,
            quote(urlsplit(asked.path).path, safe="/-_.~"),
            "",
            *(f"{name}:{' '.join(asked.headers[name].split())}" for name in names),
            "",
            match[5],
            hashlib.sha256(asked.body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(key.hex(), match[6])

"""Whatever a caller sends to whichever endpoint: no bug, no hang, an error in the caller's own dialect, or a right answer.

`SONA_FUZZ_EXAMPLES=30000 SONA_FUZZ_SEED=7` tries more, and others.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anthropic.types
import httptools
import openai.types
import openai.types.chat
import openai.types.responses
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pydantic import TypeAdapter

from tests.fakes.mutations import CANARY, SHOTS, Shot
from tests.fakes.stack import Stack
from tests.fakes.upstreams import every_upstream

pytestmark = pytest.mark.timeout(7200)

EXAMPLES = int(os.environ.get("SONA_FUZZ_EXAMPLES", "1500"))
SEED = os.environ.get("SONA_FUZZ_SEED")
WITHIN_S = 10.0
DOCS = Path(__file__).parents[2] / "docs" / "errors.md"
CODES = {code: int(status) for status, code in re.findall(r"^\| `\w+` \| (\d+) \| `(\w+)`", DOCS.read_text(), re.MULTILINE)}  # fmt: skip
ANTHROPIC_TYPES = frozenset(
    "invalid_request_error authentication_error permission_error not_found_error request_too_large rate_limit_error "
    "api_error overloaded_error timeout_error billing_error".split()
)
WHOLE: dict[str, TypeAdapter[Any]] = {
    "/v1/chat/completions": TypeAdapter(openai.types.chat.ChatCompletion),
    "/v1/completions": TypeAdapter(openai.types.Completion),
    "/v1/embeddings": TypeAdapter(openai.types.CreateEmbeddingResponse),
    "/v1/responses": TypeAdapter(openai.types.responses.Response),
    "/v1/messages": TypeAdapter(anthropic.types.Message),
    "/v1/messages/count_tokens": TypeAdapter(anthropic.types.MessageTokensCount),
    "/v1/route/explain": TypeAdapter(dict[str, Any]),
}
EVENTS: dict[str, TypeAdapter[Any]] = {
    "/v1/chat/completions": TypeAdapter(openai.types.chat.ChatCompletionChunk),
    "/v1/completions": TypeAdapter(openai.types.Completion),
    "/v1/responses": TypeAdapter(openai.types.responses.ResponseStreamEvent),
    "/v1/messages": TypeAdapter(anthropic.types.RawMessageStreamEvent),
}
LAST = {"/v1/responses": ("response.completed", "response.incomplete", "response.failed"), "/v1/messages": ("message_stop",)}  # fmt: skip


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="module", params=["scanned", "unscanned"])
def stack(
    request: pytest.FixtureRequest, runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    privacy: dict[str, object] = {"on_sensitive": "mask", "scan": {"deadline_ms": 3000}}
    own = privacy if request.param == "scanned" else {"scan": {"enabled": False}}
    whole = every_upstream(tmp_path_factory.mktemp("fuzz"), own)
    yield runner.run(whole.__aenter__()).stack
    runner.run(whole.__aexit__(None, None, None))


class Answer:
    """What came back, as `httptools` reads it."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status, self.headers, self.body, self.is_complete = 0, dict[str, str](), b"", False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


async def fire(port: int, shot: Shot) -> Answer:
    """Send one request on a connection of its own; one whose length is a lie is ended by the sender."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    lines = [f"{shot.method} {shot.path} HTTP/1.1", "host: router", "connection: close"]
    lines += [f"content-length: {max(len(shot.body) + shot.lie, 0)}"]
    lines += [f"{name}: {value}" for name, value in shot.headers]
    answer = Answer()
    with suppress(ConnectionError, httptools.HttpParserError):
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + shot.body)
        await writer.drain()
        if shot.lie > 0:
            writer.write_eof()
        while not answer.is_complete and (data := await reader.read(2**16)):
            answer.parser.feed_data(data)
    writer.close()
    return answer


def check_error(shot: Shot, path: str, status: int, error: Any) -> None:
    """Check an error's body, and that it repeats nothing but a field's name, where that is a word."""
    told = json.dumps({**error, "request_id": ""} if "request_id" in error else error)
    assert CANARY not in told.replace(f'"param": "{CANARY}"', "").lower(), told
    is_anthropic = path.startswith("/v1/messages") or error.get("type") == "error"
    inner = error["error"]
    assert isinstance(inner["message"], str)
    if is_anthropic:
        assert set(error) == {"type", "error", "request_id"}, told
        assert inner["type"] in ANTHROPIC_TYPES, told
    else:
        assert set(error) == {"error"}, told
        assert set(inner) == {"message", "type", "param", "code"}, told
        assert isinstance(inner["type"], str)
        assert inner["param"] is None or isinstance(inner["param"], str)
    assert inner["code"] in CODES, told
    assert status == CODES[inner["code"]] or (inner["code"], status) == ("all_targets_failed", 429), told
    del shot


def check_stream(path: str, body: bytes) -> None:
    """Check that a stream holds events of its dialect, and ends with its end or with an error."""
    text = body.decode()
    assert text.endswith("\n\n"), text[-200:]
    datas = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    is_done = datas[-1] == "[DONE]"
    events = [json.loads(data) for data in datas if data != "[DONE]"]
    last = events[-1]
    if "error" in last or last.get("type") == "error":
        assert not is_done
        assert CANARY not in json.dumps(last)
        events.pop()
    elif path in LAST:
        assert last["type"] in LAST[path]
    else:
        assert is_done
    for event in events:
        if path == "/v1/responses" and "response" in event:
            event["response"] = _told(event["response"])
        if event.get("type") == "ping":  # the SDK's stream leaves it out before it reads a type
            continue
        EVENTS[path].validate_python(_finished(event) if path == "/v1/completions" else event)


def _finished(completion: Any) -> Any:
    """Say that it is finished: the SDK's type has no word for one that isn't, which its own API sends all the same."""
    choices = [{**choice, "finish_reason": choice.get("finish_reason") or "stop"} for choice in completion["choices"]]
    return {**completion, "choices": choices}


def _told(response: Any) -> Any:
    """Leave out choices of words, which the SDK's types know and the SDK itself doesn't check.

    The fake cloud repeats a request that the real one would refuse: of its answers all that is repeated is left out.
    """
    words = {"reasoning": None, "truncation": None, "text": {**(response.get("text") or {}), "verbosity": None}}
    repeated = {"tools": [], "tool_choice": "auto", "text": None, "metadata": None}
    return {**response, **words, **(repeated if response["model"] == "ok" else {})}


def check_whole(path: str, body: Any) -> None:
    """Check that a whole answer is of its dialect's type."""
    if path == "/v1/responses":
        body = _told(body)
    if path == "/v1/embeddings":
        for item in body["data"]:  # base64 is decoded by the SDK before its type is made
            item["embedding"] = [0.0] if isinstance(item["embedding"], str) else item["embedding"]
    WHOLE[path].validate_python(_finished(body) if path == "/v1/completions" else body)


def check(shot: Shot, answer: Answer) -> None:
    """Check one answer by what was asked."""
    path = shot.path.partition("?")[0]
    if answer.status == 0:
        assert shot.lie or shot.path.startswith("//"), "no answer"
        return
    if answer.status == 400 and answer.headers.get("content-type", "").startswith("text/plain"):
        # The server's own words for what isn't HTTP.
        assert shot.method == "ZQCANARY" or shot.lie, answer.body
        return
    assert answer.status != 500, answer.body
    told = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "request-id")}
    dropped = told.pop("x-router-dropped", "")
    assert re.fullmatch(r"[A-Za-z0-9_.,-]*", dropped), dropped
    assert CANARY not in str(told), told
    if shot.method == "HEAD":
        return
    assert answer.is_complete
    if answer.status != 200:
        assert answer.headers["content-type"].startswith("application/json"), answer.headers
        check_error(shot, path, answer.status, json.loads(answer.body))
    elif path in WHOLE and shot.method == "POST":
        if answer.headers["content-type"].startswith("text/event-stream"):
            check_stream(path, answer.body)
        else:
            check_whole(path, json.loads(answer.body))


@settings(
    max_examples=EXAMPLES // 2,
    deadline=None,
    derandomize=SEED is None,
    database=None,
    phases=(Phase.explicit, Phase.generate) if SEED else (Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(SHOTS)
def test_every_request_gets_a_right_answer_or_an_error_of_its_dialect(
    stack: Stack, runner: asyncio.Runner, shot: Shot
) -> None:
    async def one() -> Answer:
        async with asyncio.timeout(WITHIN_S):
            return await fire(stack.port, shot)

    check(shot, runner.run(one()))


if SEED is not None:
    seed(int(SEED))(test_every_request_gets_a_right_answer_or_an_error_of_its_dialect)

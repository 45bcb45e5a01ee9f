"""An engine without a model: answers tell which adapter served them; load times, failures and crashes are options."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
from pydantic import Field

from local_inference.ports import BASE_NAME, EngineConfig, EngineDeps, Memory
from router.core.errors import UpstreamRejected, UpstreamUnavailable


class Config(EngineConfig):
    """Options of the fake; times in milliseconds. `model` may name a folder, for its shapes."""

    model: str = "fake"
    start_ms: float = Field(0.0, ge=0)
    load_ms: float = Field(1.0, ge=0)
    token_ms: float = Field(0.0, ge=0)
    fail_load: tuple[str, ...] = ()
    """Adapter names, or ids of versions, that the engine refuses to load."""
    no_effect: tuple[str, ...] = ()
    """Adapter names that load and change nothing."""
    not_finite: tuple[str, ...] = ()
    """Adapter names that make the model compute NaN."""
    crash_on_load: tuple[str, ...] = ()
    """Adapter names whose load ends the engine."""
    crash_after: int | None = Field(None, ge=1)
    """The engine ends in the middle of this answer, once."""


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content)
        return self.content or ""


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Body(msgspec.Struct):
    model: str
    messages: list[_Message] = []
    prompt: str | list[str] = ""
    stream: bool = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    logprobs: bool | int | None = None


Choices: TypeAlias = Sequence[Mapping[str, object]]
_BODY = msgspec.json.Decoder(_Body)


class _Answer:
    """An answer made here; its body comes word by word."""

    def __init__(self, status: int, content_type: str, body: AsyncIterator[bytes]) -> None:
        self.status = status
        self.content_type = content_type
        self._body = body

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self._body])

    def chunks(self) -> AsyncIterator[bytes]:
        return self._body


class FakeEngine:
    """Keeps adapters by name only. `cancelled` counts answers whose reader went away."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._died = asyncio.Event()
        self._died.set()
        self._reason = ""
        self._answers = 0
        self.loaded: dict[str, Path] = {}
        self._host: list[str] = []
        self._device: list[str] = []
        self.users: Counter[str] = Counter()
        """Running requests of each adapter."""
        self.evictions: list[tuple[str, bool]] = []
        self.fetches: list[str] = []
        self.starts = 0
        self.running = 0
        self.cancelled = 0
        self.bodies: list[bytes] = []

    async def start(self, progress: Callable[[str], None]) -> None:
        progress("pretending")
        await asyncio.sleep(self._config.start_ms / 1000)
        self.starts += 1
        self._died.clear()

    async def wait_exit(self) -> str:
        await self._died.wait()
        return self._reason

    async def stop(self) -> None:
        self.crash("stopped")

    def crash(self, reason: str = "crashed") -> None:
        """End at once, as if killed."""
        self._reason = reason
        self.loaded.clear()
        self._host.clear()
        self._device.clear()
        self._died.set()

    async def load(self, name: str, path: Path) -> None:
        self._check_alive()
        await asyncio.sleep(self._config.load_ms / 1000)
        self._check_alive()
        adapter = name.partition("@")[0]
        if adapter in self._config.crash_on_load:
            self.crash(f"crashed while loading {adapter}")
            self._check_alive()
        if {adapter, name} & set(self._config.fail_load) or not path.is_absolute():
            raise UpstreamRejected(f"refused to load '{adapter}'")
        self.loaded[name] = path
        self._touch(name)

    async def unload(self, name: str) -> None:
        self._check_alive()
        if self.users[name]:
            raise UpstreamRejected(f"requests still use '{name}'")
        self.loaded.pop(name, None)
        self._forget(name)

    async def memory(self) -> Memory:
        self._check_alive()
        return Memory(host=tuple(self._host), device=tuple(self._device))

    async def evict(self, name: str, *, from_host: bool) -> None:
        self._check_alive()
        if from_host and self.users[name]:
            raise UpstreamRejected(f"requests still use '{name}'")
        self.evictions.append((name, from_host))
        self._forget(name, from_host=from_host)

    async def fetch(self, name: str) -> None:
        self._check_alive()
        await asyncio.sleep(self._config.load_ms / 1000)
        if name in self.loaded:
            self.fetches.append(name)
            self._touch(name)

    async def activation_ms(self, name: str) -> float | None:
        self._check_alive()
        return self._config.load_ms / 10

    def _touch(self, name: str) -> None:
        """Move an adapter to the device, as vLLM's two LRU caches do."""
        for cache, slots in ((self._host, self._config.max_cpu_loras), (self._device, self._config.max_loras)):
            if name in cache:
                cache.remove(name)
            cache.append(name)
            while len(cache) > slots:
                self._forget(cache[0], from_host=cache is self._host)

    def _forget(self, name: str, *, from_host: bool = True) -> None:
        for cache in (self._device, self._host) if from_host else (self._device,):
            if name in cache:
                cache.remove(name)

    @asynccontextmanager
    async def send(self, path: str, body: bytes, *, urgent: bool = False) -> AsyncGenerator[_Answer]:
        self._check_alive()
        self.bodies.append(body)
        self.running += 1
        name = _model(body)
        if name in self.loaded:
            self._touch(name)
        self.users[name] += 1
        try:
            yield self._answer(path, body)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
            self.users[name] -= 1

    def _answer(self, path: str, data: bytes) -> _Answer:
        try:
            body = _BODY.decode(data)
        except msgspec.DecodeError as error:
            return _error(400, str(error))
        if body.model != BASE_NAME and body.model not in self.loaded:
            return _error(404, f"The model `{body.model}` does not exist.")
        chat = path == "/v1/chat/completions"
        if chat and not body.messages:
            return _error(400, "Provide at least one message.")
        if not chat and body.logprobs is not None:
            return _Answer(200, "application/json", self._probabilities(body))
        if body.stream:
            return _Answer(200, "text/event-stream; charset=utf-8", self._events(body, chat))
        return _Answer(200, "application/json", self._whole(body, chat))

    async def _words(self, body: _Body) -> AsyncIterator[str]:
        """Say who answers, then echo the last user message."""
        self._answers += 1
        doomed = self._answers == self._config.crash_after
        for word in _text(body).split()[: body.max_tokens]:
            await asyncio.sleep(self._config.token_ms / 1000)
            self._check_alive()
            yield word
            if doomed:
                self.crash()

    async def _whole(self, body: _Body, chat: bool) -> AsyncIterator[bytes]:
        text = " ".join([word async for word in self._words(body)])
        self._check_alive()
        part = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice = {"index": 0, "finish_reason": "stop", **part}
        yield _envelope(body, "chat.completion" if chat else "text_completion", [choice], _usage(body, text))

    async def _events(self, body: _Body, chat: bool) -> AsyncIterator[bytes]:
        kind = "chat.completion.chunk" if chat else "text_completion"
        said: list[str] = []
        async for word in self._words(body):
            text = word if not said else f" {word}"
            said.append(text)
            part = {"delta": {"role": "assistant", "content": text}} if chat else {"text": text}
            yield _event(_envelope(body, kind, [{"index": 0, "finish_reason": None, **part}]))
        last: dict[str, object] = {"delta": {}} if chat else {"text": ""}
        yield _event(_envelope(body, kind, [{"index": 0, "finish_reason": "stop", **last}]))
        if body.stream_options and body.stream_options.include_usage:
            yield _event(_envelope(body, kind, [], _usage(body, "".join(said))))
        yield b"data: [DONE]\n\n"

    async def _probabilities(self, body: _Body) -> AsyncIterator[bytes]:
        adapter = body.model.partition("@")[0]
        plain = body.model == BASE_NAME or adapter in self._config.no_effect
        value = -1.0 if plain else -1.5
        if adapter in self._config.not_finite:
            value = float("nan")
        prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
        logprobs = {"tokens": ["a"], "token_logprobs": [value], "top_logprobs": [{"a": value, "b": -2.0}]}
        choices = [{"index": index, "text": "a", "logprobs": logprobs} for index in range(len(prompts))]
        yield _envelope(body, "text_completion", choices)

    def _check_alive(self) -> None:
        if self._died.is_set():
            raise UpstreamUnavailable(self._reason or "not started")


def _model(data: bytes) -> str:
    try:
        return _BODY.decode(data).model
    except msgspec.DecodeError:
        return ""


def _text(body: _Body) -> str:
    prompt = body.prompt if isinstance(body.prompt, str) else " ".join(body.prompt)
    last = next((message.text for message in reversed(body.messages) if message.role == "user"), prompt)
    name = "base" if body.model == BASE_NAME else body.model.partition("@")[0]
    return f"[{name}] {last or ''}"


def _usage(body: _Body, text: str) -> dict[str, int]:
    asked = sum(len(message.text.split()) for message in body.messages)
    said = len(text.split())
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _envelope(body: _Body, kind: str, choices: Choices, usage: dict[str, int] | None = None) -> bytes:
    value = {"id": "fake-1", "object": kind, "created": 0, "model": body.model, "choices": choices, "usage": usage}
    return json.dumps(value).encode()


def _event(payload: bytes) -> bytes:
    return b"data: " + payload + b"\n\n"


def _error(status: int, message: str) -> _Answer:
    async def body() -> AsyncIterator[bytes]:
        error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
        yield json.dumps({"error": error}).encode()

    return _Answer(status, "application/json", body())


def build(config: Config, deps: EngineDeps) -> FakeEngine:
    """Make one; it isn't started yet."""
    return FakeEngine(config)

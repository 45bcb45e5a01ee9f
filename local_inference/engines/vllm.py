"""vLLM as a child process on a private port, with its adapters managed over HTTP; vLLM is never imported here."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import Field, field_validator

from local_inference import guard
from local_inference.engines._http import NO_HEADERS, HttpAnswer, HttpEngine
from local_inference.engines._vllm_scheduler import PATIENCE_VARIABLE, URGENT
from local_inference.ports import BASE_NAME, SPARE_SLOTS, EngineConfig, EngineDeps, Memory
from router.core.clock import monotonic_s
from router.core.engine_environment import engine_environment
from router.core.errors import UpstreamRejected, UpstreamUnavailable

Shape = TypeVar("Shape")
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Source: vllm/config/lora.py in 0.32.0."""
_ADMIN = "/sona/"
"""Where `_vllm_admin` adds routes to vLLM."""
_MIDDLEWARE = "local_inference.engines._vllm_admin.AdminRoutes"
_SCHEDULER = "local_inference.engines._vllm_scheduler.scheduler"
_EXTENSION = "local_inference.engines._vllm_slots.AdapterSlots"
_CPU_EXTENSION = "local_inference.engines._vllm_worker.WorkerExtension"
_NO_HOST = "nothing.invalid"
"""The only host from which vLLM may fetch images and recordings. Source: RFC 6761, 6.4: names in `.invalid` never exist."""
_PACKAGE_ROOT = Path(guard.__file__).parents[1]
_CPU_NICENESS = 10
"""The host and the router answer at once, and the engine has what they leave: nearly all."""
_POLL_S = 0.5
_STOP_S = 8.0
_HEALTH_S, _UNHEALTHY_S = 10.0, 60.0
_TAIL_BYTES, _TAIL_LINES = 16_384, 12
_PHASES = (
    ("Application startup complete", "warming up"),
    ("Loading weights took", "reserving memory"),
    ("Starting to load model", "loading weights"),
    ("Initializing a V1 LLM engine", "starting the engine core"),
)
"""Words in vLLM's log and the phase that they begin, latest first."""

_NOISE = re.compile(r"nanobind|^ - leaked|^ - \.\.\. skipped")


class Config(EngineConfig):
    """What vLLM is started with."""

    dtype: str = "auto"
    max_model_len: int | None = Field(None, ge=1)
    kv_cache_gib: int = Field(1, ge=1)
    """Memory for the KV cache on a CPU; a GPU's follows from `gpu_memory_utilization`."""
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    enforce_eager: bool | None = None
    """None = on a CPU, where compiling takes minutes."""
    start_timeout_s: float = Field(900.0, gt=0)
    adapter_patience_s: float = Field(10.0, gt=0)
    """An adapter whose requests have waited this long for a slot gets another's; less where answers are short."""
    tool_call_parser: str | None = "hermes"
    """How the model writes tool calls; None = requests with tools are refused. See vLLM's list for each model."""
    extra_args: tuple[str, ...] = ()
    """Further options of `vllm serve`."""
    environment: tuple[str, ...] = ()
    """Variables that vLLM gets of the host's environment, beside those of `router.core.engine_environment`."""

    @field_validator("max_lora_rank")
    @classmethod
    def _allowed(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value not in RANKS:
            raise ValueError(f"vLLM accepts {', '.join(map(str, RANKS))}, or auto")
        return value


class _Error(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Error


class _Timed(msgspec.Struct):
    activate_ms: float | None


class VllmEngine:
    """One vLLM server, behind a guard process that outlives neither of us."""

    def __init__(self, config: Config, deps: EngineDeps) -> None:
        self._config = config
        self._log_path = deps.log_path
        self._process: asyncio.subprocess.Process | None = None
        self._http: HttpEngine | None = None

    async def start(self, progress: Callable[[str], None]) -> None:
        """Start the server and warm it up; the first answer of a fresh engine takes seconds."""
        await self.stop()
        port, key = _free_port(), secrets.token_urlsafe(32)
        self._process = await self._spawn(port, key)
        self._http = HttpEngine(f"http://127.0.0.1:{port}", key)
        started_s = monotonic_s()
        while not await self._http.is_healthy(_HEALTH_S):
            if self._process.returncode is not None:
                raise UpstreamUnavailable(f"vLLM ended while it started\n{self._last_lines()}")
            if monotonic_s() - started_s > self._config.start_timeout_s:
                raise UpstreamUnavailable(f"vLLM did not start in {self._config.start_timeout_s:.0f} s")
            progress(self._phase())
            await asyncio.sleep(_POLL_S)
        progress("warming up")
        await self._warm_up()

    async def wait_exit(self) -> str:
        """Wait for the process' end, or until it hasn't answered its health route for a minute."""
        assert self._process is not None
        ended = asyncio.ensure_future(self._process.wait())
        stuck = asyncio.ensure_future(self._wait_stuck())
        try:
            await asyncio.wait((ended, stuck), return_when=asyncio.FIRST_COMPLETED)
            return f"vLLM ended\n{self._last_lines()}" if ended.done() else "vLLM does not answer any more"
        finally:
            ended.cancel()
            stuck.cancel()

    async def stop(self) -> None:
        """Close the guard's pipe: it ends the server and all that this started."""
        process, self._process = self._process, None
        client, self._http = self._http, None
        if client is not None:
            await client.close()
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()

    async def load(self, name: str, path: Path) -> None:
        await self._command("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)}, "already been loaded")

    async def unload(self, name: str) -> None:
        await self._admin("free", name)

    async def memory(self) -> Memory:
        if self._http is None:
            raise UpstreamUnavailable("the engine is not running")
        return _decoded(await self._http.get(_ADMIN + "adapters"), Memory)

    async def evict(self, name: str, *, from_host: bool) -> None:
        await self._admin("evict" if from_host else "vacate", name)

    async def fetch(self, name: str) -> None:
        await self._admin("fetch", name)

    async def activation_ms(self, name: str) -> float | None:
        return _decoded(await self._admin("time", name), _Timed).activate_ms

    def send(self, path: str, body: bytes, *, urgent: bool = False) -> AbstractAsyncContextManager[HttpAnswer]:
        if self._http is None:
            raise UpstreamUnavailable("the engine is not running")
        return self._http.send(path, body, {"x-request-id": URGENT + secrets.token_hex(8)} if urgent else NO_HEADERS)

    async def _admin(self, command: str, name: str) -> bytes:
        return await self._command(_ADMIN + command, {"name": name})

    async def _command(self, path: str, body: dict[str, str], harmless: str | None = None) -> bytes:
        async with self.send(path, msgspec.json.encode(body)) as answer:
            data = await answer.read()
            if answer.status == 200:
                return data
        message = _message(data)
        if harmless is not None and harmless in message:
            return data
        if self._http is None or not await self._http.is_healthy(_HEALTH_S):
            raise UpstreamUnavailable("the engine ended")
        raise UpstreamRejected(message[:300] or f"status {answer.status}")

    async def _warm_up(self) -> None:
        body = {"model": BASE_NAME, "prompt": "Hello", "max_tokens": 2, "temperature": 0, "logprobs": 1}
        async with self.send("/v1/completions", msgspec.json.encode(body)) as answer:
            await answer.read()
            if answer.status >= 500:
                raise UpstreamUnavailable(f"vLLM failed its first request\n{self._last_lines()}")

    async def _wait_stuck(self) -> None:
        healthy_s = monotonic_s()
        while monotonic_s() - healthy_s < _UNHEALTHY_S:
            await asyncio.sleep(_HEALTH_S / 2)
            if self._http is not None and await self._http.is_healthy(_HEALTH_S):
                healthy_s = monotonic_s()

    async def _spawn(self, port: int, key: str) -> asyncio.subprocess.Process:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        if self._log_path.exists():
            self._log_path.replace(self._log_path.with_suffix(".log.1"))
        with self._log_path.open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", guard.__file__, str(_CPU_NICENESS if _on_cpu() else 0)),
                *(sys.executable, *self._arguments(port)),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment(key),
                start_new_session=True,
            )

    def _arguments(self, port: int) -> list[str]:
        config = self._config
        options: dict[str, object] = {
            "--model": config.model,
            "--served-model-name": BASE_NAME,
            "--host": "127.0.0.1",
            "--port": port,
            "--dtype": config.dtype,
            "--max-loras": config.max_loras + SPARE_SLOTS,
            "--max-cpu-loras": max(config.max_cpu_loras, config.max_loras + SPARE_SLOTS),
            "--max-lora-rank": config.max_lora_rank,
            "--max-num-seqs": config.max_num_seqs,
            "--gpu-memory-utilization": config.gpu_memory_utilization,
            **({"--max-model-len": config.max_model_len} if config.max_model_len else {}),
            **({"--tool-call-parser": config.tool_call_parser} if config.tool_call_parser else {}),
        }
        cpu = _on_cpu()
        eager = cpu if config.enforce_eager is None else config.enforce_eager
        return [
            *("-m", "vllm.entrypoints.openai.api_server", "--enable-lora", "--disable-uvicorn-access-log"),
            *(str(part) for option in options.items() for part in option),
            *(("--enforce-eager",) if eager else ()),
            *(("--enable-auto-tool-choice",) if config.tool_call_parser else ()),
            *("--worker-extension-cls", _CPU_EXTENSION if cpu else _EXTENSION, "--middleware", _MIDDLEWARE),
            *("--scheduler-cls", _SCHEDULER, "--allowed-media-domains", _NO_HOST),
            *config.extra_args,
        ]

    def _environment(self, key: str) -> dict[str, str]:
        local = {"HF_HUB_OFFLINE": "1"} if Path(self._config.model).is_absolute() else {}
        return {
            **engine_environment({**os.environ}, self._config.environment),
            **local,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH")))),
            "VLLM_API_KEY": key,
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "120",
            "VLLM_DO_NOT_TRACK": "1",
            "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
            PATIENCE_VARIABLE: str(self._config.adapter_patience_s),
            "VLLM_CPU_KVCACHE_SPACE": str(self._config.kv_cache_gib),
        }

    def _tail(self) -> str:
        try:
            with self._log_path.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(0, size - _TAIL_BYTES))
                return log.read().decode("utf-8", errors="replace")
        except OSError:
            return ""

    def _last_lines(self) -> str:
        lines = [line for line in self._tail().splitlines() if line.strip() and not _NOISE.search(line)]
        return f"Last lines of {self._log_path}:\n" + "\n".join(lines[-_TAIL_LINES:])

    def _phase(self) -> str:
        tail = self._tail()
        return next((phase for words, phase in _PHASES if words in tail), "starting vLLM")


def _on_cpu() -> bool:
    """Tell a CPU build by its package; importing torch here would cost seconds and hundreds of megabytes."""
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _message(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_ErrorBody).error.message
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _decoded(data: bytes, shape: type[Shape]) -> Shape:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamUnavailable(f"the engine's answer can't be read: {error}") from None


def build(config: Config, deps: EngineDeps) -> VllmEngine:
    """Make one; it isn't started yet."""
    return VllmEngine(config, deps)

"""Runs the router as a server, and the engine host beside it, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path

import uvicorn

from router import compose
from router.config.load import Source, load
from router.config.schema import RouterConfig
from router.core import clock
from router.engine_process import EngineProcess
from router.providers.local import EngineHost
from router.runtime import Runtime
from router.server.app import create_app

_KEEP_ALIVE_S = 75
"""How long an idle connection is kept; longer than common clients and load balancers keep theirs."""

_GRACE_S = 20
"""How long running requests may go on once the router was told to stop."""


def serve(file: Path, port: int | None) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: the configuration is wrong, or the address is taken.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    config, source = load(file)
    if port is not None:
        config = config.model_copy(update={"server": config.server.model_copy(update={"port": port})})
    compose.check(config, source)
    listener = _listen(config, source)
    with listener, contextlib.suppress(KeyboardInterrupt):
        uvicorn_loop = uvicorn.Config("", loop="auto").get_loop_factory()
        with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
            runner.run(_serve(config, source, listener))


def _listen(config: RouterConfig, source: Source) -> socket.socket:
    """Take the address first: a port in use is said at once, not after a minute of loading."""
    server = config.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((server.host, server.port))
    except OSError as error:
        listener.close()
        message = f"can't listen on {server.host}:{server.port}: {error.strerror}; choose another port"
        raise source.error(("server", "port"), message) from None
    return listener


async def _serve(config: RouterConfig, source: Source, listener: socket.socket) -> None:
    """Run until a signal: the first lets running requests end, a second doesn't wait for them."""
    child = engine_process(config)
    work = asyncio.create_task(_run(config, source, listener, child))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        say("stopping")
    finally:
        if child is not None:
            await child.stop()


async def _run(config: RouterConfig, source: Source, listener: socket.socket, child: EngineProcess | None) -> None:
    """Start everything; serve until cancelled, then end running requests within the grace time."""
    if child is not None:
        say("engine host: starting")
        await child.start()
    engine = engine_host(config, child)
    runtime = await asyncio.to_thread(compose.build, config, source, engine=engine)
    host, port = listener.getsockname()[:2]
    async with runtime.running():
        gc.collect()
        gc.freeze()  # lists of names and compiled rules stay for good: no collection needs to look at them again
        server = http_server(runtime)
        greeter = asyncio.create_task(_greet(runtime, f"http://{host}:{port}"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        finally:
            greeter.cancel()
            server.should_exit = True
            await serving


def http_server(runtime: Runtime, grace_s: int = _GRACE_S) -> uvicorn.Server:
    """Make the HTTP server of a runtime that is running; it ends when `should_exit` is set."""
    return _Server(
        uvicorn.Config(
            create_app(runtime),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=grace_s,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
    )


class _Server(uvicorn.Server):
    """Leaves signals to `_serve`, which has more than HTTP to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def engine_process(config: RouterConfig) -> EngineProcess | None:
    """Make, without starting it, the engine host that `local.managed` asks for."""
    local = config.local
    if local is None or local.managed is None:
        return None
    return EngineProcess(local.managed, say, local.environment)


def engine_host(config: RouterConfig, child: EngineProcess | None) -> EngineHost | None:
    """Make the client of the engine host: of the child, or of the one that the configuration names."""
    if child is None or config.local is None:
        return compose.engine_host(config)
    return EngineHost((child.url,), child.key, connect_s=config.local.connect_s)


async def _greet(runtime: Runtime, url: str) -> None:
    """Say what is waited for until the router is ready, then how to use it."""
    started_s, last = clock.monotonic_s(), ""
    for name, why in runtime.disabled.items():
        say(f"provider {name}: left out, {why}")
    while not (state := await runtime.readiness()).ready:
        waiting = "; ".join(state.missing)
        if waiting != last:
            say(f"waiting ({clock.monotonic_s() - started_s:.0f} s): {waiting}")
            last = waiting
        await asyncio.sleep(0.5)
    clouds = [name for name in runtime.config.providers if name not in runtime.disabled]
    say(f"ready on {url} (clouds: {', '.join(clouds) or 'none, everything is answered locally'})")
    stored = runtime.ledger is not None and runtime.ledger.has_keys
    print(examples(url, needs_key=bool(runtime.config.server.keys) or stored), flush=True)  # noqa: T201 this is what the command is for


def say(line: str) -> None:
    """Show progress to the person at the terminal."""
    print(f"sona-router: {line}", file=sys.stderr, flush=True)  # noqa: T201


def examples(url: str, *, needs_key: bool) -> str:
    """Write calls that can be pasted; a key is taken from the variable SONA_KEY of the caller's shell."""
    bearer, key, first = "none", '"none"', ""
    if needs_key:
        bearer, key, first = "$SONA_KEY", 'os.environ["SONA_KEY"]', "\n  import os"
    heading = "Try it, with one of your keys (export SONA_KEY=…):" if needs_key else "Try it:"
    return _EXAMPLES.format(url=url, bearer=bearer, key=key, first=first, heading=heading)


_EXAMPLES = """
{heading}

  curl -s {url}/v1/chat/completions -H 'content-type: application/json' \\
    -H "authorization: Bearer {bearer}" \\
    -d '{{"model": "auto", "messages": [{{"role": "user", "content": "Hello, who are you?"}}]}}'

or with the openai package:
{first}
  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key={key})
  question = "Write the date as YYYY-MM-DD: the 3rd of March 2024"
  answer = client.chat.completions.create(model="auto", messages=[{{"role": "user", "content": question}}])
  print(answer.model, "->", answer.choices[0].message.content)

Ctrl-C ends the router and everything it started.
"""

"""The endpoints that take a request for a model, one for each dialect."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from decimal import Decimal, InvalidOperation

from starlette.types import Receive, Scope, Send

from router.core import clock
from router.core.errors import InternalError, InvalidRequest, RouterError, stack_of
from router.core.types import Delta, Dialect, Hints, Locality, Request
from router.record.trace import Trace
from router.runtime import Runtime
from router.server.exchange import ClientGone, Exchange
from router.wire.dialects import Encoder, codec

_log = logging.getLogger(__name__)

_MOST_DIGITS = 18
"""Before a number's point, or zeros behind it: `1e999999` in a header would be a million digits in an answer."""

_WORD = re.compile(r"[A-Za-z0-9._:/\-]{1,128}")


class Endpoint(ABC):
    """What the endpoints that take a request share: its reading, its record, its errors."""

    def __init__(self, runtime: Runtime, dialect: Dialect) -> None:
        self._runtime = runtime
        self._dialect = dialect
        self._codec = codec(dialect)

    @abstractmethod
    async def respond(self, exchange: Exchange, request: Request, trace: Trace) -> None:
        """Answer a decoded request."""

    def finished(self, trace: Trace) -> None:
        """The exchange is over, however it went."""
        del trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one exchange, over bare ASGI."""
        exchange = Exchange(scope, receive, send)
        trace = self._runtime.trace(exchange.request_id)
        self._runtime.metrics.in_flight.inc()
        try:
            request = await self.decode(exchange)
            trace.decoded(request)
            async with exchange.watched():
                await self.respond(exchange, request, trace)
        except ClientGone:
            trace.client_gone = True
        except RouterError as error:
            await self._fail(exchange, trace, error)
        except Exception as error:  # noqa: BLE001 the last resort: a bug of ours must not look like the caller's
            _log.error("request %s failed by a bug of the router\n%s", exchange.request_id, stack_of(error))
            await self._fail(exchange, trace, InternalError("the router failed; its log says how"))
        finally:
            self._runtime.metrics.in_flight.dec()
            self.finished(trace)

    async def decode(self, exchange: Exchange) -> Request:
        """Read and check one request.

        Raises:
            RouterError: a bad body or hint.
            ClientGone: the caller left.
        """
        server = self._runtime.config.server
        deadline_s = clock.monotonic_s() + server.deadline_s
        decoded = self._codec.decode(await exchange.body(server.max_body_bytes, server.deadline_s))
        return Request(
            id=exchange.request_id,
            principal=exchange.principal,
            model=decoded.model,
            body=decoded.body,
            stream=decoded.stream,
            hints=hints(exchange.headers),
            deadline_s=deadline_s,
            dialect=self._dialect,
            headers=self._codec.headers(exchange.headers),
        )

    async def _fail(self, exchange: Exchange, trace: Trace, error: RouterError) -> None:
        trace.failed(error)
        error.request_id = exchange.request_id
        with suppress(ClientGone):
            if not exchange.started:
                await exchange.error(error, trace.headers(final=True), self._codec.error(error))
            elif exchange.streaming:
                # The answer can't be taken back: one explicit error event, and nothing that ends a stream.
                await exchange.chunk(self._codec.error_frame(error), last=True)


class Inference(Endpoint):
    """Answers requests of one dialect."""

    async def respond(self, exchange: Exchange, request: Request, trace: Trace) -> None:
        """Answer whole or as a stream."""
        await self.answer(exchange, request, trace, self._codec.encoder(request.body))

    async def answer(self, exchange: Exchange, request: Request, trace: Trace, encoder: Encoder) -> None:
        """Answer by way of an encoder."""
        self._runtime.recorder.admit()
        async with aclosing(self._runtime.pipeline.answer(request, trace)) as deltas:
            if request.stream:
                await _stream(exchange, encoder, trace, deltas)
                return
            delta = await anext(deltas, None)
            if delta is None:
                raise InternalError("the upstream gave no answer")
            await anext(deltas, None)  # lets the attempt end, so that its cost is known
            await exchange.json(200, encoder.whole(delta), trace.headers(final=True))

    def finished(self, trace: Trace) -> None:
        """Record what came of it."""
        self._runtime.recorder.record(trace)


async def _stream(exchange: Exchange, encoder: Encoder, trace: Trace, deltas: AsyncGenerator[Delta, None]) -> None:
    async for delta in deltas:
        if not exchange.started:
            await exchange.begin_stream(trace.headers(final=False))
        if frames := encoder.frames(delta):
            await exchange.chunk(frames)
    await exchange.chunk(encoder.end(), last=True)


def hints(headers: Mapping[str, str]) -> Hints:
    """Read the `x-router-*` request headers.

    Raises:
        InvalidRequest: one of them makes no sense; `param` names it.
    """
    return Hints(
        task=_word(headers, "x-router-task"),
        tier=_word(headers, "x-router-tier"),
        session=_word(headers, "x-router-session"),
        max_cost_usd=_amount(headers, "x-router-max-cost-usd"),
        max_latency_ms=_number(headers, "x-router-max-latency-ms"),
        locality=_locality(headers),
    )


def _word(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    if value is not None and not _WORD.fullmatch(value):
        raise InvalidRequest(f"'{name}' must be 1 to 128 letters, digits or ._:/-", param=name)
    return value


def _amount(headers: Mapping[str, str], name: str) -> Decimal | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0 or (amount and abs(amount.adjusted()) > _MOST_DIGITS):
        raise InvalidRequest(f"'{name}' must be a number, 0 or more, that is neither vast nor minute", param=name)
    return amount


def _number(headers: Mapping[str, str], name: str) -> float | None:
    amount = _amount(headers, name)
    return None if amount is None else float(amount)


def _locality(headers: Mapping[str, str]) -> Locality | None:
    value = headers.get("x-router-locality")
    if value is None:
        return None
    if value.lower() not in ("local", "region", "any"):
        raise InvalidRequest("'x-router-locality' must be local, region or any", param="x-router-locality")
    return Locality[value.upper()]

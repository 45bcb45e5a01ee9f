"""`POST /v1/sona/select`: which adapter a chat request would get, and what the choice is made of; calls no model."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from router.core.adapters import Selection
from router.core.types import Request
from router.record.trace import Trace
from router.server.exchange import Exchange
from router.server.routes.inference import Endpoint


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Body of the answer. It holds no text of the request."""

    selection: Selection
    adapters: int
    """How many are ready."""
    ruled_out: Mapping[str, str]
    """Adapter -> the filter that it didn't pass: language, modality or tools. Those of other tenants aren't named."""
    tie_margin: float
    """Confidences closer than this are a tie, which an adapter on the device wins."""
    floor: float
    """What score a prompt that fits no adapter still gets."""


class Select(Endpoint):
    """A dry run of SONA under the caller's own tenant; leaves no record."""

    async def respond(self, exchange: Exchange, request: Request, trace: Trace) -> None:
        """Answer with the selection."""
        del trace
        with self._runtime.accounts.visit(request.principal):
            answer = await self._answer(request)
        await exchange.json(200, msgspec.json.encode(answer), [("x-request-id", exchange.request_id)])

    async def _answer(self, request: Request) -> Answer:
        directory = self._runtime.directory
        explained = await directory.explain(request)
        if explained is None:
            return Answer(
                selection=await directory.choose(request), adapters=0, ruled_out={}, tie_margin=0.0, floor=0.0
            )
        return Answer(
            selection=explained.selection,
            adapters=explained.adapters,
            ruled_out=explained.ruled_out,
            tie_margin=explained.tie_margin,
            floor=explained.floor,
        )

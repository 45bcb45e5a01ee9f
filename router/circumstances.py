"""What a plan is made from beyond the request itself: its conversation, who answered that last, its language, the canaries.

Each is found out only where a configured strategy or rule asks for it.
"""

from __future__ import annotations

from collections.abc import Set

import msgspec

from router.canaries import Canaries
from router.core.types import Dialect, Features, Request
from router.execution.stickiness import Stickiness
from router.privacy.conversation import conversation_name
from router.routing.language import LanguageDetector


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """See the fields of the same names in `core.types.Features`."""

    session: str | None = None
    stuck: str | None = None
    language: str | None = None


_NOTHING = Facts()

_NO_TURN = frozenset({Dialect.COUNT_TOKENS, Dialect.EMBEDDINGS})
"""What is asked beside a conversation, and says nothing of where its prompt is cached."""


class Circumstances:
    """Holds hashes of conversations, no text. Lives on the event loop."""

    def __init__(
        self,
        needs: Set[str],
        secret: bytes,
        stickiness: Stickiness,
        canaries: Canaries,
        detector: LanguageDetector | None = None,
    ) -> None:
        """`needs` are those of the planner; `secret` is what conversations' names are hashed with."""
        self._secret = secret if needs & {"session", "stuck"} else None
        self._stickiness = stickiness if "stuck" in needs else None
        self._detector = detector
        self.canaries = canaries

    def facts(self, chat: Request) -> Facts:
        """Find out what is asked for of a request, as chat completions say it."""
        if self._secret is None and self._detector is None:
            return _NOTHING
        session = conversation_name(chat, self._secret) if self._secret is not None else None
        stuck = None
        if self._stickiness is not None and session is not None:
            stuck = self._stickiness.deployment(chat.principal.id, session)
        language = self._detector.language(chat.body) if self._detector is not None else None
        return Facts(session=session, stuck=stuck, language=language)

    def answered(self, features: Features, deployment: str) -> None:
        """A deployment gave a whole answer."""
        if self._stickiness is not None and features.session is not None and features.dialect not in _NO_TURN:
            self._stickiness.answered(features.key, features.session, deployment)

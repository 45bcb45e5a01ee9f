"""Keeps answers of the Responses API, so that callers may go on from them: in memory only, bounded, each key its own."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from router.config.schema import ResponsesConfig
from router.core.types import JsonObject, JsonValue

MAX_ID_CHARS = 256
"""An upstream's id longer than this is none."""


class _Output(msgspec.Struct):
    output: list[dict[str, object]]


class _Named(msgspec.Struct):
    id: str
    status: str | None = None


_ITEMS = msgspec.json.Decoder(list[dict[str, object]])
_OUTPUT = msgspec.json.Decoder(_Output)
_NAMED = msgspec.json.Decoder(_Named)


class Turn:
    """One answer and what was new in the request for it, as JSON; what came before it is its `previous`.

    The bytes are shared by all turns that follow, so a conversation costs what was said in it, not its square.
    """

    __slots__ = ("conversation", "expires_s", "id", "input", "previous", "response", "users")

    def __init__(self, previous: Turn | None, new: bytes, response: bytes, name: str, conversation: str) -> None:
        self.previous = previous
        self.input = new
        self.response = response
        self.id = name
        self.conversation = conversation
        self.expires_s = 0.0
        self.users = 1
        """Turns that follow, and the list of what may be asked for."""

    @property
    def own_bytes(self) -> int:
        """Its size, without what came before."""
        return len(self.input) + len(self.response)

    def chain(self) -> list[Turn]:
        """Return the conversation up to here, first turn first."""
        turns: list[Turn] = []
        one: Turn | None = self
        while one is not None:
            turns.append(one)
            one = one.previous
        return turns[::-1]

    def total_bytes(self) -> int:
        """Size of the conversation up to here."""
        return sum(turn.own_bytes for turn in self.chain())

    def own_input(self) -> list[JsonObject]:
        """Return what was new in the request."""
        return _items(self.input)

    def own_output(self) -> list[JsonObject]:
        """Return what was answered."""
        return _output(self.response)

    def items(self) -> list[JsonObject]:
        """Return the whole conversation in order, this answer included."""
        return [item for turn in self.chain() for item in (*turn.own_input(), *turn.own_output())]


class ResponseStore:
    """See the module. Where there is too much, the key that has most loses its oldest, so that none pushes out another's."""

    def __init__(self, config: ResponsesConfig) -> None:
        self._config = config
        self._turns: dict[str, OrderedDict[str, Turn]] = {}
        self._bytes: dict[str, int] = {}

    @property
    def bytes_held(self) -> int:
        """Size of all that is kept."""
        return sum(self._bytes.values())

    def get(self, principal: str, name: str, now_s: float) -> Turn | None:
        """Find one of a caller's own answers; `now_s` is monotonic time. What is too old is forgotten now, whoever's it is."""
        self._expire(now_s)
        turn = self._own(principal).get(name)
        return turn if turn is not None and turn.expires_s > now_s else None

    def turns(self, principal: str, now_s: float) -> Iterator[Turn]:
        """Yield a caller's answers, the newest first; each is followed by those it goes on from. None comes twice."""
        seen: set[int] = set()
        for turn in reversed(self._own(principal).values()):
            one: Turn | None = turn if turn.expires_s > now_s else None
            while one is not None and id(one) not in seen:
                seen.add(id(one))
                yield one
                one = one.previous

    def new_conversation(self) -> str:
        """Make a name for a conversation that begins."""
        return secrets.token_hex(16)

    def add(
        self,
        principal: str,
        new: list[JsonValue],
        response: bytes,
        *,
        previous: Turn | None,
        conversation: str,
        now_s: float,
    ) -> bool:
        """Keep an answer and what was new in the request for it; say whether it is kept.

        It isn't where it is larger than all that may be kept, failed, or has no id.
        """
        try:
            named = _NAMED.decode(response)
            _OUTPUT.decode(response)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        turn = Turn(previous, msgspec.json.encode(new), response, named.id, conversation)
        is_named = 0 < len(named.id) <= MAX_ID_CHARS and named.status in ("completed", "incomplete")
        if not is_named or turn.total_bytes() > self._config.max_bytes:
            return False
        self._expire(now_s)
        self.remove(principal, named.id)
        turn.expires_s = now_s + self._config.ttl_s
        if previous is not None:
            previous.users += 1
        own = self._turns.setdefault(principal, OrderedDict())
        own[named.id] = turn
        self._bytes[principal] = self._bytes.get(principal, 0) + turn.own_bytes
        if previous is not None and previous.users == 1:
            # It was thrown out while the answer came; it counts again, with all that only it held.
            self._count_again(principal, previous)
        while len(own) > self._config.max_per_key:
            self.remove(principal, next(iter(own)))
        while self.bytes_held > self._config.max_bytes:
            most = max(self._bytes, key=self._bytes.__getitem__)
            self.remove(most, next(iter(self._turns[most])))
        return named.id in self._own(principal)

    def remove(self, principal: str, name: str) -> bool:
        """Forget an answer; say whether it was there. What later answers follow on from stays with them."""
        own = self._own(principal)
        turn = own.pop(name, None)
        if turn is None:
            return False
        one: Turn | None = turn
        while one is not None:
            one.users -= 1
            if one.users > 0:
                break
            self._bytes[principal] -= one.own_bytes
            one = one.previous
        if not own:
            self._turns.pop(principal, None)
            self._bytes.pop(principal, None)
        return True

    def _own(self, principal: str) -> OrderedDict[str, Turn]:
        return self._turns.get(principal) or OrderedDict[str, Turn]()

    def _count_again(self, principal: str, turn: Turn) -> None:
        one: Turn | None = turn
        while one is not None:
            self._bytes[principal] += one.own_bytes
            one = one.previous
            if one is not None:
                one.users += 1
                if one.users > 1:
                    break

    def _expire(self, now_s: float) -> None:
        """Forget what is too old; all are kept equally long, so the oldest stand first."""
        for principal in [*self._turns]:
            own = self._turns[principal]
            while own and (oldest := next(iter(own.values()))).expires_s <= now_s:
                self.remove(principal, oldest.id)


def _items(data: bytes) -> list[JsonObject]:
    return _ITEMS.decode(data)  # pyright: ignore[reportReturnType] JSON decodes to JSON values


def _output(response: bytes) -> list[JsonObject]:
    return _OUTPUT.decode(response).output  # pyright: ignore[reportReturnType] JSON decodes to JSON values

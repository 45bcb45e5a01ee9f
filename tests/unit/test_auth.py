"""Who comes in without a key: nobody where one may be needed, and no web page from elsewhere."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from router.accounts import Accounts
from router.core.errors import RecordUnavailable, Unauthenticated
from router.record.databases import Sqlite, StoreDown
from router.record.ledger import SNAPSHOT, Ledger
from router.record.store import Store
from router.server.app import Guard
from router.server.auth import ANONYMOUS, Authenticator, is_foreign_page

pytestmark = pytest.mark.anyio

SECRET = b"s" * 32


def ledger_at(folder: Path, *, down: bool) -> Ledger:
    def connect() -> Sqlite:
        if down:
            raise StoreDown("down")
        return Sqlite(folder / "ledger.sqlite")

    return Ledger(Store(connect, Sqlite.begin), folder, SECRET, refresh_s=1, max_waiting=10)


async def test_without_keys_this_machine_s_programs_come_in_once_it_is_known_that_there_are_none(
    tmp_path: Path,
) -> None:
    ledger = ledger_at(tmp_path, down=False)
    await ledger.start()
    assert Authenticator((), SECRET, ledger).principal(None) is ANONYMOUS
    await ledger.aclose()
    later = ledger_at(tmp_path, down=True)
    await later.start()
    assert Authenticator((), SECRET, later).principal(None) is ANONYMOUS  # as an earlier run had seen
    await later.aclose()
    assert Authenticator((), SECRET).principal(None) is ANONYMOUS  # no ledger, so no stored keys


@pytest.mark.parametrize("snapshot", [None, b'{"keys": [', b"\xff"])
async def test_while_nobody_knows_whether_there_are_keys_nobody_comes_in(
    tmp_path: Path, snapshot: bytes | None
) -> None:
    if snapshot is not None:
        (tmp_path / SNAPSHOT).write_bytes(snapshot)
    ledger = ledger_at(tmp_path, down=True)
    await ledger.start()
    with pytest.raises(RecordUnavailable, match="can't be read"):
        Authenticator((), SECRET, ledger).principal(None)
    await ledger.aclose()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "router.example.com"])
async def test_on_a_public_address_nobody_comes_in_without_a_key_though_the_store_told_of_none(
    tmp_path: Path, host: str
) -> None:
    """It may have had some when the configuration was checked, a moment before."""
    ledger = ledger_at(tmp_path, down=False)
    await ledger.start()
    with pytest.raises(Unauthenticated):
        Authenticator((), SECRET, ledger, host=host).principal(None)
    await ledger.aclose()


@pytest.mark.parametrize(
    ("headers", "is_foreign"),
    [
        ({}, False),
        ({"host": "127.0.0.1:8080"}, False),
        ({"host": "localhost:8080"}, False),
        ({"host": "[::1]:8080"}, False),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, False),
        ({"host": "127.0.0.1:8080", "origin": "http://localhost:3000"}, False),
        ({"host": "127.0.0.1:8080", "origin": "app://notes.example"}, False),
        ({"host": "127.0.0.1:8080", "origin": "https://evil.example.com"}, True),
        ({"host": "127.0.0.1:8080", "origin": "null"}, True),
        ({"host": "0.0.0.0:8080"}, False),
        ({"host": "router"}, False),
        ({"host": "192.0.2.7:8080"}, True),
        ({"host": "[2001:db8::1]:8080"}, True),
        ({"host": "127.0.0.1:8080", "origin": "http://intranet"}, True),
        ({"host": "chat.localhost:8080", "origin": "http://chat.localhost:8080"}, False),
        ({"host": "[::1"}, True),
        ({"host": ""}, True),
        ({"host": "127.0.0.1:8080", "origin": "http://[::1"}, True),
        ({"host": "evil.example.com:8080"}, True),  # a name that was made to mean loopback
        ({"host": "evil.example.com:8080", "origin": "http://evil.example.com:8080"}, True),
    ],
)
def test_a_web_page_from_elsewhere_is_known_by_its_headers(headers: dict[str, str], is_foreign: bool) -> None:
    assert is_foreign_page(headers) is is_foreign


async def test_nothing_but_probes_is_answered_to_a_web_page_from_elsewhere() -> None:
    guard = Guard(PlainTextResponse("here"), Authenticator((), SECRET), Accounts(None, lambda _key, _limit: None), {})
    transport = httpx.ASGITransport(guard)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
        evil = {"origin": "https://evil.example.com"}
        assert (await http.post("/v1/chat/completions", headers=evil)).status_code == 401
        assert (await http.get("/v1/models", headers={"host": "evil.example.com"})).status_code == 401
        assert (await http.get("/health", headers=evil)).text == "here"
        assert (await http.post("/v1/chat/completions")).text == "here"

"""Nothing sensitive leaves, whatever fails: the quick form of the campaign that `make leaks` runs whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.canaries import Canaries
from tests.leaks.__main__ import report
from tests.leaks.campaign import Campaign
from tests.leaks.faults import FAULTS, NONE
from tests.leaks.site import Site

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

REQUESTS, SEED = 5_000, 7


async def test_no_canary_leaves_and_no_request_is_left_without_an_answer_under_any_fault(tmp_path: Path) -> None:
    result = await Campaign(tmp_path, REQUESTS, SEED, lambda _: None).run()
    told = report(result)
    assert not result.leaks, told
    assert not result.problems, told
    assert not result.never_fired, told
    assert result.requests >= REQUESTS
    # It proves something only if requests do get out: harmless ones as they are, others masked.
    assert result.at_clouds > REQUESTS // 10, told
    assert result.masked > REQUESTS // 50, told


async def test_a_router_that_does_not_scan_is_found_out(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, 0, SEED, lambda _: None)
    site = Site(tmp_path / "open", {"privacy": {"scan": {"enabled": False}}})
    try:
        await site.start()
        await campaign.fire(site, [campaign.shots.draw(NONE) for _ in range(200)])
    finally:
        await site.stop()
    leaked = {one.field for one in campaign.result.leaks if one.where == "cloud"}
    assert len(leaked) > 20
    assert campaign.result.problems


def test_there_are_sixty_faults_and_more_and_canaries_of_every_kind() -> None:
    assert len({fault.name for fault in FAULTS} - {NONE.name}) == len(FAULTS) - 1 >= 60
    canaries = Canaries(SEED)
    kinds = {canaries.next().kind for _ in range(500)}
    assert kinds == {
        "card", "email", "phone", "iban", "ssn", "api_key", "name", "password", "token", "private_key", "connection",
        "address",
    }  # fmt: skip

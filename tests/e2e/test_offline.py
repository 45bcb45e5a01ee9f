"""The machine's network cut: in a namespace without routes the router starts, serves, decides, records and recovers.

Nothing can be fetched there, so what works was fetched by nobody.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.fakes.stack import ROOT

WITHIN_S = 300


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of a whole visit."""
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    command = [*unshare, sys.executable, "-m", "tests.fakes.cut_off", str(tmp_path_factory.mktemp("cut_off"))]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    except FileNotFoundError:
        pytest.fail("this test needs `unshare` (util-linux) to cut the network")
    if ended.returncode and "unshare" in ended.stderr:
        pytest.fail(f"this test needs a network namespace, which isn't permitted here: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads(ended.stdout)


def test_it_starts_and_serves_without_a_network(visit: dict[str, Any]) -> None:
    assert set(visit["statuses"]) == {200}
    assert set(visit["localities"]) == {"local"}
    assert visit["start_s"] < 120
    assert visit["serve_s"] < 30, "nobody waits for what can't be reached"


def test_it_decides_local_at_once_after_the_first_attempt(visit: dict[str, Any]) -> None:
    sensitive, first, *rest = visit["reasons"]
    assert sensitive.startswith("policy:")
    assert first.startswith("fallback:")
    assert set(rest) == {"offline"}
    assert visit["explained"] == "offline"
    status, missing = visit["ready"]
    assert status == 200
    assert any("no cloud can be connected to" in what for what in missing)


def test_every_request_is_recorded(visit: dict[str, Any]) -> None:
    assert visit["recorded"] == visit["asked"]
    assert "offline" in visit["reasons_recorded"]


def test_it_recovers_when_a_cloud_can_be_reached(visit: dict[str, Any]) -> None:
    assert visit["recovered"] == "cloud"


def test_nothing_tried_to_fetch_anything(visit: dict[str, Any]) -> None:
    log: str = visit["log"]
    said = [line for line in log.splitlines() if re.search(r" ERROR | CRITICAL |Traceback|Error:", line)]
    assert [line for line in said if "no cloud can be connected to" not in line] == []
    for trace in ("resolve", "huggingface", "urlopen", "Max retries", "certificate", "Connection refused"):
        assert trace not in log

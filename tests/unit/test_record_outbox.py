"""What takes records for the sinks: nobody waits for a disk, and settings of sinks are checked with their line."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from router import compose
from router.config.load import load
from router.core.errors import ConfigError
from router.core.types import Outcome
from router.record import audit
from router.record.files import Appender
from router.record.outbox import Outbox
from tests.fakes.outcomes import outcome

pytestmark = pytest.mark.anyio


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def test_nobody_waits_for_a_disk_that_hangs() -> None:
    disk, written = threading.Event(), list[Outcome]()

    def write(batch: Sequence[Outcome]) -> None:
        disk.wait()
        written.extend(batch)

    box = Outbox("test", write, close=lambda: None, max_waiting=1000)
    for number in range(1500):
        box.put(outcome(number % 5))
    await asyncio.sleep(0)
    assert not written
    assert box.state().trouble, "a full queue must be said"
    assert (box.state().waiting, box.state().lost) == (1000, 500)
    disk.set()
    await until(lambda: box.state().waiting == 0)
    assert not box.state().trouble
    await box.aclose()
    assert [one.decision_id for one in written] == [outcome(number % 5).decision_id for number in range(1000)]


async def test_what_cant_be_written_is_tried_again_in_order() -> None:
    failures, written = [OSError(28, "No space left on device"), KeyError("a bug")], list[Outcome]()

    def write(batch: Sequence[Outcome]) -> None:
        if failures:
            raise failures.pop()
        written.extend(batch)

    box = Outbox("test", write, close=lambda: None)
    for number in range(5):
        box.put(outcome(number))
    await until(lambda: bool(box.state().trouble))
    await until(lambda: not box.state().trouble)
    await box.aclose()
    assert [one.decision_id for one in written] == [outcome(number).decision_id for number in range(5)]


def test_a_device_that_is_full_refuses_every_time() -> None:
    file = Appender(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(OSError):
            file.append(b"line\n")
    assert file.size_bytes == 0
    file.close()


# -- settings of sinks


def config_file(folder: Path, sinks: object, **changes: object) -> Path:
    file = folder / "router.yaml"
    file.write_text(yaml.safe_dump({"record": {"path": "var", "sinks": sinks}, **changes}))
    return file


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        (["audti"], r":\d+: record.sinks\[0\]: there is no kind 'audti'; did you mean 'audit'"),
        ([{"kind": "audit", "requird": True}], r":\d+: record.sinks\[0\].requird: unknown key 'requird'; did you mean"),
        ([{"kind": "audit", "checkpoint_s": 0}], r":\d+: record.sinks\[0\].checkpoint_s: "),
        ([{"required": True}], r":\d+: record.sinks\[0\].kind: Field required"),
        (["audit", {"kind": "audit"}], r":\d+: record.sinks\[1\]: the sink 'audit' stands twice"),
        ([{"kind": "audit", "key": "secret"}], r":\d+: record.sinks\[0\].key: a key must not stand in the file"),
        ([{"kind": "audit", "key": "file:none.pem"}], r":\d+: record.sinks\[0\].key: can't read the key file"),
        ([{"kind": "audit", "key": "file:bad.pem"}], r":\d+: record.sinks\[0\].key: not an Ed25519 private key"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_line(tmp_path: Path, sinks: object, message: str) -> None:
    (tmp_path / "bad.pem").write_text("-----BEGIN PRIVATE KEY-----\nhunter2\n")
    with pytest.raises(ConfigError, match=message) as caught:
        compose.check(*load(config_file(tmp_path, sinks)))
    assert "hunter2" not in caught.value.message


async def test_a_key_from_a_file_signs_the_log(tmp_path: Path) -> None:
    pem = audit.new_private_key()
    (tmp_path / "mine.pem").write_bytes(pem)
    config, source = load(config_file(tmp_path, [{"kind": "audit", "key": "file:mine.pem"}]))
    runtime = compose.build(config, source, engine=None)
    await runtime.recorder.aclose()
    public = (tmp_path / "var" / "audit" / audit.PUBLIC_FILE).read_bytes()
    assert public == audit.public_pem(audit.private_key(pem).public_key())
    assert not (tmp_path / "var" / "audit" / audit.KEY_FILE).exists()


def test_a_folder_that_cant_be_written_stops_the_start_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    config, source = load(config_file(tmp_path, ["audit"]))
    with pytest.raises(ConfigError, match=r":\d+: record.sinks\[0\]: can't write there"):
        compose.build(config, source, engine=None)


def test_the_policy_version_is_of_what_decides_and_of_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(key: str = "k" * 16, **changes: object) -> str:
        monkeypatch.setenv("SOME_KEY", key)
        keys = [{"id": "me", "key": "env:SOME_KEY", **({"max_locality": "local"} if "limit" in changes else {})}]
        changes.pop("limit", None)
        return compose.policy_version(load(config_file(tmp_path, ["audit"], server={"keys": keys}, **changes))[0])

    assert version() == version(key="another-key-of-mine")
    assert version() == version(sona={"enabled": False})
    others = [
        version(limit=True),
        version(privacy={"threshold": "internal"}),
        version(routing={"fallback_local": False}),
    ]
    assert len({version(), *others}) == 4
    assert os.environ["SOME_KEY"] not in version()

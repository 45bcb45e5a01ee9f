"""The installation's secret: made once, the same ever after, and nobody else's to read."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from router.core.errors import ConfigError
from router.secret_file import FILE, load_secret


def test_it_is_made_at_the_first_start_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    secret = load_secret(folder)
    assert len(secret) == 32
    assert load_secret(folder) == secret
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert [one.name for one in folder.iterdir()] == [FILE]
    assert load_secret(tmp_path / "other") != secret


def test_routers_that_start_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(load_secret, [tmp_path / str(turn // 4) for turn in range(32)]))
    assert len(found) == 8


def test_one_that_others_may_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    load_secret(tmp_path)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_secret(tmp_path)


def test_one_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    load_secret(tmp_path)
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(ConfigError, match="32 bytes"):
        load_secret(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't read or make"):
        load_secret(tmp_path / "file" / "var")

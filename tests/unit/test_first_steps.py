"""What somebody meets who tries the project: mistakes on the command line and in a configuration are told with what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from local_inference.settings import load as load_host
from router import compose
from router.cli import app
from router.config.load import load
from router.core.adapters import AdapterCard, AdapterInfo
from router.core.errors import ConfigError
from router.serve import examples

CONFIGS = Path(__file__).parents[2] / "configs"
BASE: dict[str, Any] = {
    "providers": {"cloud": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1"}},
    "models": {"m": {"deployments": [{"provider": "cloud", "model": "x"}]}},
}


def refused(*words: str) -> str:
    """Run a command that must not work, and return what it says."""
    done = CliRunner().invoke(app, list(words))
    assert isinstance(done.exception, ConfigError), done
    return done.exception.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"local": {"url": "127.0.0.1:8001"}}, "router.yaml:2: local.url: '127.0.0.1:8001' is not a URL"),
        ({"local": {"url": "http://a", "replicas": ["http://b", "c"]}}, "local.replicas[1]: 'c' is not a URL"),
        ({"local": {"url": "http://a:99999"}}, "local.url: 'http://a:99999' is not a URL"),
        ({"local": {"connect_s": 1}}, "local: give 'url'"),
        ({"providers": {"cloud": {"kind": "anthropic", "base_url": "api.x.com", "api_key": "env:HOME"}}}, "base_url"),
        (
            {"providers": {"cloud": {"kind": "openai_compatible", "base_url": "http://a:b@x"}}},
            "providers.cloud.base_url: a URL must not hold credentials",
        ),
    ],
)
def test_a_url_that_is_none_is_told_with_its_line_before_anything_starts(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(
        yaml.safe_dump({**change, **{key: BASE[key] for key in BASE if key not in change}}, sort_keys=False)
    )
    with pytest.raises(ConfigError) as caught:
        compose.check(*load(file))
    assert says in caught.value.message


def test_a_file_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe")
    for name, says in (("none.yaml", "No such file or directory"), ("", "Is a directory"), ("latin.yaml", "UTF-8")):
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name)
        assert says in caught.value.message
        assert "Errno" not in caught.value.message


def test_a_file_of_the_other_process_is_recognised() -> None:
    with pytest.raises(ConfigError, match=r"local\.managed"):
        load(CONFIGS / "recipes" / "local-24gb.yaml")
    with pytest.raises(ConfigError, match="a router's file"):
        load_host(CONFIGS / "router.yaml")


@pytest.mark.parametrize("name", ["../configs", "..", ".", "a/b", "", "a..", "a..."])
def test_no_name_of_an_adapter_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    into = tmp_path / "adapters"
    (into / "a" / "b").mkdir(parents=True)
    (tmp_path / "configs").mkdir()
    assert "there is no folder" in refused("adapters", "remove", name, "--into", str(into))
    if not name.startswith("a."):
        more = ("--into", str(into), "--name", name or "a b", "--url", "http://[")
        assert "can't be an adapter's name" in refused("adapters", "add", str(into / "a"), *more)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "adapters", "b", "configs"]


def test_an_adapter_in_a_sub_folder_is_removed_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "legal" / "german").mkdir(parents=True)
    (tmp_path / "v1.0").mkdir()
    for name, left in (("legal.german", {"legal", "v1.0"}), ("v1.0", {"legal"})):
        done = CliRunner().invoke(app, ["adapters", "remove", name, "--into", str(tmp_path)])
        assert done.exit_code == 0, done
        assert {path.name for path in tmp_path.rglob("*") if ".removed" not in str(path)} == left
        assert (tmp_path / f".removed-{name}").is_dir()


def test_doctor_away_from_the_repository_says_which_file_it_needs(tmp_path: Path) -> None:
    assert "--host-config" in refused("adapters", "doctor", str(tmp_path), "--host-config", str(tmp_path / "none.yaml"))


def test_the_list_says_who_may_use_an_adapter_once_that_is_known() -> None:
    from router.adapters_cli import _remark  # pyright: ignore[reportPrivateUsage]

    nobody = AdapterCard(tenants=("",))
    coming = AdapterInfo(name="a", version="", state="copying", message="waiting for more", card=nobody)
    assert _remark(coming) == "waiting for more"
    assert _remark(AdapterInfo(name="a", version="1", state="ready", card=nobody)) == "for nobody"
    assert _remark(AdapterInfo(name="a", version="1", state="ready", card=AdapterCard(tenants=("b",)))) == "for b"


@pytest.mark.parametrize("needs_key", [True, False])
def test_the_calls_that_are_shown_can_be_pasted(needs_key: bool) -> None:
    """The shell fills the key in, so it must not stand in single quotes."""
    shown = examples("http://127.0.0.1:1", needs_key=needs_key)
    call = shown[shown.index("curl") : shown.index("or with")]
    script = "set -u; SONA_KEY=sk-1; curl() { printf '%s\\n' \"$@\"; }\n" + call
    words = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"authorization: Bearer {'sk-1' if needs_key else 'none'}" in words
    python = "\n".join(line.strip() for line in shown[shown.index("package:") + 8 : shown.index("Ctrl-C")].splitlines())
    compile(python, "shown", "exec")
    assert ("import os" in python) == needs_key

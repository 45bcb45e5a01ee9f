"""`sona-router scan` and `explain`: what is found is shown where it stands, with the rule, and only on the terminal."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from router.cli import app
from router.core.types import Finding, Sensitivity
from router.tuning.documents import Document, Unreadable, read, text_at
from router.tuning.view import View, console

SECRETS = ("536-22-8726", "maria.g@northwind-clinic.com", "415-555-2671")
TEXT = f"Patient Maria Gonzalez, SSN {SECRETS[0]},\nmail {SECRETS[1]}, phone {SECRETS[2]}.\nShe lives in Paris.\n"
LINES = (
    '{"messages": [{"role": "user", "content": "What is the capital of France?"}]}',
    '{"messages": [{"role": "user", "content": "my SSN is 536-22-8726"}], "metadata": {"ssn": 536228726}}',
    '{"text": "mail maria.g@northwind-clinic.com"}',
    '"a plain text line"',
    "not json at all",
    '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.com/y.png"}}]}]}',
)


def scan(*arguments: str, stdin: str | None = None, **environment: str) -> tuple[int, str]:
    env = {"COLUMNS": "160", "NO_COLOR": "", "FORCE_COLOR": "", **environment}
    result = CliRunner().invoke(app, ["scan", *arguments], input=stdin, env=env)
    return result.exit_code, result.output


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    file = tmp_path / "letter.txt"
    file.write_text(TEXT)
    return file


@pytest.fixture
def lines_file(tmp_path: Path) -> Path:
    file = tmp_path / "many.jsonl"
    file.write_text("\n".join(LINES))
    return file


# -- what is read


def bodies(path: Path, stdin: bytes | None = None) -> list[tuple[str, bool, object]]:
    return [
        (one.name, one.is_text, one.body) if isinstance(one, Document) else (one.name, False, one.why)
        for one in read(path, stdin)
    ]


def said(text: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


def test_lines_are_requests_or_texts(lines_file: Path) -> None:
    read_in = bodies(lines_file)
    assert [name for name, _, _ in read_in] == [f"many.jsonl:{number}" for number in range(1, 7)]
    assert [is_text for _, is_text, _ in read_in] == [False, False, True, True, True, False]
    assert read_in[0][2] == json.loads(LINES[0])
    assert [body for _, _, body in read_in[2:5]] == [
        said("mail maria.g@northwind-clinic.com"),
        said("a plain text line"),
        said("not json at all"),
    ]


def test_a_folder_is_read_to_its_end_and_what_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("hidden")
    (tmp_path / "b" / "one.json").write_text('{"deep": {"er": "text"}}')
    (tmp_path / "a.txt").write_text('{"text": "taken as it is"}')
    (tmp_path / "c.bin").write_bytes(b"\xff\xfe\x00")
    assert bodies(tmp_path) == [
        ("a.txt", True, said('{"text": "taken as it is"}')),
        ("b/one.json", False, {"deep": {"er": "text"}}),
        ("c.bin", False, "not UTF-8 text"),
    ]
    assert isinstance(list(read(tmp_path, None))[-1], Unreadable)


@pytest.mark.parametrize(
    ("data", "count"),
    [(b"one\ntwo\n", 1), (b'{"text": "a"}\n{"text": "b"}\n', 2), (b'{"messages": []}', 1), (b'{\n "text": "a"\n}', 1)],
)
def test_standard_input_is_what_it_looks_like(data: bytes, count: int) -> None:
    assert len(bodies(Path("-"), data)) == count


def test_a_finding_leads_back_to_its_text_a_number_or_a_key() -> None:
    body = {"metadata": {"a@b.com": 1, "ssn": 536228726}}
    assert text_at(body, ("metadata", "ssn"), in_key=False) == "536228726"  # pyright: ignore[reportArgumentType]
    assert text_at(body, ("metadata", "a@b.com"), in_key=True) == "a@b.com"  # pyright: ignore[reportArgumentType]


# -- what is shown


def test_a_text_is_shown_with_its_findings_the_verdict_and_counts(text_file: Path) -> None:
    code, out = scan(str(text_file))
    assert code == 0
    assert "SSN [[536-22-8726]]‹US_SSN 0.85›," in out
    assert "mail [[maria.g@northwind-clinic.com]]‹EMAIL_ADDRESS" in out
    assert re.search(r"US_SSN +restricted +0\.85 +UsSsnRecognizer +1:29 +536-22-8726", out)
    assert re.search(r"EMAIL_ADDRESS +confidential +\d\S* +email +2:6 +maria", out)
    assert "► stays local  sensitivity restricted, by rule 'sensitive'" in out
    assert re.search(r"PERSON +internal +1 +1 +person", out)
    assert "\x1b" not in out


def test_colour_is_for_terminals_and_for_who_insists(text_file: Path) -> None:
    _, coloured = scan(str(text_file), "--color")
    assert "\x1b[1;37;41m536-22-8726\x1b[0m" in coloured
    assert "[[" not in coloured
    assert "\x1b" not in scan(str(text_file), NO_COLOR="1")[1]
    assert "\x1b" not in scan(str(text_file), "--no-color", FORCE_COLOR="1")[1]


def test_no_color_is_respected_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert console(color=None).color_system is not None
    monkeypatch.setenv("NO_COLOR", "1")
    assert console(color=None).color_system is None
    assert console(color=True).color_system is not None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("is ５３６-22-8726 now", "is [[５３６-22-8726]]‹US_SSN"),
        ("SSN 5\u200b3\u200b6-22-8726 now", "SSN [[5·3·6-22-8726]]‹US_SSN"),
        ("my SSN is 536%2D22%2D8726 now", "is [[536%2D22%2D8726]]‹US_SSN"),
        ("base64 bXkgU1NOIGlzIDUzNi0yMi04NzI2 now", "[[bXkgU1NOIGlzIDUzNi0yMi04NzI2]]‹US_SSN"),
    ],
)
def test_a_disguise_is_shown_where_it_stands(text: str, shown: str) -> None:
    assert shown in scan("-", stdin=text)[1]


def test_many_documents_add_up(lines_file: Path) -> None:
    code, out = scan(str(lines_file))
    assert code == 0
    assert re.search(r"3 +50\.0% +may leave", out)
    assert re.search(r"3 +50\.0% +stays local +.*EMAIL_ADDRESS 1.*partial scan: unreadable:image_url 1", out)
    assert "metadata.ssn:" in out
    assert "many.jsonl:1 " not in out
    _, short = scan(str(lines_file), "--limit", "1")
    assert "2 more aren't shown; --limit shows more." in short


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        (["--policy", "mask"], "may leave with placeholders"),
        (["--policy", "block"], "is refused"),
        (["--deadline-ms", "0"], "the scan is failed: deadline"),
    ],
)
def test_other_settings_can_be_tried(options: list[str], verdict: str, text_file: Path) -> None:
    assert verdict in scan(str(text_file), *options)[1]


def test_a_threshold_and_a_key_of_the_configuration_can_be_tried(tmp_path: Path) -> None:
    config = tmp_path / "router.yaml"
    config.write_text(
        "server: {keys: [{id: me, key: env:NOT_SET_AT_ALL, on_sensitive: block}]}\n"
        "privacy: {on_sensitive: mask, entities: {US_SSN: {on_sensitive: local}}}\n"
    )
    mail = "write to maria.g@northwind-clinic.com"
    assert "may leave with placeholders" in scan("-", "--config", str(config), stdin=mail)[1]
    assert "► may leave  " in scan("-", "--config", str(config), "--threshold", "restricted", stdin=mail)[1]
    assert "is refused" in scan("-", "--config", str(config), "--key", "me", stdin=mail)[1]
    code, out = scan("-", "--config", str(config), "--key", "mee", stdin=mail)
    assert code == 2
    assert "did you mean 'me'?" in out


@pytest.mark.parametrize(
    ("text", "level", "code"),
    [
        (TEXT, "restricted", 1),
        (TEXT, "internal", 1),
        ("mail maria.g@northwind-clinic.com", "restricted", 0),
        ("mail maria.g@northwind-clinic.com", "confidential", 1),
        ("What is the capital of the moon?", "confidential", 0),
    ],
)
def test_fail_on_fails(text: str, level: str, code: int) -> None:
    assert scan("-", "--fail-on", level, stdin=text)[0] == code


def test_a_file_that_can_t_be_read_counts_as_the_worst(tmp_path: Path) -> None:
    file = tmp_path / "photo.bin"
    file.write_bytes(b"\xff\xd8\xff")
    code, out = scan(str(file), "--fail-on", "restricted")
    assert code == 1
    assert "can't be read: not UTF-8 text" in out
    assert scan(str(tmp_path / "none.txt"))[0] == 2


def test_json_has_positions_and_never_the_text(text_file: Path, lines_file: Path) -> None:
    for file in (text_file, lines_file):
        _, out = scan(str(file), "--json")
        assert json.loads(out)["summary"]["documents"] == len(json.loads(out)["documents"])
        assert not [secret for secret in SECRETS if secret in out]
    first = json.loads(scan(str(text_file), "--json")[1])["documents"][0]
    found = {one["entity"]: one for one in first["findings"]}
    assert TEXT[found["US_SSN"]["start"] : found["US_SSN"]["end"]] == SECRETS[0]
    assert first["rule"] == "sensitive"
    assert first["action"] == "local"


def test_nothing_found_is_said() -> None:
    assert "nothing was found in 32 characters" in scan("-", stdin="What is the capital of the moon?")[1]


def test_what_would_harm_a_terminal_is_shown_harmless() -> None:
    _, out = scan("-", "--color", stdin="mail maria.g@northwind-clinic.com \x1b]0;owned\x07\x1b[2J")
    assert "\x1b]" not in out
    assert "\x1b[2J" not in out
    assert "·]0;owned·" in out


def test_overlapping_findings_are_shown_once_and_long_texts_around_them() -> None:
    out = io.StringIO()
    view = View(Console(file=out, width=10_000, color_system=None), {"A": Sensitivity.INTERNAL})
    text = "x" * 5_000 + "SECRET" + "y" * 5_000
    at = ("messages", 0, "content")
    found = [
        Finding(entity=name, path=at, start=5_000 + start, end=5_000 + end, score=0.5, recognizer="r")
        for name, start, end in (("A", 0, 4), ("B", 2, 6))
    ]
    view._console.print(view._highlighted(text, found))
    shown = out.getvalue().strip()
    assert shown == f"… {'x' * 100}[[SECRET]]‹A 0.5, B 0.5›{'y' * 100} …"


# -- explain


CONFIG = """
local: {url: "http://127.0.0.1:9"}
models: {}
"""


def explain(tmp_path: Path, body: dict[str, object]) -> dict[str, object]:
    config = tmp_path / "router.yaml"
    config.write_text(CONFIG)
    result = CliRunner().invoke(app, ["explain", "--config", str(config)], input=json.dumps(body))
    assert result.exit_code == 0, result.output
    return json.loads(result.output)["scan"]


def test_explain_says_when_nothing_was_found(tmp_path: Path) -> None:
    shown = explain(tmp_path, {"model": "auto", **said("What is the capital of the moon?")})
    assert shown["findings"] == []
    assert shown["leaves"] == 1
    assert shown["summary"] == "nothing was found in 32 characters"


def test_explain_tells_keys_from_values(tmp_path: Path) -> None:
    shown = explain(tmp_path, {"model": "auto", **said("hello"), "metadata": {SECRETS[1]: "x", "note": SECRETS[1]}})
    findings = shown["findings"]
    assert isinstance(findings, list)
    assert {(tuple(one["path"]), one["in_key"]) for one in findings} == {
        (("metadata", SECRETS[1]), True),
        (("metadata", "note"), False),
    }
    assert shown["summary"] == "found: EMAIL_ADDRESS"

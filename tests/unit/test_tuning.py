"""`sona-router scan` and `explain`: what is found is shown where it stands, with the rule, and only on the terminal."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from router.cli import app
from router.config.schema import PrivacyConfig, RouterConfig
from router.core.types import Finding, Sensitivity
from router.privacy.severity import rules
from router.server.auth import ANONYMOUS
from router.tuning.documents import Document, Unreadable, read, text_at
from router.tuning.examine import Examined, examine
from router.tuning.view import View, as_json, console
from tests.fakes.gates import GATES, share_gates

SECRETS = ("536-22-8726", "maria.g@northwind-clinic.com", "415-555-2671")
HARMLESS = "What is the capital of the moon?"
TEXT = (
    f"The patient Maria Gonzalez: SSN is {SECRETS[0]},\nmail {SECRETS[1]}, phone {SECRETS[2]}.\nShe lives in Paris.\n"
)
LINES = (
    '{"messages": [{"role": "user", "content": "What is the capital of France?"}]}',
    '{"messages": [{"role": "user", "content": "my SSN is 536-22-8726"}], "metadata": {"ssn": 536228726}}',
    '{"text": "mail maria.g@northwind-clinic.com"}',
    '"a plain text line"',
    "not json at all",
    '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.com/y.png"}}]}]}',
)


HOME = GATES.parent / "home"
"""A home folder, where the command keeps what it compiles."""


def scan(*arguments: str, stdin: str | None = None, **environment: str) -> tuple[int, str]:
    share_gates(HOME / ".cache" / "sona-router" / "scan")
    env = {"COLUMNS": "160", "NO_COLOR": "", "FORCE_COLOR": "", "HOME": str(HOME), **environment}
    result = CliRunner().invoke(app, ["scan", *arguments], input=stdin, env=env)
    return result.exit_code, result.output


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

MAIL = "write to maria.g@northwind-clinic.com"
HOSTILE = f"{MAIL} \x1b]0;owned\x07\x1b[2J"
DISGUISES = {
    "is ５３６-22-8726 now": "is [[５３６-22-8726]]‹US_SSN",
    "SSN 5\u200b3\u200b6-22-8726 now": "SSN [[5·3·6-22-8726]]‹US_SSN",
    "my SSN is 536%2D22%2D8726 now": "is [[536%2D22%2D8726]]‹US_SSN",
    "base64 bXkgU1NOIGlzIDUzNi0yMi04NzI2 now": "[[bXkgU1NOIGlzIDUzNi0yMi04NzI2]]‹US_SSN",
}
TEXTS = (TEXT, MAIL, HOSTILE, HARMLESS, *DISGUISES)
LEVELS = {entity: rule.sensitivity for entity, rule in rules(PrivacyConfig()).items()}


@pytest.fixture(scope="module")
def found() -> dict[str, Examined]:
    """All texts and lines, scanned and judged in one go."""
    patient = RouterConfig.model_validate({"privacy": {"scan": {"deadline_ms": 60_000}}})
    documents = [Document(name=text[:10], body=said(text), is_text=True) for text in TEXTS]  # pyright: ignore[reportArgumentType]
    documents += [Document(name=line[:10], body=json.loads(line)) for line in (LINES[0], LINES[1], LINES[5])]
    examined = asyncio.run(examine(patient, documents, ANONYMOUS, GATES))
    return dict(zip((*TEXTS, LINES[0], LINES[1], LINES[5]), examined, strict=True))


def shown(*examined: Examined, color: bool = False, hidden: int = 0) -> str:
    out = io.StringIO()
    made = Console(file=out, width=160, markup=False, color_system="standard" if color else None, force_terminal=color)
    view = View(made, LEVELS)
    if len(examined) == 1:
        view.document(examined[0])
    view.summary(examined, hidden=hidden)
    return out.getvalue()


def test_a_text_is_shown_with_its_findings_the_verdict_and_counts(found: dict[str, Examined]) -> None:
    out = shown(found[TEXT])
    assert "SSN is [[536-22-8726]]‹US_SSN 0.85›," in out
    assert "mail [[maria.g@northwind-clinic.com]]‹EMAIL_ADDRESS" in out
    assert re.search(r"US_SSN +restricted +0\.85 +UsSsnRecognizer +1:36 +536-22-8726", out)
    assert re.search(r"EMAIL_ADDRESS +confidential +\S+ +email +2:6 +maria", out)
    assert "► stays local  sensitivity restricted, by rule 'sensitive'" in out
    assert re.search(r"PERSON +internal +1 +1 +person", out)
    assert "\x1b" not in out
    coloured = shown(found[TEXT], color=True)
    assert "\x1b[1;37;41m536-22-8726\x1b[0m" in coloured
    assert "[[" not in coloured


@pytest.mark.parametrize("text", DISGUISES)
def test_a_disguise_is_shown_where_it_stands(text: str, found: dict[str, Examined]) -> None:
    assert DISGUISES[text] in shown(found[text])


def test_a_request_is_shown_leaf_by_leaf(found: dict[str, Examined]) -> None:
    out = shown(found[LINES[1]])
    assert "messages[0].content:\nmy SSN is [[536-22-8726]]‹US_SSN 0.85›" in out
    assert "metadata.ssn:\n[[536228726]]‹" in out


def test_many_documents_add_up(found: dict[str, Examined]) -> None:
    out = shown(*(found[text] for text in (LINES[0], HARMLESS, MAIL, LINES[5])), hidden=2)
    assert re.search(r"2 +50\.0% +may leave", out)
    assert re.search(r"2 +50\.0% +stays local +EMAIL_ADDRESS 1, partial scan: unreadable:image_url 1", out)
    assert "2 more aren't shown; --limit shows more." in out


def test_nothing_found_is_said(found: dict[str, Examined]) -> None:
    assert "nothing was found in 32 characters" in shown(found[HARMLESS])
    assert "Nothing was found." in shown(found[HARMLESS])


def test_what_would_harm_a_terminal_is_shown_harmless(found: dict[str, Examined]) -> None:
    out = shown(found[HOSTILE], color=True)
    assert "\x1b]" not in out
    assert "\x1b[2J" not in out
    assert "·]0;owned··[2J" in out


def test_json_has_positions_and_never_the_text(found: dict[str, Examined]) -> None:
    out = as_json(list(found.values())).decode()
    assert json.loads(out)["summary"]["documents"] == len(found)
    assert not [secret for secret in SECRETS if secret in out]
    first = json.loads(out)["documents"][0]
    place = {one["entity"]: one for one in first["findings"]}["US_SSN"]
    assert TEXT[place["start"] : place["end"]] == SECRETS[0]
    assert (first["rule"], first["action"]) == ("sensitive", "local")


def test_no_color_is_respected_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert console(color=None).color_system is not None
    assert console(color=False).color_system is None
    monkeypatch.setenv("NO_COLOR", "1")
    assert console(color=None).color_system is None
    assert console(color=True).color_system is not None


# -- as a command


def test_settings_can_be_tried_and_no_key_of_the_configuration_is_needed(tmp_path: Path) -> None:
    share_gates(tmp_path / "var" / "scan")
    config = tmp_path / "router.yaml"
    config.write_text(
        "server: {keys: [{id: me, key: env:NOT_SET_AT_ALL, on_sensitive: block}]}\n"
        "privacy: {entities: {US_SSN: {on_sensitive: local}}, scan: {deadline_ms: 60000}}\n"
    )
    with_config = ("-", "--config", str(config))
    assert "may leave with placeholders" in scan(*with_config, "--policy", "mask", stdin=MAIL)[1]
    assert "► may leave  " in scan(*with_config, "--threshold", "restricted", stdin=MAIL)[1]
    assert "is refused" in scan(*with_config, "--key", "me", stdin=MAIL)[1]
    code, out = scan(*with_config, "--key", "mee", stdin=MAIL)
    assert code == 2
    assert "did you mean 'me'?" in out


@pytest.mark.parametrize(("text", "level", "code"), [(MAIL, "restricted", 0), (MAIL, "confidential", 1)])
def test_fail_on_fails(text: str, level: str, code: int) -> None:
    assert scan("-", "--fail-on", level, stdin=text)[0] == code


def test_what_can_t_be_read_counts_as_the_worst(tmp_path: Path) -> None:
    file = tmp_path / "photo.bin"
    file.write_bytes(b"\xff\xd8\xff")
    code, out = scan(str(file), "--fail-on", "restricted")
    assert code == 1
    assert "can't be read: not UTF-8 text" in out
    assert scan(str(tmp_path / "none.txt"))[0] == 2


def test_a_scan_that_is_late_is_shown_as_the_router_takes_it() -> None:
    code, out = scan("-", "--deadline-ms", "0", "--fail-on", "restricted", "--json", stdin=HARMLESS)
    one = json.loads(out)["documents"][0]
    assert (code, one["action"], one["rule"], one["status"]) == (1, "local", "scan_incomplete", "failed")


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
privacy: {scan: {deadline_ms: 60000}}
sona: {enabled: false}
"""


def explain(tmp_path: Path, body: dict[str, object]) -> dict[str, object]:
    share_gates(tmp_path / "var" / "scan")
    config = tmp_path / "router.yaml"
    config.write_text(CONFIG)
    result = CliRunner().invoke(app, ["explain", "--config", str(config)], input=json.dumps(body))
    assert result.exit_code == 0, result.output
    return json.loads(result.output)["scan"]


def test_explain_tells_keys_from_values_and_says_when_nothing_was_found(tmp_path: Path) -> None:
    shown = explain(tmp_path, {"model": "auto", **said("hello"), "metadata": {SECRETS[1]: "x", "note": SECRETS[1]}})
    findings = shown["findings"]
    assert isinstance(findings, list)
    assert {(tuple(one["path"]), one["in_key"]) for one in findings} == {
        (("metadata", SECRETS[1]), True),
        (("metadata", "note"), False),
    }
    assert shown["summary"] == "found: EMAIL_ADDRESS"
    shown = explain(tmp_path, {"model": "auto", **said(HARMLESS)})
    assert (shown["findings"], shown["leaves"]) == ([], 1)
    assert shown["summary"] == "nothing was found in 32 characters"


def test_explain_takes_the_dialect_of_the_request(tmp_path: Path) -> None:
    config = tmp_path / "router.yaml"
    config.write_text(
        f"local: {{url: http://127.0.0.1:1}}\nrecord: {{path: {tmp_path}/var}}\nprivacy: {{scan: {{enabled: false}}}}\n"
    )
    bodies = {
        "messages": {"model": "local", "max_tokens": 5, **said(HARMLESS)},
        "responses": {"model": "local", "input": HARMLESS},
    }
    for dialect, body in bodies.items():
        command = ["explain", "--config", str(config), "--dialect", dialect]
        result = CliRunner().invoke(app, command, input=json.dumps(body))
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["features"]["dialect"] == dialect

"""The scanner with real worker processes: whatever goes wrong, the report says sensitive."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from router.config.schema import PrivacyConfig
from router.core.errors import ConfigError
from router.core.types import JsonObject, JsonValue, ScanReport, ScanStatus, Sensitivity
from router.privacy.masking import mask
from router.privacy.protocol import Found, Unit
from router.privacy.scanner import Scanner
from tests.fakes.gates import GATES

pytestmark = pytest.mark.anyio

SECRET = "maria.lopez@northbank.com"
HARMLESS = "please explain why the second design of the bridge was cheaper to build than the others "


def config(**scan: Any) -> PrivacyConfig:
    return PrivacyConfig.model_validate({"scan": {"deadline_ms": 10_000, **scan}})


FOR_A_WORKER = f"mail {SECRET}"
"""A text that only Presidio can read."""


def body(text: str) -> JsonObject:
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


def is_closed(report: ScanReport, status: ScanStatus, reason: str) -> bool:
    return (report.status, report.reason, report.sensitivity) == (status, reason, Sensitivity.RESTRICTED)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
async def scanner(anyio_backend: str) -> AsyncIterator[Scanner]:
    scanner = Scanner(config(), GATES)
    await scanner.start()
    yield scanner
    await scanner.aclose()


@pytest.fixture
async def own(anyio_backend: str) -> AsyncIterator[Scanner]:
    """A scanner that a test may break; its deadline is short."""
    scanner = Scanner(config(deadline_ms=400), GATES)
    await scanner.start()
    yield scanner
    await scanner.aclose()


async def test_a_harmless_text_is_public_and_complete(scanner: Scanner) -> None:
    report = await scanner.scan(body(HARMLESS))
    assert (report.status, report.sensitivity, report.findings) == (ScanStatus.COMPLETE, Sensitivity.PUBLIC, ())
    assert report.scanned_chars == len(HARMLESS) + len("auto") - 4
    assert report.ruleset == scanner.ruleset


async def test_a_finding_says_where_and_what_but_never_the_text(scanner: Scanner) -> None:
    report = await scanner.scan(body(f"Write to {SECRET} today"))
    (finding,) = report.findings
    assert (finding.entity, finding.path, finding.start, finding.end) == (
        "EMAIL_ADDRESS", ("messages", 0, "content"), 9, 9 + len(SECRET),
    )  # fmt: skip
    assert "maria" not in repr(report)


async def test_a_key_and_a_number_are_scanned_with_each_other(scanner: Scanner) -> None:
    report = await scanner.scan({"metadata": {"ssn": 856456789, SECRET: True}})
    assert set(report.entities) == {"US_SSN", "PERSONAL_ID", "EMAIL_ADDRESS"}
    by_entity = {finding.entity: finding for finding in report.findings}
    assert by_entity["EMAIL_ADDRESS"].path == ("metadata", SECRET)
    assert by_entity["EMAIL_ADDRESS"].in_key
    assert by_entity["US_SSN"].path == ("metadata", "ssn")


async def test_escaped_tool_arguments_are_read(scanner: Scanner) -> None:
    arguments = '{"to": "maria.lopez\\u0040northbank.com"}'
    function: JsonObject = {"name": "f", "arguments": arguments}
    report = await scanner.scan({"messages": [{"role": "assistant", "tool_calls": [{"function": function}]}]})
    assert report.entities == ("EMAIL_ADDRESS",)
    assert arguments[report.findings[0].start : report.findings[0].end] == "maria.lopez\\u0040northbank.com"


async def test_a_number_split_over_two_parts_is_found_in_both(scanner: Scanner) -> None:
    parts: list[Any] = [{"type": "text", "text": "my ssn is 856-45"}, {"type": "text", "text": "-6789, ok?"}]
    report = await scanner.scan({"messages": [{"role": "user", "content": parts}]})
    assert report.sensitivity is Sensitivity.RESTRICTED
    assert {finding.path[3] for finding in report.findings} == {0, 1}


async def test_unreadable_content_is_restricted(scanner: Scanner) -> None:
    image: JsonObject = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    report = await scanner.scan({"messages": [{"role": "user", "content": [image]}]})
    assert is_closed(report, ScanStatus.PARTIAL, "unreadable:image_url")


async def test_broken_text_is_restricted_but_still_scanned(scanner: Scanner) -> None:
    report = await scanner.scan(body(f"Mail \ud800 {SECRET}"))
    assert is_closed(report, ScanStatus.PARTIAL, "unreadable:text")
    assert report.entities == ("EMAIL_ADDRESS",)


async def test_no_time_means_sensitive() -> None:
    scanner = Scanner(config(deadline_ms=0), GATES)
    assert is_closed(await scanner.scan(body("hi")), ScanStatus.FAILED, "deadline")


async def test_too_much_text_means_sensitive() -> None:
    scanner = Scanner(config(max_chars=10), GATES)
    assert is_closed(await scanner.scan(body("hello hello hello")), ScanStatus.PARTIAL, "oversize")


async def test_a_scanner_that_was_never_started_means_sensitive() -> None:
    scanner = Scanner(config(), GATES)
    assert not scanner.ready
    assert is_closed(await scanner.scan(body("hi")), ScanStatus.FAILED, "worker_died")


async def test_a_body_that_breaks_the_walk_means_sensitive() -> None:
    scanner = Scanner(config(), GATES)
    broken: Any = {"messages": object()}
    assert (await scanner.scan(broken)).sensitivity is Sensitivity.RESTRICTED


async def test_a_scan_that_is_switched_off_says_public_without_a_worker() -> None:
    scanner = Scanner(config(enabled=False), GATES)
    await scanner.start()
    assert scanner.ready
    report = await scanner.scan(body(SECRET))
    assert (report.status, report.sensitivity) == (ScanStatus.COMPLETE, Sensitivity.PUBLIC)
    await scanner.aclose()


async def test_a_killed_worker_fails_its_scan_and_the_next_one_works(own: Scanner) -> None:
    (pid,) = own.worker_pids
    os.kill(pid, signal.SIGSTOP)
    scan = asyncio.create_task(own.scan(body(FOR_A_WORKER)))
    waiting = asyncio.create_task(own.scan(body(f"again, {FOR_A_WORKER}")))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    assert is_closed(await scan, ScanStatus.FAILED, "worker_died")
    assert (await waiting).status is ScanStatus.COMPLETE
    assert (await own.scan(body(FOR_A_WORKER))).status is ScanStatus.COMPLETE
    assert own.worker_pids != (pid,)


@pytest.mark.alone
async def test_a_stuck_worker_fails_its_scan_in_time_and_is_replaced(own: Scanner) -> None:
    (pid,) = own.worker_pids
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    assert is_closed(await own.scan(body(FOR_A_WORKER)), ScanStatus.FAILED, "deadline")
    assert time.monotonic() - start < 1
    for _ in range(100):
        await asyncio.sleep(0.05)
        if own.worker_pids not in ((pid,), ()):
            break
    assert (await own.scan(body(FOR_A_WORKER))).status is ScanStatus.COMPLETE
    assert not is_running(pid)


async def test_a_text_that_takes_too_long_is_given_up_and_the_worker_goes_on(own: Scanner) -> None:
    pids = own.worker_pids
    report = await own.scan(body("1-" * 450_000))
    assert is_closed(report, ScanStatus.FAILED, "deadline")
    assert (await own.scan(body(FOR_A_WORKER))).status is ScanStatus.COMPLETE
    assert own.worker_pids == pids


async def test_a_failed_scan_is_not_remembered(own: Scanner) -> None:
    (pid,) = own.worker_pids
    os.kill(pid, signal.SIGSTOP)
    assert is_closed(await own.scan(body(f"mail {SECRET}")), ScanStatus.FAILED, "deadline")
    os.kill(pid, signal.SIGCONT)
    assert (await own.scan(body(f"mail {SECRET}"))).entities == ("EMAIL_ADDRESS",)


async def test_more_hits_than_are_counted_mean_sensitive(scanner: Scanner) -> None:
    report = await scanner.scan(body("call +44 20 7946 0958, " * 20_000))
    assert is_closed(report, ScanStatus.PARTIAL, "unreadable:hits")


@pytest.mark.alone
async def test_a_queue_that_is_full_fails_closed_at_once() -> None:
    scanner = Scanner(config(max_queue=3, deadline_ms=3_000), GATES)
    await scanner.start()
    (pid,) = scanner.worker_pids
    os.kill(pid, signal.SIGSTOP)
    waiting = [asyncio.create_task(scanner.scan(body(f"{number} {FOR_A_WORKER}"))) for number in range(3)]
    await asyncio.sleep(0)
    start = time.monotonic()
    assert is_closed(await scanner.scan(body(f"one too many, {FOR_A_WORKER}")), ScanStatus.FAILED, "overloaded")
    assert time.monotonic() - start < 2
    os.kill(pid, signal.SIGCONT)
    assert {report.status for report in await asyncio.gather(*waiting)} == {ScanStatus.COMPLETE}
    assert (await scanner.scan(body(f"and again, {FOR_A_WORKER}"))).status is ScanStatus.COMPLETE
    await scanner.aclose()


@pytest.mark.alone
async def test_big_scans_leave_a_worker_to_the_small_ones() -> None:
    scanner = Scanner(config(workers=2, deadline_ms=2_000), GATES)
    await scanner.start()
    big = [asyncio.create_task(scanner.scan(body("1-" * 400_000 + str(number)))) for number in range(3)]
    await asyncio.sleep(0.1)
    small = [await scanner.scan(body(f"{number} {FOR_A_WORKER}")) for number in range(20)]
    assert {report.status for report in small} == {ScanStatus.COMPLETE}
    await asyncio.gather(*big)
    await scanner.aclose()


async def test_a_report_counts_what_was_read(scanner: Scanner) -> None:
    report = await scanner.scan({"messages": [{"role": "user", "content": "größe"}], "metadata": {"né": "x"}})
    assert (report.leaves, report.scanned_chars, report.scanned_bytes) == (2, 8, 11)


async def test_the_template_process_comes_back_when_it_dies(own: Scanner) -> None:
    (pid,) = own.worker_pids
    with open(f"/proc/{pid}/stat") as stat:  # noqa: ASYNC230  a pseudo file
        template = int(stat.read().rpartition(")")[2].split()[1])
    os.kill(template, signal.SIGKILL)
    for _ in range(600):
        await asyncio.sleep(0.05)
        if own.worker_pids not in ((pid,), ()):
            break
    assert (await own.scan(body(FOR_A_WORKER))).status is ScanStatus.COMPLETE


async def test_closing_ends_every_process() -> None:
    scanner = Scanner(config(workers=2), GATES)
    await scanner.start()
    pids = scanner.worker_pids
    assert len(pids) == 2
    await scanner.aclose()
    assert not any(map(is_running, pids))


async def test_an_unknown_recognizer_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="did you mean 'email'"):
        await Scanner(PrivacyConfig(recognizers=("emial",)), GATES).start()


async def test_many_scans_at_once_each_get_their_own_answer(scanner: Scanner) -> None:
    async def one(number: int) -> bool:
        text = "x" * number + (f" user{number}@example.com" if number % 2 else " nothing")
        report = await scanner.scan(body(text))
        return [finding.start for finding in report.findings if finding.entity == "EMAIL_ADDRESS"] == (
            [number + 1] if number % 2 else []
        )

    assert all(await asyncio.gather(*(one(number) for number in range(300))))


HOSTILE = {
    "dots": "." * 10_000,
    "emoji": "🙂" * 10_000,
    "brackets": "[" * 10_000,
    "letters": "a" * 10_000,
    "at signs": "a@" * 5_000,
    "digits": "4" * 10_000,
    "dashes": "1-" * 5_000,
    "dates": "2021-03-04,2021-03-05\n" * 455,
    "base64": "QUJD" * 2_500,
    "escapes": "%41" * 3_333,
    "quotes": "password='" * 1_000,
    "accents": "é" * 10_000,
    "short numbers": "12 0" * 2_500,
    "spaces": " " * 10_000,
    "colons": "::" * 5_000,
}


@pytest.mark.alone
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_text_costs_little_more_than_a_harmless_one(scanner: Scanner, name: str) -> None:
    async def fastest(text: str) -> float:
        reports = [await scanner.scan(body(text)) for _ in range(3)]
        assert all(report.reason == "" for report in reports)
        return min(report.elapsed_ms for report in reports)

    harmless = await fastest((HARMLESS * 120)[:10_000])
    assert await fastest(HOSTILE[name]) < 30 * harmless + 50


async def test_a_match_is_found_wherever_a_long_text_is_cut(scanner: Scanner) -> None:
    for before in range(1_250, 1_560, 13):
        filler = (HARMLESS * 20)[:before]
        report = await scanner.scan(body(f"{filler} {SECRET} {HARMLESS * 5}"))
        mails = [finding for finding in report.findings if finding.entity == "EMAIL_ADDRESS"]
        assert [(mail.start, mail.end) for mail in mails] == [(before + 1, before + 1 + len(SECRET))]


async def test_a_private_key_is_covered_to_its_end(scanner: Scanner) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n" * 60
    key += "-----END RSA PRIVATE KEY-----"
    report = await scanner.scan(body(f"{key} and more"))
    assert report.findings[0].start == 0
    assert max(finding.end for finding in report.findings) == len(key)


async def test_nothing_that_is_logged_or_reported_holds_text(
    scanner: Scanner, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    reports = [await scanner.scan(body(text)) for text in (f"mail {SECRET}", f"\x00{SECRET}", "call +44 20 7946 0958")]
    output = caplog.text + repr(reports) + "".join(capfd.readouterr())
    assert "maria" not in output
    assert "7946" not in output


async def test_a_key_over_a_list_is_found_and_masked(scanner: Scanner) -> None:
    for items in ([], ["x"], [1, [None]]):
        request: JsonObject = {**body("hi"), "metadata": {f"my mail {SECRET}": items}}  # type: ignore[dict-item]
        report = await scanner.scan(request)
        assert [(finding.path, finding.in_key) for finding in report.findings] == [
            (("metadata", f"my mail {SECRET}"), True)
        ]
        assert SECRET not in repr(mask(request, report.findings, bytes(32))[0])


async def test_a_value_split_over_many_parts_is_found(scanner: Scanner) -> None:
    parts: list[JsonValue] = [
        {"type": "text", "text": text} for text in ("My card is 4532 01", "51", "12", "830366 now")
    ]
    report = await scanner.scan({"messages": [{"role": "user", "content": parts}]})
    assert {finding.path[3] for finding in report.findings if finding.entity == "CREDIT_CARD"} == {0, 1, 2, 3}


async def test_a_value_that_only_its_label_gave_away_is_masked_everywhere(scanner: Scanner) -> None:
    request = body("password: Tr0ub4dor&3xyz. " + HARMLESS * 10 + "Use Tr0ub4dor&3xyz to log in")
    report = await scanner.scan(request)
    assert "Tr0ub4dor" not in repr(mask(request, report.findings, bytes(32))[0])


async def test_a_number_with_a_fraction_is_read(scanner: Scanner) -> None:
    report = await scanner.scan({**body("hi"), "metadata": {"ssn": 536228726.5}})
    assert report.sensitivity is Sensitivity.RESTRICTED
    assert report.findings[0].path == ("metadata", "ssn")


async def test_data_that_can_not_be_read_counts_as_sensitive(scanner: Scanner) -> None:
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20).decode()
    report = await scanner.scan({"messages": [{"role": "user", "content": "what is this", "images": [image]}]})
    assert is_closed(report, ScanStatus.PARTIAL, "unreadable:data")


async def test_a_surer_but_less_sensitive_reading_of_a_span_does_not_hide_the_worse_one(scanner: Scanner) -> None:
    report = await scanner.scan(body("The patient's name is Megan Chang, she has asthma."))
    assert report.sensitivity is Sensitivity.RESTRICTED
    assert "MEDICAL_RECORD" in report.entities


async def test_a_text_in_a_data_url_is_scanned(scanner: Scanner) -> None:
    for text, expected in (("My SSN is 536-22-8726", Sensitivity.RESTRICTED), (HARMLESS, Sensitivity.PUBLIC)):
        uri = f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}"
        file: JsonValue = {"type": "file", "file": {"file_data": uri, "filename": "notes.txt"}}
        report = await scanner.scan({"messages": [{"role": "user", "content": [file]}]})
        assert (report.status, report.sensitivity) == (ScanStatus.COMPLETE, expected)


def said(*said: tuple[str, str], **fields: JsonValue) -> JsonObject:
    messages: list[JsonValue] = [{"role": role, "content": content} for role, content in said]
    return {"model": "auto", "messages": messages, **fields}


@pytest.mark.parametrize(
    "messages",
    [
        [("user", "My card is 4111 1111"), ("assistant", "1111 1111")],
        [("system", "The customer's card is 4111 1111 "), ("user", "1111 1111, please bill it")],
        [("user", "My card is 4111 1111"), ("assistant", ""), ("tool", "1111 1111")],
        [("user", "My SSN is 856-45"), ("assistant", "-6789")],
    ],
)
async def test_a_number_split_over_messages_of_two_authors_is_found(
    scanner: Scanner, messages: list[tuple[str, str]]
) -> None:
    report = await scanner.scan(said(*messages))
    assert report.sensitivity is Sensitivity.RESTRICTED
    masked, _ = mask(said(*messages), report.findings, b"k" * 32)
    assert not any(part in repr(masked) for part in ("4111", "1111", "856", "6789"))


def _asked(question: str, answer: str) -> JsonObject:
    return {"messages": [{"role": "assistant", "content": question}, {"role": "user", "content": answer}]}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What's your password?", "hunter2"),
        ("Wie lautet Ihr Passwort?", "sommerregen"),
        ("What's the wifi password?", "bluebird"),
        ("What is your API key?", "diINobPWBHykWHQ1KuSW1Mzrh0e2fTLd"),
        ("And the PIN of your card?", "4921"),
    ],
)
async def test_a_secret_that_answers_the_message_before_is_found(scanner: Scanner, question: str, answer: str) -> None:
    report = await scanner.scan(_asked(question, answer))
    assert report.sensitivity is Sensitivity.RESTRICTED
    places = [finding for finding in report.findings if finding.path[1] == 1]
    assert any(answer[place.start : place.end] == answer for place in places)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What's your password?", "I won't tell"),
        ("Did you reset your password?", "already"),
        ("What's your favourite colour?", "bluebird"),
        ("What is your password policy?", "twelve"),
    ],
)
async def test_an_answer_that_tells_no_secret_is_left_alone(scanner: Scanner, question: str, answer: str) -> None:
    assert (await scanner.scan(_asked(question, answer))).sensitivity is Sensitivity.PUBLIC


@pytest.mark.parametrize("field", ["user", "metadata"])
async def test_a_name_beside_the_messages_counts_for_what_they_say(scanner: Scanner, field: str) -> None:
    name: JsonValue = "John Smith" if field == "user" else {"name": "John Smith"}
    diagnosis = ("user", "I was diagnosed with HIV last week")
    filler = ("assistant", HARMLESS * 5)
    assert (await scanner.scan(said(diagnosis, filler, **{field: name}))).sensitivity is Sensitivity.RESTRICTED
    assert (await scanner.scan(said(filler, **{field: name}))).sensitivity is Sensitivity.INTERNAL


@pytest.mark.parametrize(
    "newest", [f"{HARMLESS * 9} mail {SECRET}", f"mail {SECRET}", f"-6789, {HARMLESS * 9}", HARMLESS * 9]
)
async def test_the_newest_of_many_messages_is_read_like_any_other(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, newest: str
) -> None:
    older = [("user", f"{number}: call me at +44 20 7946 0958") for number in range(11)]
    body = {
        "user": "Anna Kowalska",
        **said(*older, ("user", "My SSN is 856-45"), ("user", newest)),
        "my ssn": 856456789,
    }
    report = await scanner.scan(body)
    monkeypatch.setattr(Scanner, "_found", _found_at_once)
    one_by_one = Scanner(config(), GATES)
    await one_by_one.start()
    assert (await one_by_one.scan(body)).findings == report.findings
    assert report.sensitivity is Sensitivity.RESTRICTED
    await one_by_one.aclose()


async def _found_at_once(self: Scanner, units: list[Unit], ahead: Any) -> tuple[str, list[Found]]:
    reply = await ahead.run(units)
    return reply.error, reply.found


async def test_a_worker_that_dies_over_the_newest_message_fails_the_scan(own: Scanner) -> None:
    (pid,) = own.worker_pids
    os.kill(pid, signal.SIGSTOP)
    scan = asyncio.create_task(own.scan(said(*[("user", "hello")] * 10, ("user", HARMLESS * 9))))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    assert is_closed(await scan, ScanStatus.FAILED, "worker_died")


async def test_an_image_in_a_content_list_is_unreadable_wherever_the_list_stands(scanner: Scanner) -> None:
    image: JsonValue = {"type": "image_url", "image_url": {"url": "https://pictures.example/1.png"}}
    report = await scanner.scan(said(("user", "hello"), content=[image]))
    assert is_closed(report, ScanStatus.PARTIAL, "unreadable:image_url")


async def test_a_request_with_too_many_findings_counts_as_restricted(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.privacy.scanner.MAX_FINDINGS", 2)
    many = [{"role": "user", "content": f"Write to person{number}@northbank.com"} for number in range(3)]
    report = await scanner.scan({"messages": many})  # type: ignore[dict-item]
    assert (report.status, report.reason) == (ScanStatus.PARTIAL, "unreadable:hits")
    assert report.sensitivity is Sensitivity.RESTRICTED

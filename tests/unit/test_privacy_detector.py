"""The detector by itself: no expression runs away, no socket is needed, no error quotes a text, hits are bounded."""

from __future__ import annotations

import gc
import re
import socket
import time
from collections.abc import Generator, Iterator
from typing import Any, NoReturn

import msgspec
import pytest
from presidio_analyzer import PatternRecognizer

from router.config.schema import PrivacyConfig, ScanConfig
from router.core.clock import monotonic_s
from router.privacy.detector import Detector
from router.privacy.document import MOST_HITS, OVERLAP, SEGMENT
from router.privacy.engine import DeadlinePassed
from router.privacy.protocol import WARM_UP, Found, Job, Reply, Unit
from router.privacy.worker import Server
from tests.fakes.gates import GATES

CHARS = 20_000
DEADLINE_S = ScanConfig().deadline_ms / 1000
SECRET = "maria.lopez@northbank.com"
ALWAYS = ("a", "1", "A1", "1-", "1 ", "a.", "a@", "a ", " ", "-", "é", "0a")


@pytest.fixture(scope="module", autouse=True)
def as_in_a_worker() -> Generator[None]:
    """Keep the collector away from all that other tests left in this process, as a worker keeps it from what is loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(PrivacyConfig(), GATES)


def repeated(piece: str, chars: int) -> str:
    return (piece * (chars // len(piece) + 1))[:chars]


def attacks(expression: str) -> Iterator[str]:
    """Yield pieces to repeat: what the expression itself looks for, and pairs of it."""
    plain = re.sub(r"\(\?[^:)]*[:)]|\\[bBdDsSwWpP]|\{[\d,]*\}", " ", expression)
    words = list(dict.fromkeys(re.findall(r"[^\W\d_]{2,}", plain)))[:3]
    signs = list(dict.fromkeys(re.findall(r"[-.:/@=_+#%'\"]", plain)))[:4]
    yield from ALWAYS
    for word in words:
        yield from (word, f"{word} ", f"{word} 1", f"{word}1-")
    for sign in signs:
        yield from (sign, f"1{sign}", f"a{sign}1", f"a{sign} ")


def test_no_expression_runs_away_on_its_own_letters(detector: Detector) -> None:
    segments = CHARS / (SEGMENT - OVERLAP)
    costs: list[tuple[float, str, str, str]] = []
    detector.deadline.at_s = float("inf")
    for name, pattern in detector.patterns:
        for piece in attacks(pattern.regex):
            text = repeated(piece, SEGMENT)
            compiled: Any = pattern.compiled_regex
            start = time.process_time()
            for _ in compiled.finditer(text):
                pass
            costs.append(((time.process_time() - start) * segments, name, pattern.name, piece))
    assert len(costs) > 3_000
    assert max(costs)[0] < DEADLINE_S, sorted(costs)[-5:]
    for _, _, _, piece in sorted(costs)[-5:]:
        ends_in_time(detector, repeated(piece, CHARS))


def ends_in_time(detector: Detector, text: str) -> None:
    detector.deadline.at_s = monotonic_s() + DEADLINE_S
    start = time.thread_time()  # workers have one thread for numpy, this process has more
    try:
        detector.read(Unit([("", text)]))
    except DeadlinePassed:
        pass
    finally:
        detector.deadline.at_s = float("inf")
    assert time.thread_time() - start < 2 * DEADLINE_S, "a look between two steps comes too late"


@pytest.mark.parametrize(
    "piece", ["+44 20 7946 0958, ", "4532015112830366 ", "2021-03-04,2021-03-05\n", "Maria Lopez ", "a@b.com,"]
)
def test_a_megabyte_of_hits_ends_by_the_deadline(detector: Detector, piece: str) -> None:
    ends_in_time(detector, repeated(piece, 1_000_000))


def test_hits_are_counted_up_to_a_bound(detector: Detector) -> None:
    mails = [f"user{number}@example{number}.com" for number in range(MOST_HITS + 50)]
    assert detector.read(Unit([("", ", ".join(mails))])).unreadable == "hits"
    few = detector.read(Unit([("", ", ".join(mails[: MOST_HITS - 50]))]))
    assert few.unreadable == ""
    assert len([match for match in few.matches if match[4] == "EMAIL_ADDRESS"]) == MOST_HITS - 50


def refuse(*args: object, **kwargs: object) -> NoReturn:
    raise PermissionError("no socket may be opened")


def test_a_detector_needs_no_socket(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = detector.read(WARM_UP)
    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname", "socketpair"):
        monkeypatch.setattr(socket, name, refuse)
    assert Detector(PrivacyConfig(), GATES).read(WARM_UP) == expected
    assert len(expected.matches) >= 8


class _Quoting:
    """A detector whose every recognizer fails with the text in its message."""

    def __init__(self, detector: Detector, error: type[Exception]) -> None:
        self.deadline = detector.deadline
        self._error = error

    def read(self, unit: Unit) -> Found:
        raise self._error(f"can't read {unit.texts[0][1]}")


@pytest.mark.parametrize(
    "error", [ValueError, KeyError, RuntimeError, MemoryError, RecursionError, UnicodeError, AssertionError]
)
def test_an_error_that_quotes_a_text_leaves_the_worker_as_a_code(
    error: type[Exception], detector: Detector, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server = Server.__new__(Server)
    server.__dict__.update(
        _detector=_Quoting(detector, error), _passed=DeadlinePassed, _decode=msgspec.msgpack.Decoder(Job).decode
    )
    answer = server.answer(msgspec.msgpack.encode(Job(7, monotonic_s() + 5, [Unit([("", SECRET)])])))
    assert b"maria" not in answer
    assert msgspec.msgpack.decode(answer, type=Reply) == Reply(7, "worker_error")
    assert "maria" not in "".join(capfd.readouterr())


def test_a_recognizer_that_fails_fails_the_scan(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, text: str) -> NoReturn:
        raise ValueError(text)

    monkeypatch.setattr(PatternRecognizer, "validate_result", fail)
    with pytest.raises(ValueError, match="4111"):
        detector.read(Unit([("", "card 4111 1111 1111 1111")]))

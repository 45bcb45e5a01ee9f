"""Texts that hold numbers, codes and encodings of nobody are left alone, however much they look like a disguise."""

from __future__ import annotations

import base64
import codecs
from typing import TYPE_CHECKING

import pytest

from router.config.schema import PrivacyConfig
from router.core.types import Sensitivity
from router.privacy.protocol import Unit
from tests.fakes.gates import GATES
from tests.property._disguises import TEXTS

if TYPE_CHECKING:
    from router.privacy.detector import Detector

HARMLESS = "The bridge was built in the spring and painted green."

LOOK_ALIKES = [
    # order numbers, parcels, tickets, parts
    "Order #40291-8837 has shipped", "order number 112-7734519-2284501", "PO 4500123456 line 20", "ticket JIRA-48213", "invoice INV-2024-00317",
    "tracking 1Z999AA10123456784", "parcel RR123456785GB", "SKU 8801-4432-XL", "part no. 7L3Z-9F593-A", "ISBN 978-3-16-148410-0", "ISBN 0306406152",
    "EAN 4006381333931", "ISSN 2049-3630", "DOI 10.1000/182", "UPC 036000291452", "batch L2304B17", "model XPS-13-9310", "serial O-ring 5x1.5",
    # versions, builds, hashes, ids
    "Version 10.0.19045.3803", "build 20240611.4", "v1.2.3-rc.1+exp.sha.5114f85", "python 3.11.9, numpy 1.26.4", "kernel 6.8.0-31-generic",
    "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709", "md5: 9e107d9d372bb6826bd81d3542a419d6", "commit e83c5163316f89bfbde7d9ab23ca2e25604af290",
    "uuid 550e8400-e29b-41d4-a716-446655440000", "request 01ARZ3NDEKTSV4RRFFQ69G5FAV", "trace 4bf92f3577b34da6a3ce929d0e0e4736",
    "etag W/\"0815-4711\"", "crc32 0xCBF43926", "0xdeadbeef 0xcafebabe", "object at 0x7f8b8c0d2e50", "GUID {21EC2020-3AEA-1069-A2DD-08002B30309D}",
    # times, places, sizes
    "Unix time 1718000000", "2024-05-01T12:30:45.123456Z", "between 08:15 and 17:45 on 01/02/2024", "lat 48.858370, lon 2.294481", "N 52° 31.2' E 13° 24.5'",
    "1920x1080@60", "f/2.8, 1/250, ISO 400", "resolution 3840 x 2160", "pi is 3.14159265358979", "e = 2.718281828459045", "Avogadro 6.02214076e23",
    "speed of light 299792458 m/s", "127.0.0.1:8080", "192.0.2.17 and 198.51.100.4", "2001:db8::1", "00:1A:2B is the vendor part", "10.0.0.0/8",
    # mathematics, lists, code
    "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89", "2 3 5 7 11 13 17 19 23 29 31", "1 2 3 4 5 6 7 8 9", "5 3 . . 7 . . . .", "[[1,0,0],[0,1,0],[0,0,1]]",
    "1 + 2 + 3 + 4 + 5 + 6 = 21", "12 * 34 - 56 / 7", "x = [10, 20, 30, 40, 50, 60]", "range(1000000, 2000000, 250000)", "chmod 644 a && chmod 755 b",
    "0.1 0.2 0.3 0.4 0.5 0.6 0.7", "for (i = 0; i < 10; i++) { s += a[i] * b[i]; }", "SELECT a, b, c FROM t WHERE d = 1 AND e = 2", "A B C D E F G H I J",
    "a b c d e f g h i j k", "x, y, z, u, v, w = 1, 2, 3, 4, 5, 6", "#ff0000 #00ff00 #0000ff", "rgba(12, 34, 56, 0.78)", "M 10 10 L 20 20 L 30 10 Z",
    "1e4 e5 2. Nf3 Nc6 3. Bb5 a6", "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", "C D E F G A B C", "x | y | z | 1 | 2 | 3 | 4",
    "| 1 | 2 | 3 |\n| 4 | 5 | 6 |\n| 7 | 8 | 9 |", "1\n2\n3\n4\n5\n6\n7\n8", "- - - - - - - -", ". . . . . . . .", "--- | --- | --- | ---", "*** *** ***",
    # words of numbers
    "one two three four five six seven eight nine ten", "ten green bottles and nine blue ones", "twenty twenty-four was a good year", "eins zwei drei, los",
    "un deux trois soleil", "uno due tre stella", "the first of two or three", "two plus two is four, and four plus four is eight", "one of the seven or eight",
    "nineteen eighty-four is a novel", "a hundred and twenty-three people", "drei von vier, oder vier von fünf", "dos o tres, quizás cuatro",
    "count backwards: five four three two one", "zero one zero one", "six of one, half a dozen of the other", "chapter twenty two, page three",
    # at and dot, and addresses of nobody
    "meet me at the dot on the map", "look at point B", "we are at version 2 dot 0", "dinner at eight, dot your i's", "the at sign (@) and the dot (.)",
    "foo@bar", "git@github.com:org/repo.git", "user@localhost", "a @ b.T", "@property", "npm i @types/node@20.1.0", "decorator @app.get", "x[at] = 1",
    # encodings of harmless text
    base64.b64encode(HARMLESS.encode()).decode(), base64.b64encode(base64.b64encode(HARMLESS.encode())).decode(), HARMLESS.encode().hex(),
    base64.b32encode(HARMLESS.encode()).decode(), codecs.encode(HARMLESS, "rot13"), HARMLESS[::-1], " ".join(HARMLESS), " ".join(str(ord(c)) for c in HARMLESS),
    " ".join(f"{ord(c):08b}" for c in HARMLESS), "".join(f"%{ord(c):02X}" for c in HARMLESS), "".join(f"&#{ord(c)};" for c in HARMLESS),
    "".join(f"\\u{ord(c):04x}" for c in HARMLESS), "... --- ...", ".... . .-.. .-.. --- / .-- --- .-. .-.. -..", "=48=65=6C=6C=6F", "Uryyb jbeyq",
    "GET /search?q=best%20pizza%20recipe&page=2", "caf&eacute; &amp; bar &lt;3", "It&#39;s &quot;fine&quot;", "C:\\new\\table\\readme.txt", "\\d{3}-\\d{4}",
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "xn--mnchen-3ya.de",
    *(TEXTS[name](HARMLESS) for name in TEXTS if name not in ("base64 of gzip", "tag characters", "right to left")),
    "meet me at the dot at noon", "call me at 5 dot com was a startup", "Alfa Bravo Charlie Delta Echo begin the alphabet of pilots",
    "Romeo and Juliet, Oscar Wilde and Victor Hugo danced a tango at the Hotel India in November", "first 4, then 8, then 15, and finally 16",
    "created_at and updated_at are columns; a dot is a point", "two hundred and five thousand people, six hundred of them in nine boats", "x @ y",
    # scripts and signs
    "Привет, мир", "Ελλάδα 2024", "x² + y² = z²", "H₂SO₄ and CO₂", "① first ② second ③ third", "５０％オフ", "第三章 二〇二四年", "½ cup, ¾ cup", "1️⃣ do 2️⃣ test 3️⃣ ship",
    "👍🏽👩‍👩‍👧", "naïve café", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "Straße 5", "(╯°□°)╯︵ ┻━┻", "مرحبا ١٢٣", "नमस्ते २०२४",
    # prices, scores, amounts
    "$1,299.00 or €1.199,00", "1,234,567 people", "12.345.678 Einwohner", "score 3:2 after 2:2", "GDP 4,082,469 million", "budget 250_000_000", "7/8 of 3/4 is 21/32",
    "card 7 of 52", "pick a card, any card: 4 of hearts", "Luhn: double every second digit", "IBAN has up to 34 characters", "an SSN has nine digits",
    "test card words: 4242...", "phone number formats: +1 (xxx) xxx-xxxx", "Model A1234567 screws", "Flight LH 454, seat 23A, gate B12", "Bus 38, then tram 4",
]  # fmt: skip


@pytest.fixture(scope="module")
def detector() -> Detector:
    from router.privacy.detector import Detector  # Presidio is imported only when the test runs

    return Detector(PrivacyConfig(), GATES)


def judged(detector: Detector, text: str) -> tuple[Sensitivity, str]:
    """Say how sensitive a text is, and what of it can't be read."""
    return detector.detect([("", text)], [])[0], detector.read(Unit([("", text)], [])).unreadable


def test_nearly_all_look_alikes_are_left_alone(detector: Detector) -> None:
    flagged: list[str] = []
    for text in LOOK_ALIKES:
        sensitivity, unreadable = judged(detector, text)
        if sensitivity >= Sensitivity.CONFIDENTIAL or unreadable:
            flagged.append(text)
    assert len(LOOK_ALIKES) > 150
    assert len(flagged) <= len(LOOK_ALIKES) * 0.03, flagged


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_taking_disguises_off_finds_nothing_more_in_a_look_alike(
    detector: Detector, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensitivity, unreadable = judged(detector, text)
    assert not unreadable
    monkeypatch.setattr("router.privacy.views.DECODERS", ())
    assert judged(detector, text)[0] == sensitivity

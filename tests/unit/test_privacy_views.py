"""Disguises are seen through, offsets lead back, and the gate never closes on a match."""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
import re
import time
import zlib

import pytest

from router.privacy.gate import Gate
from router.privacy.loosen import least_digits, loosen
from router.privacy.recognizers import qualifier
from router.privacy.recognizers._qualifiers import STRONG, WEAK
from router.privacy.views import views


@pytest.mark.parametrize(
    ("text", "plain", "covered"),
    [
        ("card ４５３９!", "4539", "４５３９"),
        ("card ٤٥٣٩!", "4539", "٤٥٣٩"),
        ("a@no\u200brth.com", "a@north.com", "a@no\u200brth.com"),
        ("my 856–45–6789", "856-45-6789", "856–45–6789"),
        ("IBAN DЕ89", "DE89", "DЕ89"),
        ("4\u03355\u0335 x", "45", "4\u03355\u0335"),
        ("is ５３６－２２－８７２６…", "536-22-8726", "５３６－２２－８７２６"),
        ("is ５３６－２２－８７２６\ufe0f。\u200b", "536-22-8726", "５３６－２２－８７２６"),
        ("is …５３６\u115f－２２－８７２６", "536-22-8726", "５３６\u115f－２２－８７２６"),
        ("5\ufe0f\u20e33\ufe0f\u20e36", "536", "5\ufe0f\u20e33\ufe0f\u20e36"),
        ("a\u2028b\u1680c", "a\nb c", "a\u2028b\u1680c"),
        ("call %2B44 now", "+44", "%2B44"),
        ("m%40x.com now", "m@x.com", "m%40x.com"),
        ("m&#64;x.com now", "m@x.com", "m&#64;x.com"),
        ("\\u0038\\u0035 now", "85", "\\u0038\\u0035"),
        ("\\uff18\\uff15 now", "85", "\\uff18\\uff15"),
        ("8\\u200b5 now", "85", "8\\u200b5"),
        ("see TXkgU1NOIGlzIDg1Ni00NS02Nzg5 now", "My SSN is 856-45-6789", "TXkgU1NOIGlzIDg1Ni00NS02Nzg5"),
    ],
)
def test_a_disguised_text_is_seen_plain_and_its_place_is_known(text: str, plain: str, covered: str) -> None:
    for view in views(text):
        place = view.text.find(plain)
        if place >= 0:
            start, end = view.original(place, place + len(plain))
            assert covered in text[start:end]
            assert len(text[start:end]) <= len(covered) + 1
            return
    pytest.fail("not seen")


def test_a_character_of_a_view_never_stands_for_nothing() -> None:
    for view in views("x …½%41\\u0042 ５\u200b６ﬁ㌫&#67; 👩\u200d👩\ufe0f z"):
        for start in range(len(view.text)):
            for end in range(start + 1, len(view.text) + 1):
                first, last = view.original(start, end)
                assert first < last


@pytest.mark.parametrize("text", ["plain text", "naïve café", "Привет, мир", "你好", "", "100 % of $5 & more"])
def test_a_plain_text_has_one_view_that_equals_it(text: str) -> None:
    assert [view.text for view in views(text)] == [text]


SAID = b"My SSN is 856-45-6789 and thanks, see you soon"


@pytest.mark.parametrize(
    "text",
    [
        "payload=" + base64.b64encode(SAID).decode(),
        base64.b64encode(gzip.compress(SAID, mtime=0)).decode(),
        base64.b64encode(zlib.compress(SAID)).decode(),
        base64.b64encode(base64.b64encode(SAID)).decode(),
        base64.encodebytes(b"filler " * 30 + SAID).decode(),
        "-----BEGIN NOTE-----\n" + base64.encodebytes(b"x" * 20 + SAID).decode().rstrip() + "\n-----END NOTE-----",
        "-----BEGIN NOTE-----\n"
        + base64.encodebytes(b"x" * 12 + SAID + b" ok").decode().rstrip()
        + "\n-----END NOTE-----",
        base64.b64encode(b"filler " * 5000 + SAID).decode(),
        "see 0x" + SAID.hex() + ".",
        SAID.hex(" "),
        SAID.hex(":").upper(),
    ],
)
def test_packed_data_is_read(text: str) -> None:
    assert any("856-45-6789" in view.text for view in views(text))


NOISE = random.Random(1).randbytes(60_000)


@pytest.mark.parametrize(
    "text",
    [
        "see " + base64.b64encode(NOISE[:200]).decode(),
        base64.encodebytes(NOISE[:400]).decode(),
        base64.b64encode(NOISE).decode(),
        base64.b32encode(NOISE[:200]).decode(),
        NOISE[:128].hex(),
        base64.b64encode(gzip.compress(NOISE[:300], mtime=0)).decode(),
        base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20).decode(),
        base64.b64encode(gzip.compress(b"bomb " * 100_000, mtime=0) + NOISE[:200]).decode(),
    ],
)
def test_data_that_can_not_be_read_is_noted(text: str) -> None:
    assert any(view.whole is not None and not view.text for view in views(text))


@pytest.mark.parametrize(
    "text",
    [
        hashlib.sha512(b"x").hexdigest(),
        "\n".join(hashlib.sha256(bytes([i])).hexdigest() for i in range(20)),
        "ACGTTGCA" * 100,
        "a" * 5000,
        "4" * 5000,
        "src/Main2/java/com/example/service/" * 20,
        "very_long_identifier_With_words_and_2_numbers_" * 12,
        "-" * 500,
        "1234567890" * 60,
    ],
)
def test_ordinary_long_words_are_no_data(text: str) -> None:
    assert all(view.text for view in views(text))


@pytest.mark.parametrize(
    ("text", "plain", "covered"),
    [
        ("card \U000e0034\U000e0035\U000e0033\U000e0039\U000e0035\U000e0037\U000e0038 end", "4539578", "\U000e0034"),
        ("card \u202e8759354\u202c end", "4539578", "8759354"),
        ("pin ⠼⠙⠑⠉⠊⠑⠛⠓ end", "4539578", "⠙⠑⠉⠊⠑⠛⠓"),
        ("call four five three nine five seven eight now", "4539578", "four five three nine five seven eight"),
        (
            "ruf fünfundvierzig neununddreißig siebenundfünfzig acht an",
            "4539578",
            "fünfundvierzig neununddreißig siebenundfünfzig acht",
        ),
        (
            "appelle quatre-vingt-dix-sept soixante-douze trois cinq un",
            "9772351",
            "quatre-vingt-dix-sept soixante-douze trois cinq un",
        ),
        (
            "llama cuarenta y cinco treinta y nueve cinco siete ocho",
            "4539578",
            "cuarenta y cinco treinta y nueve cinco siete ocho",
        ),
        ("say DE eight nine double three seven one five now", "DE8933715", "DE eight nine double three seven one five"),
        (
            "it is eight five six dash four five dash six seven eight nine.",
            "856-45-6789",
            "eight five six dash four five dash six seven eight nine",
        ),
        (
            "j.doe [at] mail [dot] example (dot) com",
            "j.doe@mail.example.com",
            "j.doe [at] mail [dot] example (dot) com",
        ),
        ("no 4539 <b>5787</b> <i>63</i>62", "6362", "63</i>62"),
        ("'4539' + '5787' + '6362'", "453957876362", "4539' + '5787' + '6362"),
        ("4_5_3_9_5_7_8_7", "45395787", "4_5_3_9_5_7_8_7"),
        ("856/45/6789", "856 45 6789", "856/45/6789"),
        ("4539S787 6362 l486", "45395787 6362 1486", "4539S787 6362 l486"),
        ("vf zl frperg xrl: NXVN12", "secret key: AKIA12", "frperg xrl: NXVN12"),
        ("moc.knab@ofni :liame ym", "my email: info@bank.com", "moc.knab@ofni :liame ym"),
    ],
)
def test_a_disguise_is_read_and_its_place_is_known(text: str, plain: str, covered: str) -> None:
    found = [(view, view.text.find(plain)) for view in views(text) if plain in view.text]
    assert found
    assert any(covered in text[slice(*view.original(place, place + len(plain)))] for view, place in found)


HOSTILE = (
    ". 4 1- .-\x20 a QUJD QUJDQUJDQUJD\n %41 %2541 &#65; & \\ \\u0041 a\x20b\x20 one\x20two\x20 one-two- a\x20at\x20b\x20dot\x20c\x20 a@ <b> <b\x20 "
    '"+" =41 =\n 52\x20 0x41, 01000001 chr(52)+ 12/ 1234_ 12\n O0l1\x20 4O DE89/ 4a MZXW6 <~ -----BEGIN\x20 gur\x20naq\x20 eht\x20rof\x20 '
    "brx|fdq\x20 @ab.frp\x20 Zm9vYm Zm9vYmFy1\x20 aB1-cD2+eF3*gH4_iJ5\x20 0<5$% MABCDEFGHIJKL\n alfa\x20bravo\x20 sixzero first\x204\x20 1\x20dash\x20 1\x20hundred\x20 "
    '_at_ a_dot_b_at_ a\x20@\x20 [b]a[/b] concat("1", \\41\x20 \\s? 。a 5!6| '
    "аa ４ \u200b1 \U000e0041 \ufe0f \u202eab ⠁ 4🙂 一 [1,2], (at) |\x201\x20 **a a__ a\n 1_"
).split(" ")


@pytest.mark.alone
@pytest.mark.parametrize("piece", HOSTILE)
def test_the_readings_of_a_hostile_text_grow_no_faster_than_the_text(piece: str) -> None:
    def cost(length: int) -> tuple[float, int]:
        text = (piece * length)[:length]
        start = time.process_time()
        size = sum(len(view.text) for view in views(text))
        return time.process_time() - start, size

    small, large = min(cost(5_000) for _ in range(3)), cost(40_000)
    assert large[0] < 40 * small[0] + 0.2
    assert large[1] <= 12 * 40_000 + 200_000


def test_a_text_with_more_readings_than_its_bounds_allow_is_not_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.privacy.views.SLACK", 0)
    monkeypatch.setattr("router.privacy.views.GROWTH", 1)
    text = "%34%35 <b>4</b>5 &#65; \\u0041 1_2_3_4_5_6_7"
    assert any(view.whole == (0, len(text)) and not view.text for view in views(text))


@pytest.mark.parametrize("block", ["PGP PUBLIC KEY BLOCK", "PUBLIC KEY", "CERTIFICATE"])
def test_data_made_for_everybody_need_not_be_read(block: str) -> None:
    text = (
        f"-----BEGIN {block}-----\nComment: by - us\n\n{base64.encodebytes(NOISE[:900]).decode()}-----END {block}-----"
    )
    assert all(view.text for view in views(text))


EXPRESSIONS = [
    (r"\b\d{3}-\d{2}-\d{4}\b", "id 856-45-6789."),
    (r"(?<![\w.])[A-Z]{2}\d{2}(?:[ -]?\w){4,8}(?!\w)", "DE89 3704"),
    (r"(?i)naïve [é-í]+", "NAÏVE ÉÍ"),
    (r"(?-i:\p{Lu}\p{L}+) [^\s@]{1,9}@", "Émile x@"),
    (r"^(?=.*\d)(?P<a>x)(?>y)z*?$", "xy"),
    (r"([:-])a\1b{0,3}", "-a-bb"),
    (r"[]\]^-]+\$\.", "]]$."),
    (r"マイ.{0,2}\d", "マイは1"),
    (r"a{0,1}b?c{12}", "bcccccccccccc"),
    (r"(?<![^\W_])ab(?![^\W_])", "ab"),
    (r"(?<![^\W_])ab(?![^\W_])", "x_ab–cd"),
    (r"(?<![^\W_])(?:é|z+)(?![^\W_])", "…zz\n"),
]


@pytest.mark.parametrize(("expression", "text"), EXPRESSIONS)
def test_the_gate_opens_for_every_match(expression: str, text: str) -> None:
    assert Gate([expression]).hits(text) == {0}


def test_the_gate_stays_shut_for_a_text_that_cannot_match() -> None:
    gate = Gate([r"\b\d{9}\b", r"@\w+\.com"])
    assert gate.hits("hello world") == set()
    assert gate.ungated == frozenset()


def test_the_gate_stays_shut_for_a_part_of_a_word_where_only_whole_ones_match() -> None:
    gate = Gate([r"(?<![^\W_])(?:hiv|sued)(?![^\W_])"])
    assert gate.hits("archives are pursued") == set()
    assert gate.hits("archives, sued") == {0}


def test_the_gate_opens_for_every_word_that_makes_a_name_sensitive() -> None:
    gate = Gate(qualifier.build()[0].signs)
    words = {word.strip() for table in (*STRONG.values(), WEAK) for word in re.split(r"[|\n]", table)} - {""}
    assert len(words) > 1_000
    assert [word for word in words if not gate.hits(f"she, {word.replace('*', 'ing')}!")] == []


def test_an_expression_that_does_not_compile_is_never_gated() -> None:
    assert Gate([r"(unclosed", r"\d{9}"]).hits("hello") == {0}


def test_without_hyperscan_everything_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hyperscan", None)
    assert Gate([r"a", r"b"]).hits("") == {0, 1}


@pytest.mark.parametrize(
    ("expression", "digits"),
    [
        (r"\d{3}-\d\d", 5),
        (r"(?:\d{2}|[0-9]x[1-3])+", 2),
        (r"(?:12|a)\d?", 0),
        (r"(?<=1)[\dA-F]7*", 0),
        (r"(?:(?:4\d){2,9}|55555)\s*1", 5),
        (r"\d{16}", 8),
        (r"é{2}5", 1),
    ],
)
def test_the_digits_that_an_expression_needs_are_counted(expression: str, digits: int) -> None:
    assert least_digits(loosen(expression)) == digits


@pytest.mark.parametrize("number", ["1", "1234", "12345", "12345678", "123456789"])
def test_the_gate_opens_for_numbers_of_every_length(number: str) -> None:
    assert Gate([rf"x\d{{{len(number)}}}", r"y+"]).hits(f"x{number}") == {0}


def test_loosening_drops_boundaries_and_upper_bounds() -> None:
    assert re.search(loosen(r"\b(?<!x)\d{2,4}(?!\w)\b"), "x12345y")

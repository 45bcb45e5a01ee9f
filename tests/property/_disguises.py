"""Ways to write a value so that it doesn't look like one, and values to write. Used by the tests of disguises."""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import gzip
import html
import quopri
import random
import zlib
from collections.abc import Callable
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import NamedTuple
from urllib.parse import quote

from stdnum import luhn
from stdnum.nl import bsn

DIGITS, LETTERS, ANY = "digits", "letters", "any"

Disguise = Callable[[str], str]

WORDS = {
    "en": "zero one two three four five six seven eight nine",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pt": "zero um dois três quatro cinco seis sete oito nove",
    "nl": "nul een twee drie vier vijf zes zeven acht negen",
    "pl": "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć",
    "sv": "noll ett två tre fyra fem sex sju åtta nio",
    "fi": "nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän",
    "tr": "sıfır bir iki üç dört beş altı yedi sekiz dokuz",
    "cs": "nula jeden dva tři čtyři pět šest sedm osm devět",
}
NATO = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz0123456789-.@",
        "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform victor "
        "whiskey x-ray yankee zulu zero one two three four five six seven eight niner dash dot at".split(),
        strict=True,
    )
)
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
MORSE = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz0123456789.-@ ",
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. ----- .---- ..--- "
        "...-- ....- ..... -.... --... ---.. ----. .-.-.- -....- .--.-. /".split(),
        strict=True,
    )
)


def _map(source: str, target: str) -> Disguise:
    table = str.maketrans(source, target)
    return lambda text: text.translate(table)


def _join(sign: str) -> Disguise:
    return lambda text: sign.join(char for char in text if char.isalnum())


def _groups(sign: str) -> Disguise:
    def split(text: str) -> str:
        plain = "".join(filter(str.isalnum, text))
        size = (3, 2, 4) if "-" in text else (3, 3, 3) if len(plain) == 9 else (4,) * 8
        pieces: list[str] = []
        for length in size:
            pieces.append(plain[:length])
            plain = plain[length:]
        return sign.join(filter(None, pieces))

    return split


def _wide(start: int, first: str = "0", count: int = 10) -> Disguise:
    return _map("".join(chr(ord(first) + i) for i in range(count)), "".join(chr(start + i) for i in range(count)))


def _say(language: str, sign: str = " ") -> Disguise:
    words = WORDS[language].split()
    return lambda text: sign.join(words[int(char)] for char in text if char.isdigit())


def _say_doubles(text: str) -> str:
    said: list[str] = []
    digits = [char for char in text if char.isdigit()]
    while digits:
        digit = digits.pop(0)
        double = bool(digits) and digits[0] == digit
        said.append(("double " if double else "") + WORDS["en"].split()[int(digit)])
        digits = digits[double:]
    return ", ".join(said)


def _spell(text: str) -> str:
    return " ".join(NATO[char] for char in text.lower())


def _caesar(places: int) -> Disguise:
    return _map(ascii_letters, "".join(part[places:] + part[:places] for part in (ascii_lowercase, ascii_uppercase)))


def _base58(text: str) -> str:
    number, said = int.from_bytes(text.encode(), "big"), ""
    while number:
        number, digit = divmod(number, 58)
        said = BASE58[digit] + said
    return said


def _uuencode(text: str) -> str:
    lines = [binascii.b2a_uu(text[place : place + 45].encode()).decode() for place in range(0, len(text), 45)]
    return f"begin 644 a.txt\n{''.join(lines)}`\nend"


def _lines(text: str, width: int) -> str:
    return "\n".join(text[place : place + width] for place in range(0, len(text), width))


def _wrapped(data: bytes, width: int) -> str:
    text = base64.b64encode(data).decode()
    return "\n".join(text[place : place + width] for place in range(0, len(text), width))


VALUES: dict[str, Disguise] = {
    "full-width": lambda text: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text),
    "zero-width space": lambda text: "\u200b".join(text),
    "word joiner": lambda text: "\u2060".join(text),
    "soft hyphen": lambda text: "\u00ad".join(text),
    "variation selectors": lambda text: "\ufe0f".join(text),
    "combining strokes": lambda text: "".join(char + "\u0335" for char in text),
    "mathematical sans": lambda text: _wide(0x1D7E2)(_wide(0x1D5A0, "A", 26)(_wide(0x1D5BA, "a", 26)(text))),
    "mathematical monospace": lambda text: _wide(0x1D7F6)(_wide(0x1D670, "A", 26)(_wide(0x1D68A, "a", 26)(text))),
    "percent": lambda text: "".join(f"%{ord(char):02X}" for char in text),
    "percent twice": lambda text: "".join(f"%25{ord(char):02X}" for char in text),
    "HTML decimal": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML hex": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "JSON escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "hex escapes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "octal escapes": lambda text: "".join(f"\\{ord(char):03o}" for char in text),
    "brace escapes": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "quoted-printable": lambda text: "".join(f"={ord(char):02X}" for char in text),
    "decimal codes": lambda text: " ".join(str(ord(char)) for char in text),
    "hex codes": lambda text: ", ".join(hex(ord(char)) for char in text),
    "octal codes": lambda text: " ".join(f"{ord(char):03o}" for char in text),
    "binary codes": lambda text: " ".join(f"{ord(char):08b}" for char in text),
    "chr calls": lambda text: " + ".join(f"chr({ord(char)})" for char in text),
    "CSS escapes": lambda text: "".join(f"\\{ord(char):x} " for char in text),
    "each in bold": lambda text: "".join(f"<b>{char}</b>" for char in text),
    "concatenated": lambda text: '"' + '" + "'.join(text[place : place + 4] for place in range(0, len(text), 4)) + '"',
}  # fmt: skip
"""Of any value, the label left as it is."""

NUMBERS: dict[str, Disguise] = {
    "Arabic digits": _wide(0x660), "Persian digits": _wide(0x6F0), "Devanagari digits": _wide(0x966), "Thai digits": _wide(0xE50),
    "keycaps": lambda text: "".join(char + "\ufe0f\u20e3" if char.isdigit() else char for char in text),
    "superscripts": _map("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"), "subscripts": _wide(0x2080), "circled": _map("0123456789", "⓪①②③④⑤⑥⑦⑧⑨"),
    "black circled": _map("0123456789", "⓿❶❷❸❹❺❻❼❽❾"), "ideographs": _map("0123456789", "〇一二三四五六七八九"),
    "look-alike letters": lambda text: text.replace("0", "O", 1).replace("1", "l", 1).replace("5", "S", 1),
    **{f"each digit {sign!r}": _join(sign) for sign in (" ", "-", ".", "_", "/", "|", "\n", ", ", "*", ":", " - ", " / ", ")(", '","', '", "', "🙂")},
    **{f"groups {sign!r}": _groups(sign) for sign in ("_", "/", "|", "\n", "*", " | ", ":", "</td><td>", "**-**", "<br>", " / ", "🙂", "…")},
    **{f"said in {language}": _say(language) for language in WORDS},
    "said with dashes": _say("en", "-"), "said line by line": _say("en", "\n"), "said with commas": _say("de", ", "),
    "said in one word": _say("en", ""), "said with doubles": _say_doubles,
    **{f"groups {sign!r}": _groups(sign) for sign in (" dash ", " then ", "[/b][b]")},
}  # fmt: skip
"""Of values made of digits."""

MAILS: dict[str, Disguise] = {
    "at and dot": lambda text: text.replace("@", " at ").replace(".", " dot "),
    "[at] and [dot]": lambda text: text.replace("@", " [at] ").replace(".", " [dot] "),
    "(at)": lambda text: text.replace("@", "(at)"),
    "{at} {dot}": lambda text: text.replace("@", "{at}").replace(".", "{dot}"),
    "arroba punto": lambda text: text.replace("@", " arroba ").replace(".", " punto "),
    "Punkt": lambda text: text.replace("@", " at ").replace(".", " Punkt "),
    "_at_ and _dot_": lambda text: text.replace("@", "_at_").replace(".", "_dot_"),
    "/at/ and /dot/": lambda text: text.replace("@", " /at/ ").replace(".", " /dot/ "),
    "at sign and period": lambda text: text.replace("@", " at sign ").replace(".", " period "),
    "Russian": lambda text: text.replace("@", " собака ").replace(".", " точка "),
    "ideographic stop": lambda text: text.replace("@", "＠").replace(".", "。"),
    "regular expression": lambda text: text.replace("@", "\\@").replace(".", "\\."),
    "at on a line of its own": lambda text: text.replace("@", "\n@\n"),
    "NATO": _spell,
    "letter by letter": lambda text: " ".join(
        "-".join(word) if word.isalpha() else {"@": "at", ".": "dot"}[word] for word in text.replace("@", " @ ").replace(".", " . ").split()
    ),
    "each letter spaced": lambda text: " ".join(text),
    "Cyrillic": _map("aeopcxy", "аеорсху"),
    "tags between": lambda text: text.replace("@", "<span>@</span>"),
    "leet end": lambda text: text.replace(".com", ".c0m").replace(".org", ".0rg").replace(".net", ".n3t"),
}  # fmt: skip
"""Of e-mail addresses."""

TEXTS: dict[str, Disguise] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 URL": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 wrapped": lambda text: _wrapped(text.encode(), 20),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 of gzip": lambda text: base64.b64encode(gzip.compress(text.encode())).decode(),
    "base64 of zlib": lambda text: base64.b64encode(zlib.compress(text.encode())).decode(),
    "base64 of bzip2": lambda text: base64.b64encode(bz2.compress(text.encode())).decode(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16")).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base85": lambda text: base64.a85encode(text.encode(), adobe=True).decode(),
    "base32 wrapped": lambda text: _lines(base64.b32encode(text.encode()).decode(), 40),
    "base58": _base58,
    "base85 without marks": lambda text: base64.b85encode(text.encode()).decode(),
    "uuencode": _uuencode,
    "base64 of UTF-16 without a mark": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 backwards": lambda text: base64.b64encode(text.encode()).decode()[::-1],
    "base64 in rot13": lambda text: codecs.encode(base64.b64encode(text.encode()).decode(), "rot13"),
    "base64 moved by 7": lambda text: _caesar(7)(base64.b64encode(text.encode()).decode()),
    "hex wrapped": lambda text: _lines(text.encode().hex(), 32),
    "hex backwards": lambda text: text.encode().hex()[::-1],
    "hex in rot13": lambda text: codecs.encode(text.encode().hex(), "rot13"),
    "hex": lambda text: text.encode().hex(),
    "hex spaced": lambda text: text.encode().hex(" "),
    "hex 0x": lambda text: "0x" + text.encode().hex(),
    "hex of base64": lambda text: base64.b64encode(text.encode()).hex(),
    "URL": lambda text: quote(text, safe=""),
    "HTML": lambda text: html.escape(text).replace(" ", "&nbsp;").replace("@", "&commat;"),
    "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode(),
    "uu-free binary": lambda text: bin(int(binascii.hexlify(text.encode()), 16))[2:].zfill(8 * len(text)),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "moved by 3": _caesar(3),
    "moved by 20": _caesar(20),
    "mirrored alphabet": _map(ascii_letters, ascii_lowercase[::-1] + ascii_uppercase[::-1]),
    "rot47": lambda text: "".join(chr(33 + (ord(char) + 14) % 94) if char > " " else char for char in text),
    "rot13 backwards": lambda text: codecs.encode(text, "rot13")[::-1],
    "backwards": lambda text: text[::-1],
    "right to left": lambda text: f"\u202e{text[::-1]}\u202c",
    "Morse": lambda text: " ".join(MORSE[char] for char in text.lower() if char in MORSE),
    "tag characters": lambda text: "".join(chr(0xE0000 + ord(char)) for char in text),
    "wide spaced": lambda text: " ".join(text),
}  # fmt: skip
"""Of a whole sentence."""


def card(source: random.Random) -> tuple[str, str, str]:
    number = "4" + "".join(source.choices("0123456789", k=14))
    return "CREDIT_CARD", "my credit card number is ", number + luhn.calc_check_digit(number)


def ssn(source: random.Random) -> tuple[str, str, str]:
    number = f"{source.randint(101, 665)}-{source.randint(11, 99)}-{source.randint(1001, 9999)}"
    return "US_SSN", "my social security number is ", number


def iban(source: random.Random) -> tuple[str, str, str]:
    account = "".join(source.choices("0123456789", k=18))
    return "IBAN_CODE", "please send it to this iban: ", f"DE{98 - int(account + '131400') % 97:02d}{account}"


def mail(source: random.Random) -> tuple[str, str, str]:
    names = ["".join(source.choices("abcdefghilmnoprstuvz", k=source.randint(4, 8))) for _ in range(3)]
    return "EMAIL_ADDRESS", "my email is ", f"{names[0]}.{names[1]}@{names[2]}.{source.choice(('com', 'org', 'net'))}"


def citizen(source: random.Random) -> tuple[str, str, str]:
    while True:
        number = str(source.randint(100000009, 799999999))
        if bsn.is_valid(number):
            return "NL_BSN", "my burgerservicenummer bsn is ", number


KINDS = {"card": card, "ssn": ssn, "iban": iban, "mail": mail, "citizen": citizen}
DIGIT_KINDS = ("card", "ssn", "citizen")


def cases() -> list[tuple[str, str]]:
    """List each disguise with each kind of value that it suits."""
    return [
        *((name, kind) for name in VALUES for kind in KINDS),
        *((name, kind) for name in NUMBERS for kind in DIGIT_KINDS),
        *((name, "mail") for name in MAILS),
        *((name, kind) for name in TEXTS for kind in KINDS),
    ]


class Written(NamedTuple):
    """A text with a disguised value in it."""

    text: str
    entity: str
    start: int
    end: int


def write(disguise: str, kind: str, source: random.Random, over: str = "") -> Written:
    """Draw a value and disguise it, alone or with its label; `over` names a second disguise, of the sentence."""
    entity, label, value = KINDS[kind](source)
    if disguise in TEXTS:
        before, hidden = "Please read this: ", TEXTS[disguise](label + value)
    else:
        suited = VALUES | (NUMBERS if kind in DIGIT_KINDS else {}) | (MAILS if kind == "mail" else {})
        before, hidden = label, suited[disguise](value)
    if over:
        before, hidden = "Please read this: ", TEXTS[over](before + hidden)
    return Written(f"{before}{hidden} thanks", entity, len(before), len(before) + len(hidden))

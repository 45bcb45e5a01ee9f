"""Numbers, signs and addresses that are spelled out, in English and seven other languages; look-alikes of digits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from router.privacy.view import Change, Traits, View

LEAST_DIGITS = 7
"""Shorter numbers identify nobody."""
LEAST_WORDS = 3

_UNITS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove",
    "pt": "zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito dezenove",
    "nl": "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien achttien negentien",
    "pl": "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście czternaście piętnaście szesnaście "
    "siedemnaście osiemnaście dziewiętnaście",
}
"""0 to 19 in each language."""
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante soixante-dix quatre-vingt quatre-vingt-dix",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig",
    "pl": "dwadzieścia trzydzieści czterdzieści pięćdziesiąt sześćdziesiąt siedemdziesiąt osiemdziesiąt dziewięćdziesiąt",
}
_MORE = {
    "oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0", "niner": "9", "fife": "5", "tree": "3", "zwo": "2", "ein": "1", "eine": "1", "une": "1",
    "una": "1", "uma": "1", "meia": "6", "duas": "2", "één": "1", "jedna": "1", "dwie": "2", "dieciseis": "16", "dezasseis": "16", "dezassete": "17",
    "dezanove": "19", "quatorze": "14", "septante": "70", "huitante": "80", "octante": "80", "nonante": "90", "〇": "0", "零": "0", "一": "1", "二": "2",
    "三": "3", "四": "4", "五": "5", "六": "6", "七": "7", "八": "8", "九": "9", "ноль": "0", "один": "1", "два": "2", "три": "3", "четыре": "4",
    "пять": "5", "шесть": "6", "семь": "7", "восемь": "8", "девять": "9",
}  # fmt: skip
_ELSEWHERE = (
    "noll ett två tre fyra fem sex sju åtta nio", "nul én to tre fire fem seks syv otte ni", "null én to tre fire fem seks sju åtte ni",
    "nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän", "sıfır bir iki üç dört beş altı yedi sekiz dokuz",
    "nula jeden dva tři čtyři pět šest sedm osm devět", "zero unu doi trei patru cinci șase șapte opt nouă",
    "nulla egy kettő három négy öt hat hét nyolc kilenc", "нуль один два три чотири п'ять шість сім вісім дев'ять",
    "μηδέν ένα δύο τρία τέσσερα πέντε έξι επτά οκτώ εννέα", "nol satu dua tiga empat lima enam tujuh delapan sembilan",
)  # fmt: skip
"""0 to 9 in further languages: Swedish, Danish, Norwegian, Finnish, Turkish, Czech, Romanian, Hungarian, Ukrainian, Greek, Indonesian."""
_WORDS_OF_ENGLISH = frozenset("to on hat opt fire nine".split())
_HUNDRED, _THOUSAND = "hundred", "thousand"
_TIMES = {
    **dict.fromkeys("double doppel zweimal doble doppio dobro dubbel podwójne podwójny twice deux-fois".split(), 2),
    **dict.fromkeys("triple treble dreimal dreifach triplo drievoudig potrójne potrójny thrice trois-fois".split(), 3),
    **dict.fromkeys("quadruple viermal".split(), 4),
}
_SIGNS = {
    **dict.fromkeys("dash hyphen minus strich bindestrich tiret trait guion guión trattino traço hífen hifen streepje koppelteken myślnik kreska".split(), "-"),
    **dict.fromkeys("space blank leerzeichen espace espacio spazio espaço spatie spacja slash stroke schrägstrich".split(), " "),
    **dict.fromkeys("dot point period punkt punto ponto punt kropka".split(), "."),
    "plus": "+",
}  # fmt: skip
_JOINING = frozenset("and und et y e i en then dann puis luego poi depois dan potem followed by finally".split())
_JOINTS = frozenset(
    (
        *(word for word, sign in _SIGNS.items() if sign in "-."),
        *"then dann puis luego poi depois potem finally followed".split(),
    )
)
"""Words that part the groups of a number, even if all its digits are written as such."""
_JOINT = re.compile(rf"\d,?\s{{1,3}}(?:and\s)?(?:{'|'.join(sorted(_JOINTS))})(?:\sby)?\s{{1,3}}\d", re.IGNORECASE)
_PLACES = frozenset("first next last".split())
_PLACE = re.compile(
    r"\b(?:and\s)?(?:the\s)?(?:first|second|third|fourth|next|last|final)(?:\s(?:two|three|four|five|six|[2-6]))?(?:\s(?:digits|numbers|ones))?(?:\s(?:is|are)|:)?(?=\s\d)",
    re.IGNORECASE,
)
"""Which digits of a number come now: `the next four are`."""

_PLAIN = str.maketrans("äöüßéèêáíóúçãõąćęłńśźżñ", "aouseeeaioucaoacelnszzn")


def _numbers() -> dict[str, str]:
    """Build the numbers 0 to 99 in every language, as they are written in one word, with and without accents."""
    numbers = {
        word: str(value)
        for row in _ELSEWHERE
        for value, word in enumerate(row.split())
        if word not in _WORDS_OF_ENGLISH
    }
    numbers |= _MORE
    for language, row in _UNITS.items():
        units, tens = row.split(), _TENS[language].split()
        numbers |= {word: str(value) for value, word in enumerate(units)}
        numbers |= {word: str(value * 10) for value, word in enumerate(tens, 2)}
        if language in ("de", "nl"):
            links = ("und",) if language == "de" else ("en", "ën")
            numbers |= {
                unit.removesuffix("s" if unit == "eins" else "") + link + ten: f"{tenth}{value}"
                for tenth, ten in enumerate(tens, 2)
                for value, unit in enumerate(units[:10])
                if value
                for link in links
            }
        if language == "it":
            numbers |= {
                (ten[:-1] if unit[0] in "uo" else ten) + unit: f"{tenth}{value}"
                for tenth, ten in enumerate(tens, 2)
                for value, unit in enumerate(units[:10])
                if value
            }
        if language == "es":
            numbers |= {"veinti" + unit: f"2{value}" for value, unit in enumerate(units[:10]) if value}
        if language == "fr":
            numbers |= {f"soixante-{unit}": str(60 + value) for value, unit in enumerate(units) if value > 10}
            numbers |= {f"quatre-vingt-{unit}": str(80 + value) for value, unit in enumerate(units) if value}
            numbers["quatre-vingts"] = "80"
    return numbers | {word.translate(_PLAIN): value for word, value in numbers.items()}


NUMBERS: Mapping[str, str] = _numbers()
NUMBER_WORDS = frozenset(NUMBERS) | frozenset(_TIMES)

_LEAST_GLUED = 21
"""Letters of seven digits that are written in one: `sixzeroone…`."""
_GLUED_WORD = re.compile(
    "|".join(word for word, value in NUMBERS.items() if len(word) > 2 and len(value) == 1 and word.isascii())
)
_GLUED = re.compile(rf"(?<![^\W\d_])(?:{_GLUED_WORD.pattern}){{{LEAST_DIGITS},}}(?![^\W\d_])", re.IGNORECASE)
_IDEOGRAMS = frozenset("〇零一二三四五六七八九")

_WORD = re.compile(r"[〇零一二三四五六七八九]|[^\W\d_]+(?:[-‐](?:(?:et|y|e)[-‐])?[^\W\d_]+){0,3}|[0-9]+")
_BETWEEN = re.compile(r"[\s,;:|/+*_-]{0,4}|[\s,;:|/-]{0,2}\.[\s]{0,3}|\s?(?:\.{3}|…)\s?")
_PARTS = re.compile(r"[^-‐]+")


class _Run:
    """A number as it is read out: what was said of it so far."""

    def __init__(self) -> None:
        self.start = self.end = 0
        self.said: list[str] = []
        self.words = self.joints = 0
        self.times = 1
        self.open = 0
        """Zeros at the end that the next word may fill: `five hundred` leaves two."""

    def add(self, word: str, start: int, end: int) -> bool:
        """Take the next word; say whether it belongs to the number."""
        letters, word = word, word.lower()
        value = NUMBERS.get(word) or (word if word.isdecimal() else None)
        if value is not None:
            self._number(value)
        elif word in (_HUNDRED, _THOUSAND) and self.said and self.said[-1].isdecimal():
            self._power(word)
        elif word in _TIMES:
            self.times = _TIMES[word]
        elif word in _SIGNS and (self.said or word == "plus"):
            self.said.append(_SIGNS[word])
        elif len(letters) <= 2 and letters.isascii() and letters.isupper() and letters != "I":
            self.said.append(letters)
        elif not (word in _JOINING and self.said):
            return False
        self.start = start if self.end == 0 else self.start
        self.end = end
        self.words += word in NUMBER_WORDS
        self.joints += word in _JOINTS
        return True

    def _power(self, word: str) -> None:
        last = self.said[-1]
        if word == _THOUSAND:
            self.said[-1], self.open = last + "000", 3
        else:
            self.said[-1], self.open = (last[:-3] + last[-1] if self.open == 1 else last) + "00", 2

    def _number(self, value: str) -> None:
        last = self.said[-1] if self.said else ""
        if self.open and len(value) <= self.open:
            self.said[-1] = last[: -len(value)] + value
            self.open = 1 if len(value) == 1 and self.open == 3 else 0
            return
        self.open = 0
        if len(last) == 2 and last[1] == "0" and last[0] > "1" and len(value) == 1 and value != "0":
            self.said[-1] = last[0] + value
        else:
            self.said.append(value * self.times)
        self.times = 1

    @property
    def text(self) -> str:
        return "".join(self.said).strip(" -.")

    @property
    def is_number(self) -> bool:
        return (self.words >= LEAST_WORDS or self.joints > 1) and sum(map(str.isdigit, self.text)) >= LEAST_DIGITS


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield words; of words with hyphens the parts, unless the whole is a number: `dix-sept`."""
    for match in _WORD.finditer(text):
        word = match.group()
        if word.lower() in NUMBERS or not ("-" in word or "‐" in word):
            yield word, *match.span()
        else:
            for part in _PARTS.finditer(word):
                yield part.group(), match.start() + part.start(), match.start() + part.end()


def _spoken(text: str) -> Iterator[Change]:
    run = _Run()
    for word, start, end in _words(text):
        if run.end and _BETWEEN.fullmatch(text, run.end, start) and run.add(word, start, end):
            continue
        if run.end:
            if run.is_number:
                yield run.start, run.end, run.text
            run = _Run()
        run.add(word, start, end)
    if run.is_number:
        yield run.start, run.end, run.text


def spoken_numbers(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with numbers that are read out in digits: `four five double three`, `vierzig-drei`, `856 dash four five`."""
    if traits.digits and not traits.words.isdisjoint(_PLACES):
        view = view.rewrite(_PLACE, _then)
        traits = Traits.of(view.text)
    if (
        len(traits.words & NUMBER_WORDS) > 1
        or (traits.digits and not traits.words.isdisjoint(_JOINTS) and _JOINT.search(view.text))
        or (not view.text.isascii() and not _IDEOGRAMS.isdisjoint(view.text))
    ):
        yield view.replace(_spoken(view.text))
    if b"a" * _LEAST_GLUED in traits.shape:
        yield view.rewrite(_GLUED, _unglued)


def _then(_place: str) -> str:
    return "then"


def _unglued(run: str) -> Sequence[str]:
    """Write each word of a run as its digit, in the place of its first letter."""
    pieces = [""] * len(run)
    for match in _GLUED_WORD.finditer(run.lower()):
        pieces[match.start()] = NUMBERS[match.group()]
    return pieces


AT_WORDS = frozenset("at arroba arobase chiocciola apenstaartje małpa malpa ät klammeraffe snabel et собака".split())
DOT_WORDS = frozenset("dot punkt point punto ponto punt kropka ponto tecka period точка".split())
_AT = r"(?:\s{0,2}[\[({<]\s?(?:at|ät|@|arroba|arobase|chiocciola|małpa)\s?[\])}>]\s{0,2}|\s{1,3}(?:at(?:\ssign)?|ät|arroba|arobase|chiocciola|apenstaartje|ma[łl]pa|klammeraffe|snabel-a|собака|@)\s{1,3}|@)"
_DOT = r"(?:\s{0,2}[\[({<]\s?(?:dot|punkt|point|punto|ponto|punt|kropka|\.)\s?[\])}>]\s{0,2}|\s{1,3}(?:dot|punkt|point|punto|ponto|punt|kropka|period|точка|\.)\s{1,3}|\.)"
_NAME = r"[^\W_](?:[\w+-]{0,40}[^\W_])?"
_ADDRESS = re.compile(
    rf"(?<![\w@])(?P<local>{_NAME}(?:{_DOT}{_NAME}){{0,3}})(?P<at>{_AT})(?P<domain>{_NAME}(?:{_DOT}{_NAME}){{1,4}})(?!\w)",
    re.IGNORECASE,
)
_DOTS = re.compile(_DOT, re.IGNORECASE)
_BRACKETED = re.compile(r"[\[({<]\s?(?:[Aa][Tt]|[Dd][Oo][Tt]|@|\.|arroba|punkt|punto|point|ponto)\s?[\])}>]")
_LETTERED = re.compile(r"(?<![^\W_])[^\W_](?:-[^\W_]){2,}(?![^\W_])")


_MARKED = re.compile(r"(?<=\w)\s?(?P<mark>[_*/~|#=:-]{1,2})(?P<word>at|dot)(?P=mark)\s?(?=[^\W_])", re.IGNORECASE)
"""Both words between signs: `john_at_example_dot_com`, `john /at/ example /dot/ com`."""
_SPACED_AT = re.compile(r"[^\W_]\s{1,3}@\s{1,3}[^\W_]")
_NO_LOCAL = frozenset(
    "me us him her them it you look meet is are be was am here there up down out work live stay arrive start end and or".split()
)
_NO_DOMAIN = frozenset("the a an this that my your our".split())
"""What stands before and behind an `at` that is just a word."""


def _addresses(text: str) -> Iterator[Change]:
    for match in _ADDRESS.finditer(text):
        local, domain = (_DOTS.sub(".", match[part]) for part in ("local", "domain"))
        is_word = match["at"].strip().lower() == "at"
        if not (is_word and (local.lower() in _NO_LOCAL or domain.partition(".")[0].lower() in _NO_DOMAIN)):
            yield *match.span(), f"{local}@{domain}"


def _unmarked(word: str) -> str:
    return "@" if "a" in word.lower() else "."


def spoken_addresses(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with e-mail addresses as they are written: `john at example dot com`, `john [at] example (dot) com`."""
    is_said = (traits.words & AT_WORDS or "@" in view.text) and traits.words & DOT_WORDS
    if is_said and "at" in traits.words and "dot" in traits.words:
        yield view.rewrite(_MARKED, _unmarked)
    is_said = is_said or ("@" in view.text and _SPACED_AT.search(view.text) is not None)
    if is_said or (any(bracket in view.text for bracket in "[({<") and _BRACKETED.search(view.text)):
        closed = view.rewrite(_LETTERED, lambda letters: [char if char != "-" else "" for char in letters])
        yield closed.replace(_addresses(closed.text))


_DIGIT_LIKE = str.maketrans("OoQDlI|!iZzSsGbBgq", "000011111225566899"[:18])
_MISREAD = re.compile(
    r"(?<![\w.])(?P<country>[A-Za-z]{2})?(?=[OoQDlI|!iZzSsGbBgq]{0,3}\d)[\dOoQDlI|!iZzSsGbBgq](?:[ .-]?[\dOoQDlI|!iZzSsGbBgq]){6,34}(?!\w)"
)
_LOOKS_LIKE_DIGITS = bytes(97 if chr(code) in "0123456789OoQDlI|!iZzSsGbBgq .-" else 32 for code in range(256))
_TLD = re.compile(
    r"(?<=@)[\w-]{1,60}(?:\.[\w-]{1,60}){0,3}\.(?=[a-z0135]{0,5}[0135])[a-z0135]{2,6}(?!\w)", re.IGNORECASE
)
_LETTER_LIKE = str.maketrans("0135", "oies")


def _digits(run: str) -> str:
    """Read `45O9 l234` as digits, if most of it is digits and what isn't stands among them."""
    country, number = (
        (run[:2], run[2:]) if run[:2].isalpha() and not set(run[:2]) <= set("OoQDlIiZzSsGbBgq") else ("", run)
    )
    digits, letters = sum(map(str.isdigit, number)), sum(map(str.isalpha, number))
    signs = number.count("|") + number.count("!")  # more likely between digits than for one
    if not letters + signs or digits < 5 or letters > digits or (signs and 2 * (letters + signs) > digits):
        return run
    return country + number.translate(_DIGIT_LIKE)


def _domain(text: str) -> str:
    return text.translate(_LETTER_LIKE)


def misread(view: View, traits: Traits) -> Iterator[View]:
    """Yield it with letters among digits as the digits they look like, and digits in an address's end as letters."""
    if traits.digits:
        if b"a" * 7 in view.text.encode("ascii", "replace").translate(_LOOKS_LIKE_DIGITS):
            yield view.rewrite(_MISREAD, _digits)
        if "@" in view.text:
            yield view.rewrite(_TLD, _domain)

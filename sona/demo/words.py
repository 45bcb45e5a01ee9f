"""Vocabulary that every generator draws from, split by hash into train and held-out words."""

import zlib
from enum import StrEnum
from random import Random

HELD_OUT_SHARE = 5
"""One value in this many is kept for the evaluation."""


class Split(StrEnum):
    """Which side of the train / held-out border a value or a phrasing comes from."""

    TRAIN = "train"
    HELD_OUT = "held_out"


def split_of(value: str) -> Split:
    """Say on which side a value lies; the same on every machine and in every run."""
    held = zlib.crc32(value.lower().encode()) % HELD_OUT_SHARE == 0
    return Split.HELD_OUT if held else Split.TRAIN


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _list(
    "Anna Ben Clara David Emma Felix Grace Henry Ines Jack Karen Leo Maria Nina Oscar Paula Quentin "
    "Rosa Sam Tara Umar Vera Will Xenia Yusuf Zoe Alice Bob Carlos Diana Erik Fatima George Hana Ivan "
    "Julia Kim Lars Mona Noah Olga Peter Rita Sven Tom Ursula Victor Wendy Priya Omar Lena Hugo Mia "
    "Amir Sofia Liam Nora Adam Elena Marco Jane John Sara Lucy Mark Laura Paul Ruth Simon Eva"
)
LAST_NAMES = _list(
    "Keller Smith Garcia Novak Tanaka Silva Brown Rossi Meyer Khan Larsen Dubois Okafor Patel Weber "
    "Jones Moreno Ivanov Kim Lopez Nguyen Fischer Murphy Costa Haddad Berg Young Walker Diaz Moore "
    "Clark Evans Hill Ito Jansen Kovac Lind Marsh Nolan Ortiz Price Reyes Stone Turner Vega Wood Adams "
    "Baker Cole Duran Ellis Ford Grant Hayes Doe Lee Martin Schmidt Cooper Bauer"
)
CITIES = _list(
    "Berlin Paris London Madrid Rome Vienna Prague Oslo Lisbon Dublin Warsaw Athens Cairo Lagos Tokyo "
    "Osaka Seoul Delhi Mumbai Lima Bogota Quito Toronto Boston Chicago Dallas Denver Austin Seattle "
    "Miami Atlanta Munich Hamburg Lyon Nice Turin Milan Naples Porto Zurich Geneva Basel Bern Ghent "
    "Helsinki Tallinn Riga Sofia Zagreb Krakow Leeds York Bath Cork Perth Sydney Nairobi Accra Tunis"
)
ITEMS = _list(
    "laptop phone chair table lamp book pen keyboard mouse monitor printer camera bottle cup plate "
    "jacket shirt shoe hat bag watch ring guitar piano bicycle tent rope drill hammer saw ladder "
    "router cable charger battery speaker headset desk sofa mirror clock candle blanket pillow towel "
    "kettle toaster fridge oven fan heater vase basket bucket broom brush apple banana lemon coffee "
    "tea sugar bread cheese ticket stamp folder notebook marker scanner tablet helmet glove scarf"
)
TEXT_COLUMNS = _list(
    "name city country status email department color category brand customer supplier title author "
    "language region role owner type state vendor genre product currency team street company nickname "
    "manager label priority source gender material model username publisher director artist surname"
)
NUMBER_COLUMNS = _list(
    "age price total quantity amount salary score rating year weight height stock level points cost "
    "balance discount duration distance rank floor capacity pages hours days count size speed votes "
    "budget income tax rooms seats population temperature length width depth revenue units id"
)
TABLES = _list(
    "orders users customers products employees books cities movies invoices students courses cars "
    "flights payments tickets events songs players teams accounts reviews items projects tasks rooms "
    "suppliers shipments albums machines sensors offices members visits stores branches contracts "
    "clients people houses hotels devices logs messages countries doctors patients animals pets"
)
DIRECTORIES = _list(
    "/var/log /etc /tmp /home/anna /srv/www /opt/app src docs data logs build photos backup music "
    "/usr/local/bin /home/bob/projects /mnt/disk Downloads Documents config tests /var/www/html "
    "reports scripts /srv/data images videos archive public assets ~/work ~/notes /home . lib bin"
)
STEMS = _list(
    "report notes data main app config server index access error results summary users setup readme "
    "budget invoice photo backup todo draft output input list table model test script install build "
    "sales log stats contacts archive letter plan diary recipe music video song map guide"
)
EXTENSIONS = _list("txt log csv py json md pdf jpg png sh html xml yaml conf js css sql zip mp3 doc ini c go rs")
HOSTS = _list("example.com localhost sona.local test.org db.internal web01 mail.example.org api.test cache02 gate.lan")
_ONSETS = _list("b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kl kr pl pr sh sk sl st tr th vr zh qu")
_VOWELS = _list("a e i o u ai ea ia io oo ou y")
_CODAS = ("", "", "", "n", "r", "s", "l", "t", "k", "m", "x", "nd", "rk", "st", "ck", "ng", "p")
_LETTERS = "aabcdeefghiijklmnoopqrstuuvwxyz"
_REAL_WORDS = (
    *FIRST_NAMES,
    *LAST_NAMES,
    *CITIES,
    *ITEMS,
    *TEXT_COLUMNS,
    *NUMBER_COLUMNS,
    *TABLES,
    *STEMS,
)
_RESERVED = frozenset(
    "table index set all and from for add not null order group join limit case then when else end asc desc "
    "select where like between into values update delete insert create drop alter using union exists".split()
)
"""Words that SQL would read as its own."""
_ANY_NAMES = tuple(name for name in ITEMS + STEMS + TEXT_COLUMNS + NUMBER_COLUMNS + TABLES if name not in _RESERVED)


def _syllable(rng: Random) -> str:
    return rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)


class Words:
    """Draws values of one split from a seeded generator."""

    def __init__(self, rng: Random, split: Split) -> None:
        self.rng = rng
        self.split = split

    def of(self, pool: tuple[str, ...]) -> str:
        """Draw a word of this split from a pool."""
        while True:
            word = self.rng.choice(pool)
            if split_of(word) is self.split:
                return word

    def invented(self, capital: bool = False) -> str:
        """Make up a word: syllables, parts of real words put together, or any letters."""
        rng = self.rng
        while True:
            kind = rng.random()
            if kind < 0.4:
                word = "".join(_syllable(rng) for _ in range(rng.choice((1, 2, 2, 2, 3))))
            elif kind < 0.85:
                word = "".join(self._part() for _ in range(rng.choice((1, 2, 2))))
            else:
                word = "".join(rng.choice(_LETTERS) for _ in range(rng.randint(3, 7)))
            if len(word) > 2 and word not in _RESERVED and split_of(word) is self.split:
                return word.capitalize() if capital else word

    def _part(self) -> str:
        """Cut a piece of two to six letters out of a word of this split."""
        word = self.of(_REAL_WORDS).lower()
        start = self.rng.randrange(max(1, len(word) - 2))
        return word[start : start + self.rng.randint(2, 6)]

    def _mixed(self, pool: tuple[str, ...], capital: bool, share: float = 0.5) -> str:
        return self.invented(capital) if self.rng.random() < share else self.of(pool)

    def first_name(self) -> str:
        """Draw a given name, real or made up."""
        return self._mixed(FIRST_NAMES, True)

    def full_name(self) -> str:
        """Draw a given name and a family name."""
        return f"{self.first_name()} {self._mixed(LAST_NAMES, True)}"

    def city(self) -> str:
        """Draw a city."""
        return self._mixed(CITIES, True)

    def item(self) -> str:
        """Draw a thing that can be bought or moved."""
        return self._mixed(ITEMS, False)

    def word(self) -> str:
        """Draw any lower-case word."""
        return self._mixed(ITEMS + STEMS, False, 0.6)

    def phrase(self, most: int = 4) -> str:
        """Draw one to `most` words."""
        return " ".join(self.word() for _ in range(self.rng.randint(1, most)))

    def _odd_names(self) -> tuple[str, ...]:
        """Give any words, now and then, as names of columns and tables: people choose odd names."""
        return _ANY_NAMES if self.rng.random() < 0.15 else ()

    def text_column(self) -> str:
        """Draw the name of a column that holds text."""
        return self._mixed(TEXT_COLUMNS + self._odd_names(), False, 0.2)

    def number_column(self) -> str:
        """Draw the name of a column that holds numbers."""
        return self._mixed(NUMBER_COLUMNS + self._odd_names(), False, 0.2)

    def table(self) -> str:
        """Draw the name of a table."""
        return self._mixed(TABLES + self._odd_names(), False, 0.2)

    def number(self, most: int = 9999) -> int:
        """Draw a whole number between 1 and `most`, small ones more often."""
        while True:
            value = self.rng.randint(1, self.rng.choice((20, 100, 1000, most)))
            if value <= most and (most < 60 or split_of(str(value)) is self.split):
                return value

    def directory(self) -> str:
        """Draw a path of a folder."""
        kind = self.rng.random()
        if kind < 0.5:
            return self.of(DIRECTORIES)
        if kind < 0.75:
            return self.invented()
        return f"{self.rng.choice(('/var', '/home', '/srv', '/opt', '/data', '.', '~'))}/{self.invented()}"

    def file(self) -> str:
        """Draw the name of a file, sometimes with a folder."""
        name = f"{self._mixed(STEMS, False)}.{self.rng.choice(EXTENSIONS)}"
        return f"{self.directory()}/{name}" if self.rng.random() < 0.2 else name

"""Payment cards of all schemes: number ranges, lengths and the Luhn sum, in any usual grouping."""

from __future__ import annotations

from stdnum import ean

from router.privacy.engine import Expression, Overlapping
from router.privacy.recognizers._checked import Checked

START = r"(?<!\d)(?<!\d\.)(?<![0-9a-f]{3})(?=(?:[3-6]|2[2-7]|2131|1800|0604|8[126]|9792))"
END = r"(?!\d)(?!\.\d)(?![a-f][0-9a-f]{2})"
SEPARATOR = r"(?!%25)[^\w~]{1,5}"
"""Any signs; but not those of a URL that was escaped twice."""

EXAMPLES = (
    ("my card 4539578763621486 ok", "4539578763621486"),
    ("4539 5787 6362 1486", "4539 5787 6362 1486"),
    ("My card is 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("4444 4444 4444 4444", None),
    ("in 5000 4539-5787-6362-1486", "4539-5787-6362-1486"),
    ("Mastercard 2223003122003222", "2223003122003222"),
    ("amex 3782 822463 10005", "3782 822463 10005"),
    ("19 digits: 4000000000000000006", "4000000000000000006"),
    ("(4539)(5787)(6362)(1486)", "4539)(5787)(6362)(1486"),
    ("4539578763621487", None),
    ("1722347644123", None),
    ("barcode 5449000000996", None),
    ("0.4539578763621486", None),
)

_RANGES: tuple[tuple[range, int, tuple[int, ...]], ...] = (
    (range(4, 5), 1, (13, 16, 18, 19)),  # Visa
    (range(51, 56), 2, (16,)),  # Mastercard
    (range(2221, 2721), 4, (16,)),
    (range(34, 35), 2, (15,)),  # American Express
    (range(37, 38), 2, (15,)),
    (range(36, 37), 2, (14, 15, 16, 17, 18, 19)),  # Diners Club
    (range(38, 40), 2, (14, 15, 16, 17, 18, 19)),
    (range(300, 306), 3, (14, 15, 16, 17, 18, 19)),
    (range(309, 310), 3, (14, 15, 16, 17, 18, 19)),
    (range(35, 36), 2, (16, 17, 18, 19)),  # JCB
    (range(2131, 2132), 4, (15,)),
    (range(1800, 1801), 4, (15,)),
    (range(50, 51), 2, (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro and others
    (range(56, 60), 2, (12, 13, 14, 15, 16, 17, 18, 19)),
    (range(6, 7), 1, (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro, Discover, UnionPay, RuPay
    (range(81, 83), 2, (16, 17, 18, 19)),
    (range(86, 87), 2, (16,)),
    (range(9792, 9793), 4, (16,)),  # Troy
    (range(2200, 2206), 4, (16, 17, 18, 19)),  # Mir
)


def is_card(text: str) -> bool:
    """Check range, length and Luhn sum."""
    digits = "".join(char for char in text if char.isdigit())
    if digits.startswith("0604"):
        fits = 12 <= len(digits) <= 19
    else:
        fits = any(int(digits[:size]) in numbers and len(digits) in lengths for numbers, size, lengths in _RANGES)
    if len(digits) == 13 and digits[0] != "4" and ean.is_valid(digits):
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return fits and len(set(digits)) > 1 and (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def build() -> list[Checked]:
    """Give the recognizer."""
    shapes = {
        "contiguous": rf"{START}\d{{12,19}}{END}",
        "fours": rf"{START}\d{{4}}(?:{SEPARATOR}\d{{4}}){{2}}{SEPARATOR}\d{{1,4}}(?:{SEPARATOR}\d{{1,3}})?{END}",
        "fours exactly": rf"{START}\d{{4}}(?:{SEPARATOR}\d{{4}}){{3}}{END}",
        "4-4-5": rf"{START}\d{{4}}[ .-]\d{{4}}[ .-]\d{{5}}{END}",
        "4-6-4 and 4-6-5": rf"{START}\d{{4}}[ .-]\d{{6}}[ .-]\d{{4,5}}{END}",
        "digit by digit": rf"{START}\d(?:(?: |-|, ?|\. ?)\d){{12,18}}{END}",
        "loose": rf"{START}\d{{4}}[ -]?\d{{2,6}}[ -]?\d{{2,6}}(?:[ -]?\d{{1,6}}){{1,2}}{END}",
    }
    patterns: list[Expression] = [Overlapping(name, expression, 0.9) for name, expression in shapes.items()]
    return [Checked("CREDIT_CARD", "card", patterns, ("card", "credit", "visa", "mastercard", "amex"), is_card)]

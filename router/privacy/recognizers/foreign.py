"""National numbers in languages whose words for them aren't known: there the checksum alone is enough.

The script, or letters that only some languages have, say which countries' checksums are tried; none that more than
about one number of ten would pass.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import cast

from presidio_analyzer import RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("я родился в софии, запишите меня: 7523169263", "7523169263"),
    ("işte buyurun 10000000146 bunu yazın", "10000000146"),
    ("kayıt 10000000147 değil", None),
    ("here you are 10000000146 write this", None),
)

LETTERS: dict[str, str] = {
    "[Ѐ-ӿ]": "bg.egn ru.inn",
    "[Ͱ-Ͽ]": "gr.amka gr.vat",
    "[֐-׿]": "il.idnr",
    "[\u0e00-\u0e7f]": "th.pin",
    "[\u0900-\u0d7f]": "in_.aadhaar",
    "[\u3040-\u30ff]": "jp.in_",
    "[\uac00-\ud7af]": "kr.rrn",
    "[ğışĞİŞ]": "tr.tckimlik",
    "[åæøÅÆØ]": "se.personnummer no.fodselsnummer",
    "[řěůŘĚŮ]": "cz.rc",
    "[țșăȚȘĂ]": "ro.cnp",
    "[čćđšžČĆĐŠŽ]": "hr.oib si.emso cz.rc",
    "[ėįųõäĖĮŲÕÄ]": "lt.asmens ee.ik",
}
"""Letters, and the modules of `stdnum` for the countries that write with them."""
LEAST = 2
"""Such letters in a text before it counts as written in that language."""
_NUMBER = r"(?<![\w.,:/+-])\d(?:[ .\-/]?\d){8,12}(?![\w/:]|[.,-]\d)"


def _is_valid(module: str) -> Callable[[str], bool]:
    return cast(Callable[[str], bool], importlib.import_module(f"stdnum.{module}").is_valid)


class _Foreign(Checked):
    def __init__(self) -> None:
        super().__init__("NATIONAL_ID", "foreign", [Expression("number", _NUMBER, 0.45)], shape_only=True)
        self._checks = [
            (re.compile(letters), [_is_valid(module) for module in modules.split()])
            for letters, modules in LETTERS.items()
        ]

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None, regex_flags: int | None = None
    ) -> list[RecognizerResult]:
        """Find the numbers that a country's checksum confirms whose language the text may be in."""
        checks = [each for letters, many in self._checks if len(letters.findall(text)) >= LEAST for each in many]
        if not checks:
            return []
        found = super().analyze(text, entities, nlp_artifacts, regex_flags)
        return [result for result in found if any(check(text[result.start : result.end]) for check in checks)]


def build() -> list[_Foreign]:
    """Give the recognizer."""
    return [_Foreign()]

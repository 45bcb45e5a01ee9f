"""What the recognizers of this folder are made of: a Presidio pattern recognizer with a check that is a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import regex
from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from router.privacy.engine import DeadlinePassed, compiled

_THINGS = (
    "order|invoice|version|ver|rev|revision|release|build|commit|hash|checksum|sha|md5|ticket|sku|isbn|issn|ean|upc|gtin|asin|doi"
    "|tracking|shipment|parcel|error|errno|exit|status|port|line|row|item|part|product|model|article|article|page|chapter|section|issue"
    "|pr|pull request|bug|task|job|batch|lot|serial|seed|epoch|timestamp|unix time|offset|index|size|population|total|approximately|about"
    "|bestellung|bestell|auftrag|auftrags|rechnung|rechnungs|sendungs|artikel|facture|commande|colis|factura|pedido|seguimiento|fattura"
    "|contract|token|transaction|tx|block|ordine|encomenda|fatura|bestelling|factuur|zamówienie|zamówienia|faktura|faktury|przesyłki|заказ|замовлення|поръчка|παραγγελία|sipariş"
    "|beställning|ordre|tilaus|objednávka|rendelés|comandă|comanda|narudžba|pesanan|đơn hàng|注文番号|注文|订单|訂單|주문"
)
THING = regex.compile(
    rf"(?<![^\W\d_])(?:{_THINGS})s?(?:[ _-]?(?:number|numbers|nummer|num|nr|no|id|code|numéro|número|numero|numer|n°|nº))?"
    r"['\"]?(?:[ \t]?(?:is|was|of|ist|est|es|è|é|[:=#.(-])){0,3}[ \t]{0,2}['\"#]?$",
    regex.IGNORECASE,
)
"""Words right in front of a number that make it something's, not someone's."""
BACK = 40
"""Characters in front of a number in which such a word may stand."""


def _passes(check: Callable[[str], bool], value: str) -> bool:
    """Run a check; one that stumbles over a value hasn't shown that it is harmless."""
    try:
        return check(value)
    except DeadlinePassed:
        raise
    except Exception:  # noqa: BLE001  a library's check may fail in any way, and its message may quote the value
        return True


def _joined(context: Sequence[str]) -> list[str]:
    """Add to context words of two words what code makes of them: `national_id`, `nationalId`."""
    spaced = [word for word in context if " " in word]
    return list(dict.fromkeys([*context, *(word.replace(" ", joint) for joint in ("_", "") for word in spaced)]))


class Checked(PatternRecognizer):
    """Patterns, context words, and checks that throw out what only looks like it.

    Of a pattern with a group `value` only that group is reported: a label isn't secret, and isn't what is said again.
    `check` sees the whole match, `value_check` the reported part. `shape_only` marks numbers that nothing but their
    shape speaks for: one right behind a word that names an order, an invoice, a version… isn't reported.
    """

    def __init__(
        self,
        entity: str,
        name: str,
        patterns: Sequence[Pattern],
        context: Sequence[str] = (),
        check: Callable[[str], bool] | None = None,
        *,
        value_check: Callable[[str], bool] | None = None,
        shape_only: bool = False,
    ) -> None:
        super().__init__(supported_entity=entity, name=name, patterns=list(patterns), context=_joined(context))
        self._check, self._value_check, self._shape_only = check, value_check, shape_only
        self._values = [compiled(pattern) for pattern in patterns if "(?P<value>" in pattern.regex]

    def invalidate_result(self, pattern_text: str) -> bool:
        """Say whether a check fails."""
        if self._check is not None and not _passes(self._check, pattern_text):
            return True
        return self._value_check is not None and not _passes(self._value_check, self._value(pattern_text))

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None, regex_flags: int | None = None
    ) -> list[RecognizerResult]:
        """Find what matches and passes the checks."""
        results = super().analyze(text, entities, nlp_artifacts, regex_flags)
        for result in results:
            for expression in self._values:
                match = expression.match(text, result.start)
                if match is not None and match.end() == result.end:
                    result.start, result.end = match.span("value")
                    break
        if self._shape_only:
            return [result for result in results if not THING.search(text[max(0, result.start - BACK) : result.start])]
        return results

    def _value(self, match: str) -> str:
        found = (expression.fullmatch(match) for expression in self._values)
        return next((each["value"] for each in found if each is not None), match)

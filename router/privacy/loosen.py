"""Widens a regular expression to one that compiles fast and works on UTF-8 bytes; every match of the old is one of it.

Boundaries and lookarounds go (but that no letter or digit stands before or behind the whole), upper bounds of repeats go, lower ones shrink, case doesn't count, and every character
beyond ASCII is any run of high bytes.
"""

from __future__ import annotations

import re

HIGH = r"[\x80-\xff]+"
LEAST = 8
"""Lower bounds of repeats are cut to this."""

NOT_BEHIND, NOT_BEFORE = r"(?<![^\W_])", r"(?![^\W_])"
NO_LETTER_BEFORE, NO_LETTER_BEHIND = "(?:^|[^A-Za-z0-9])", "(?:[^A-Za-z0-9]|$)"
"""What becomes of these two where an expression begins or ends with them: of a letter beyond ASCII no byte is one of those."""

_TOKEN = re.compile(
    r"""(?P<look>\(\?<?[=!])
    |(?P<flags>\(\?[a-zA-Z-]+\))
    |(?P<group>\((?:\?(?:P<\w+>|<\w+>|[a-zA-Z-]*:|>))?)
    |(?P<braces>\{(?P<low>\d*)(?P<comma>,)?(?P<up>\d*)\}[?+]?)
    |(?P<repeat>[*+?])[?+]?
    |(?P<cls>\[)
    |(?P<anchor>[\^$]|\\[bBAZzGm])
    |(?P<property>\\[pP]\{[^}]*\})
    |(?P<back>\\[1-9])
    |(?P<kind>\\[dDsSwW]|\.)
    |(?P<unicode>\\u[0-9a-fA-F]{4}|[^\x00-\x7f])
    |(?P<literal>\\x[0-9a-fA-F]{2}|\\.|.)""",
    re.VERBOSE | re.DOTALL,
)
_LOOSE = re.compile(
    r"(?P<open>\(\?:)|(?P<close>\))|(?P<other>\|)|(?P<low>[*?]|\{(\d+)(?:,\d*)?\})|(?P<one>\+)"
    r"|(?P<digit>[0-9]|\[(?:[0-9](?:-[0-9])?)+\])|\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|.",
    re.DOTALL,
)
"""The tokens of what `loosen` returns."""
_KINDS = {r"\d": "[0-9]", r"\s": r"[ \t-\r\x1c-\x1f]"}


def loosen(expression: str) -> str:
    """Return the wider expression."""
    end = NO_LETTER_BEHIND if expression.endswith(NOT_BEFORE) else ""
    pieces = [NO_LETTER_BEFORE] if expression.startswith(NOT_BEHIND) else []
    place = 0
    while match := _TOKEN.match(expression, place):
        place = match.end()
        kind, token = match.lastgroup, match.group()
        if match["look"]:
            place = _closing(expression, place)
            if re.compile(r"[*+?{]").match(expression, place):
                pieces.append("(?:)")
        elif match["cls"]:
            place, piece = _class(expression, place)
            pieces.append(piece)
        elif match["group"]:
            pieces.append("(?:")
        elif match["braces"]:
            pieces.append(_repeat(match["low"], match["comma"], match["up"]))
        elif match["repeat"]:
            pieces.append(match["repeat"])
        elif match["kind"]:
            pieces.append(_KINDS.get(token) or f"(?:{token}|{HIGH})")
        elif match["back"]:
            pieces.append(".*")
        elif match["property"] or match["unicode"]:
            pieces.append(f"(?:[A-Za-z]|{HIGH})" if match["property"] else HIGH.replace("+", "{1,4}"))
        elif kind == "literal":
            pieces.append(token)
    return "".join(pieces) + end


def least_digits(loose: str) -> int:
    """Count the digits that every match of a loosened expression has at least."""
    around: list[tuple[int, list[int]]] = []
    total, last, others = 0, 0, list[int]()
    for match in _LOOSE.finditer(loose):
        if match["low"]:
            total += last * (int(match[5] or 0) - 1)
            last = 0
        elif match["open"]:
            around.append((total, others))
            total, last, others = 0, 0, []
        elif match["close"] and around:
            last = min(total, *others) if others else total
            total, others = around.pop()
            total += last
        elif match["other"]:
            others.append(total)
            total = last = 0
        elif not match["one"]:
            last = int(match["digit"] is not None)
            total += last
    return min([total, *others])


def _repeat(low: str, comma: str | None, up: str) -> str:
    least = min(int(low or 0), LEAST)
    if not least:
        return "?" if up == "1" else "*"
    return "" if least == 1 and not comma else f"{{{least},}}"


def _closing(expression: str, place: int) -> int:
    """Return the offset behind the group that is open at `place`."""
    depth = 1
    while depth and (match := _TOKEN.match(expression, place)):
        place = match.end()
        if match["cls"]:
            place, _ = _class(expression, place)
        depth += 1 if match["look"] or match["group"] else -1 if match.group() == ")" else 0
    return place


def _class(expression: str, place: int) -> tuple[int, str]:
    """Read a character class from behind its bracket; return where it ends and its wider form."""
    negated = expression[place : place + 1] == "^"
    place += negated
    pieces: list[str] = []
    high = negated
    first = True
    while first or expression[place] != "]":
        first = False
        match = re.compile(r"\\[pP]\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\.|.", re.DOTALL).match(
            expression, place
        )
        if match is None:
            break
        token, place = match.group(), match.end()
        if (token[0] == "\\" and token[1] in "pPu") or not token.isascii():
            high = True
            pieces += ["A-Za-z"] if token[1:2] in ("p", "P") and not negated else []
        else:
            high = high or token in (r"\w", r"\W", r"\S", r"\D")
            pieces.append({r"\d": "0-9", r"\s": r" \t-\r\x1c-\x1f", "[": r"\["}.get(token, token))
    inside = "".join(pieces)
    ranges = re.sub(r"-$", r"\\-", inside)
    own = f"[{'^' if negated else ''}{ranges}]" if ranges else "(?:.)" if negated else ""
    if not high:
        return place + 1, own
    return place + 1, f"(?:{own}|{HIGH})" if own else HIGH

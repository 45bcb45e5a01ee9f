"""Passwords and unnamed secrets by the word in front of them: `password: …`, `API_KEY=…`, `my PIN is …`."""

from __future__ import annotations

import re

from presidio_analyzer import Pattern

from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ('password = "q8Zr!vT2mLx9"', "q8Zr!vT2mLx9"),
    ("my password is Sommer2024!", "Sommer2024!"),
    ("DB_PASSWORD: tr0ub4dor&3", "tr0ub4dor&3"),
    ("AWS secret Zb9xQ2vL7mT4wR8yK1nP5sD3fG6hJ0aC9eU2iO4q", "Zb9xQ2vL7mT4wR8yK1nP5sD3fG6hJ0aC9eU2iO4q"),
    ("How do I reset my password in WordPress?", None),
    ("password = getpass.getpass()", None),
    ("token = request.headers['X-Token']", None),
    ("export API_KEY=${API_KEY}", None),
    ("max_tokens = 4096", None),
    ("the password is required", None),
)

NAME = (
    r"[\w.-]{0,24}(?:passwor[dt]|passwd|passphrase|passcode|pwd|contraseña|mot de passe|kennwort|passwort|senha|пароль)"
    r"[\w-]{0,12}"
)
KEY_NAME = (
    r"[\w.-]{0,24}(?:secret[_ -]?(?:access[_ -]?)?key|client[_ -]?secret|api[_ -]?(?:key|token|secret)|access[_ -]?(?:key|token)"
    r"|auth[_ -]?token|private[_ -]?key|encryption[_ -]?key|refresh[_ -]?token|bearer|secret|token)[\w-]{0,12}"
)
LINK = r"['\"]?\s{0,3}(?:[:=]{1,2}>?|\bis\b:?|\bare\b|->)\s{0,3}['\"`]?"
VALUE = r"[^\s'\"`,;<>{}()\[\]$]{6,100}"
RANDOM = r"(?=[A-Za-z_+/=.-]*\d)(?=[\d_+/=.-]*[A-Za-z])[A-Za-z0-9_+/=.~-]{16,512}"
PIN = r"\b(?:pin|pin code|cvv2?|cvc2?|security code|otp|2fa code|verification code)(?:\s(?:number|no\.?|code))?\s{0,2}(?:is|:|=|#)\s{0,3}(?P<value>\d{3,8})\b"

_NOT_VALUES = re.compile(
    r"x{4,}|\*{3,}|^.?\.{3}|example|your|placeholder|dummy|redacted|required|<|%s|null|none|true|false|undefined|string|[a-z]+\.[a-z]+\.?"
    r"[a-z]*$|^(?:env|os|process|config|self|this|request|args?|params?|settings?)\b",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"(?:[:=]>?|\bis\b:?|\bare\b|->|\s)\s*['\"`]?([^\s'\"`=]+)=*['\"`]?$", re.IGNORECASE)


def _value(text: str) -> str:
    match = _ASSIGNED.search(text)
    return match.group(1).rstrip(".!?:") if match else ""


def is_password(text: str) -> bool:
    """Tell a chosen password from a word, a variable or a placeholder: it mixes letters with digits or signs."""
    value = _value(text)
    if len(value) < 6 or _NOT_VALUES.search(value) or value.endswith(":"):
        return False
    has_digit = any(map(str.isdigit, value))
    has_sign = any(not char.isalnum() and char not in "_-./" for char in value)
    return any(map(str.isalpha, value)) and (has_digit or has_sign) and not value.startswith(("/", "http", "@"))


def is_random(text: str) -> bool:
    """Tell a random token from an identifier: letters and digits well mixed, many of them different."""
    value = _value(text)
    kinds = sum(any(map(test, value)) for test in (str.isupper, str.islower, str.isdigit))
    runs = len(re.findall(r"[A-Za-z]+|\d+", value))
    hexadecimal = len(value) >= 16 and re.fullmatch(r"[0-9a-f]+", value, re.IGNORECASE) is not None
    return not _NOT_VALUES.search(value) and len(set(value)) >= 8 and (kinds == 3 or hexadecimal) and runs >= 5


def build() -> list[Checked]:
    """Give one recognizer per kind of word."""
    return [
        Checked("PASSWORD", "password", [Pattern("named", rf"\b{NAME}{LINK}(?P<value>{VALUE})", 0.8)], check=is_password),
        Checked("SECRET", "named_secret", [
            Pattern("assigned", rf"\b{KEY_NAME}{LINK}(?P<value>{RANDOM})(?![\w(\[])", 0.7),
            Pattern("said", rf"\b(?:secret|token|key|header)\s(?:['\"]?token:?\s)?(?P<value>{RANDOM})(?![\w(\[])", 0.6),
        ], check=is_random),
        Checked("PASSWORD", "pin", [Pattern("pin", PIN, 0.7)]),
    ]  # fmt: skip

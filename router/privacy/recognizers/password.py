"""Passwords and unnamed secrets by the name in front of them: `password: …`, `API_KEY=…`, `<token>…`, `my PIN is …`."""

from __future__ import annotations

import base64
import binascii
import re

import regex

from router.privacy.engine import FLAGS, Expression
from router.privacy.recognizers._checked import Checked
from router.privacy.recognizers._secret_checks import (
    entropy,
    is_place,
    is_placeholder,
    is_random,
    is_reference,
    is_template,
    is_uuid,
)
from router.privacy.recognizers._vendor_keys import VENDORS

EXAMPLES = (
    ('password = "q8Zr!vT2mLx9"', "q8Zr!vT2mLx9"),
    ("my password is Sommer2024!", "Sommer2024!"),
    ("DB_PASSWORD: tr0ub4dor&3", "tr0ub4dor&3"),
    ("AWS secret Zb9xQ2vL7mT4wR8yK1nP5sD3fG6hJ0aC9eU2iO4q", "Zb9xQ2vL7mT4wR8yK1nP5sD3fG6hJ0aC9eU2iO4q"),
    ("define('AUTH_KEY', 'k2]Zq8-vT$x1mRw7,pL4nB9');", "k2]Zq8-vT$x1mRw7,pL4nB9"),
    ("<add key=\"Password\" value=\"tG7x!mZ9q\" />", "tG7x!mZ9q"),
    ("linkedin_client_secret = lqfCLfrQa7dshKUO", "lqfCLfrQa7dshKUO"),
    ("пароль: q8Zr$Qf6Ic#", "q8Zr$Qf6Ic#"),
    ("密码：q8Zr$q5nOX!", "q8Zr$q5nOX!"),
    ("let api_key: &str = \"8519bac239bf837c34c8f064d3685239\";", "8519bac239bf837c34c8f064d3685239"),
    ("./deploy --api-key Q4yYfNuk8NBIk0TIGep97Wn4ReD8KZSZ", "Q4yYfNuk8NBIk0TIGep97Wn4ReD8KZSZ"),
    ("encryption key 0tzukbE39RV7iAs3FnFU3MLstCNrKJp9", "0tzukbE39RV7iAs3FnFU3MLstCNrKJp9"),
    ("AZDO_PAT=eu7zcn54ihau2tauq156zhtu8q6xdu9s5w93s1g9cns9z6itoo2b", "eu7zcn54ihau2tauq156zhtu8q6xdu9s5w93s1g9cns9z6itoo2b"),
    ("the passcode for the alarm is 77412", "77412"),
    ("it says CVV 483", "483"),
    ('ALGOLIA_ADMIN := "b5a1c9e07d3f42868ae91d4c7f20b36e"', "b5a1c9e07d3f42868ae91d4c7f20b36e"),
    ("How do I reset my password in WordPress?", None),
    ("password = getpass.getpass()", None),
    ("url = 'mysql://x?password=abcdef${SUFFIX}'", None),
    ("commit key 9f86d081884c7d659a2f", None),
    ("token = request.headers['X-Token']", None),
    ("export API_KEY=${API_KEY}", None),
    ("max_tokens = 4096", None),
    ("the password is required", None),
    ("cache_key = 'user-profile-settings-v2'", None),
    ("integrity = 'sha512-1ZmYQ8q2vL7mT4wR8yK1nP5sD3fG6hJ0aC9eU2iO4q'", None),
)  # fmt: skip

LINK = (
    r"(?>['\"\]\\)]{0,3}\s{0,3}(?:(?::\s?&?[\w.]{1,24}|\s(?:string|str|const|varchar))?\s{0,3}[:?.+!|=]{0,3}(?:=>|[:=])|\b(?:is|are|ist|lautet)\b:?|->"
    r"|,(?=\s?['\"])|\(\s?(?=['\"])|>(?!@)|\s(?:value|content)\s?=)\s{0,12}(?:[bBrfu](?=\\?['\"`])|[@$|])?\\?['\"`]{0,3})"
)
"""What stands between a name and its value, in prose, configuration and a dozen languages."""

PASSWORD_WORD = (
    r"(?:p[a@4][s$5]{2}w[o0]r[dt]|passwd|passphrase|pass_?code|pwd|passw|(?<![a-z])p(?:ass|w|sk)(?![a-z])|contraseña|contrasena|mot[ _]de[ _]passe|kennwort"
    r"|wachtwoord|hasło|senha|пароль|lösenord|adgangskode|passord|şifre|parola|heslo|jelszó|salasana|κωδικός|密[码碼]|パスワード|비밀번호|kata sandi|mật khẩu)"
)
PASSWORD_NAME = rf"[\w.-]{{0,24}}{PASSWORD_WORD}[\w-]{{0,12}}"
KEY_NAME = r"(?:[A-Za-z]{2,20} |\$?env:)?[A-Za-z_$][\w.-]{1,64}+"
_BARE = r"^\s'\"`,;<>{}()\[\]\\$"
_QUOTED = r"^\s'\"`"
PASSWORD_VALUE = r"(?!\$)[^\s'\"`,;<>{}()\[\]]{6,100}"
PASSWORD_QUOTED = r"[^\s'\"`]{6,200}(?=\\?['\"`])"


def _with_digit(inside: str) -> str:
    """Give the expression of ten characters or more of a class, one of them a digit, wherever it stands.

    The digit isn't left to a look-ahead, which the gate doesn't see.
    """
    lengths = ((0, 9), (4, 5), (9, 0))
    ways = (rf"[{inside}\d]{{{before},60}}+\d[{inside}]{{{after},500}}+" for before, after in lengths)
    return f"(?:{'|'.join(ways)})"


KEY_VALUE = rf"(?!//){_with_digit(_BARE)}(?![\w(\[])"
KEY_QUOTED = rf"{_with_digit(_QUOTED)}(?=\\?['\"`])"
SAID = r"(?=[A-Za-z_+/=.-]*\d)(?=[\d_+/=.-]*[A-Za-z])[A-Za-z0-9_+/=.~-]{16,512}"

ANSWER = r"\s{0,3}(?:\n~\n)?"
"""Stands between a question and its answer: the next line, or the next message, which a scan sets apart like this."""

PIN = (
    r"\b(?:pin|pin code|cvv2?|cvc2?|security code|passcode|otp|2fa code|verification code)(?:\s(?:number|no\.?|code))?"
    rf"(?:\s(?:for|to|of|on)(?:\s[\w'-]{{1,15}}){{1,5}}?)?(?:\s{{0,2}}(?:is|:|=|#)|\?{ANSWER})\s{{0,3}}(?P<value>\d{{3,8}})\b"
)
CARD_CODE = r"\bcv[vc]2?\s(?P<value>\d{3,4})\b"

_NO_SECRET = re.compile(
    r"sha\d|md5|hash(?!icorp)|checksum|chksum|integrity|digest|commit|etag|fingerprint|revision|uuid|guid|thumb|image|icon|font|svg|css|style|class"
    r"|version|ur[il]\b|_ur[il]|endpoint|href|src|path|file(?!_key)|dir\b|pattern|regex|alphabet|chars|charset|accessor|accessib|author(?!iz|_?key)"
    r"|pub(?:lic)?[_.-]?(?:key|token)|csrf|xsrf|(?:key|api|access)[_.-]?id(?![a-z])|credentials?[_.-]?id|key[_.-]?(?:id|name|alias|board|code|frame"
    r"|length|mesh|pair|press|ring|selector|size|store|stone|tab|type|up|down|left|right|word|vault)|(?:cache|primary|foreign|sort|partition|bucket"
    r"|object|schema|sequence|index|idx|hot|row|group|map|react|storage|natural|translation|i18n|composite|unique|dict)[_. -]?key|keyword|monkey|turkey"
    r"|secret[_.-]?(?:name|length|size|arn|ref)|usersecretsid|api[_.-]?(?:name|version|group)|token[_.-]?(?:type|count|limit|length|ize|file|ur)"
    r"|max_?tokens|tokens\b|jar\b|template|message(?!bird)|label|title|descr|text|html|source|resolved|cert|sitekey|site[_.-]key|measurement|tracking",
    re.IGNORECASE,
)
"""Names whose values look random without being secret."""

_STRONG = re.compile(
    r"secret|token|api|passw|credential|creds|private|auth|bearer|access|key|salt|dsn|cookie|session|signature|(?<![a-z])pat$",
    re.IGNORECASE,
)
_VENDOR = re.compile(
    r"(?<![A-Za-z])(?:{lower})(?![a-z])|(?<![A-Za-z])(?:{upper})(?![A-Z])|(?<![A-Z])(?:{title})(?![a-z])".format(
        lower="|".join(VENDORS), upper="|".join(map(str.upper, VENDORS)), title="|".join(map(str.capitalize, VENDORS))
    )
)
_ENCODED_LOGIN = re.compile(r"auth|credential", re.IGNORECASE)


def is_password(name: str, value: str, quoted: bool) -> bool:
    """Tell a chosen password from a word, a variable or a placeholder: it mixes letters with digits or signs."""
    if (
        len(value) < 6
        or is_placeholder(value)
        or is_template(value)
        or is_reference(value)
        or value.endswith((":", "=", "_", "$"))
    ):
        return False
    if (
        value.startswith(("/", "http", "@", "--", "./", "\\"))
        or is_place(value)
        or re.fullmatch(r"[a-z]+(?:[._-][a-z]+)+[.!?]?", value, re.I)
    ):
        return False
    digits = sum(map(str.isdigit, value))
    signs = sum(not char.isalnum() and char not in "_-./" for char in value.rstrip(".!?:"))
    letters = any(map(str.isalpha, value))
    return (letters and bool(digits or signs)) or (quoted and digits >= 6 and not _NO_SECRET.search(name))


def _is_login(value: str) -> bool:
    """Say whether base64 hides `user:password`, as in Docker's configuration."""
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    return text.isprintable() and 3 <= text.find(":") < len(text) - 3


def is_named_secret(name: str, value: str, quoted: bool) -> bool:
    """Tell a key from an identifier, by its name and its look; with a name that says nothing it must look the part."""
    if _ENCODED_LOGIN.search(name) and _is_login(value):
        return True
    if _NO_SECRET.search(name):
        return False
    if _STRONG.search(name) and name.lower() != "key":
        return is_uuid(value) or (len(value) >= 10 and is_random(value, 3.0))
    if _VENDOR.search(name):
        return is_uuid(value) or (len(value) >= 14 and is_random(value, 3.0))
    kinds = all(any(map(test, value)) for test in (str.isupper, str.islower, str.isdigit))
    return quoted and kinds and len(value) >= 24 and entropy(value) >= 4.2 and is_random(value)


_PASSWORD_HEAD = regex.compile(rf"(?P<name>{PASSWORD_NAME}){LINK}", FLAGS)
_KEY_HEAD = regex.compile(rf"(?P<name>{KEY_NAME}){LINK}", FLAGS)
_SAID_HEAD = regex.compile(r"(?P<name>.*)\s", FLAGS)


def _parts(head: regex.Pattern[str], text: str) -> tuple[str, str, bool]:
    """Split a match into name and value, and say whether the value stands in quotes."""
    match = head.match(text)
    if match is None:
        return "", "", False
    return match["name"], text[match.end() :], match.group()[-1] in "'\"`"


def _is_password(text: str) -> bool:
    return is_password(*_parts(_PASSWORD_HEAD, text))


def _is_named_secret(text: str) -> bool:
    return is_named_secret(*_parts(_KEY_HEAD, text))


def _is_said_secret(text: str) -> bool:
    return is_named_secret(*_parts(_SAID_HEAD, text))


def build() -> list[Checked]:
    """Give one recognizer per kind of name."""
    start, quote = "(?<![A-Za-z])", "(?<=['\"`])"
    return [
        Checked("PASSWORD", "password", [
            Expression("named", rf"{start}{PASSWORD_NAME}{LINK}(?P<value>{PASSWORD_VALUE})", 0.8),
            Expression("quoted", rf"{start}{PASSWORD_NAME}{LINK}{quote}(?P<value>{PASSWORD_QUOTED})", 0.8),
        ], check=_is_password),
        Checked("SECRET", "named_secret", [
            Expression("named", rf"(?<![\w.])(?<![\w.]-){KEY_NAME}{LINK}(?P<value>{KEY_VALUE})", 0.7),
            Expression("quoted", rf"(?<![\w.])(?<![\w.]-){KEY_NAME}{LINK}{quote}(?P<value>{KEY_QUOTED})", 0.7),
        ], check=_is_named_secret),
        Checked("SECRET", "said_secret", [
            Expression("said", rf"{start}(?:[\w-]{{2,20}}[ -])?(?:secret|token|key|header)(?:\s|\?{ANSWER})(?:['\"]?token:?\s)?(?P<value>{SAID})(?![\w(\[])", 0.6),
        ], check=_is_said_secret),
        Checked("PASSWORD", "pin", [Expression("pin", PIN, 0.7), Expression("card code", CARD_CODE, 0.6)]),
    ]  # fmt: skip

"""Keys and tokens whose makers gave them a shape, private keys, and credentials in URLs and headers."""

from __future__ import annotations

import base64
import re

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked
from router.privacy.recognizers._secret_checks import (
    entropy,
    is_mask,
    is_place,
    is_placeholder,
    is_published,
    is_reference,
    is_sequence,
    is_template,
)
from router.privacy.recognizers._vendor_keys import SHAPES

EXAMPLES = (
    ("key AKIAQ3EGRIJX7K2M5N4P here", "AKIAQ3EGRIJX7K2M5N4P"),
    ("token ghp_R7mQ2xV9kLpZ4tYbN8sWcE1aJ6uD3fG5hT0o", "ghp_R7mQ2xV9kLpZ4tYbN8sWcE1aJ6uD3fG5hT0o"),
    ("sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3", "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3"),
    ("xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx", "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"),
    ("sk_live_51H8xYzAbCdEfGhIjKlMnOpQ", "sk_live_51H8xYzAbCdEfGhIjKlMnOpQ"),
    ("postgres://admin:q8ZrvT2mLx9@db.northbank.com:5432/prod", "postgres://admin:q8ZrvT2mLx9@db.northbank.com"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"),
    ("redis://:p4zR7wQx2L@cache.northbank.com:6379/0", "redis://:p4zR7wQx2L@cache.northbank.com"),
    ("machine api.northbank.com login deploy password tG7xQ2mZ9", "tG7xQ2mZ9"),
    ("db.northbank.com:5432:billing:app:tG7xQ2mZ9", "tG7xQ2mZ9"),
    ("admin:$apr1$x8Zr2mLq$K1pTq9vRz3mYw5nBc7dJe0", "$apr1$x8Zr2mLq$K1pTq9vRz3mYw5nBc7dJe0"),
    ("docker login -u jo -p lHk5jxF22bf0lR registry.northbank.com", "lHk5jxF22bf0lR"),
    ("mysql -u root -pO3RzoVD184 shop", "O3RzoVD184"),
    ("echo 8FiwWZ9SNsVwmUcPwH5U7cvM | docker login --password-stdin", "8FiwWZ9SNsVwmUcPwH5U7cvM"),
    ("jdbc:oracle:thin:scott/ZcKR2QAnf9@//db:1521/x", "ZcKR2QAnf9"),
    ('variable "db_password" {\n  default = "N9p38QEM0oIT05gY"\n}', "N9p38QEM0oIT05gY"),
    ("SMTP_PASS=abkd efgz ijql mnop", "abkd efgz ijql mnop"),
    ("kind: Secret\ntype: Opaque\ndata:\n  db: V0dFaFBHalgwOFlxYXBHRVp2", "V0dFaFBHalgwOFlxYXBHRVp2"),
    ("data:\n  db: V0dFaFBHalgwOFlxYXBHRVp2\nkind: Secret\n", "V0dFaFBHalgwOFlxYXBHRVp2"),
    ('{"kty":"oct","k":"vurIPOKyWpOuYuo3nsm6vvX8pzUygYSYdHKK"}', "vurIPOKyWpOuYuo3nsm6vvX8pzUygYSYdHKK"),
    ("bkua_5e1ab6f6221a5f66d652a619348bea359397c1ae", "bkua_5e1ab6f6221a5f66d652a619348bea359397c1ae"),
    ("docker run -p 127.0.0.1:8080:80 nginx", None),
    ("mysql -u root -p shop2024 < dump.sql", None),
    ('{"kty":"EC","x":"vurIPOKyWpOuYuo3nsm6vvX8pzUygYSYdHKK","y":"KYuo3nsm6vvX8pzUygYSYdHKKvurIPOKyWpOu"}', None),
    ("AKIAIOSFODNN7EXAMPLE", None),
    ("xoxb-your-bot-token-goes-here", None),
    ("postgres://${USER}:${PASSWORD}@db/app", None),
    ("sk-xxxxxxxxxxxxxxxxxxxxxxxx", None),
    ("export OPENAI_API_KEY=<your key>", None),
    ("postgres://user:password@localhost/db", None),
    ("sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", None),
    ("skip-the-line-and-go-to-the-park-today", None),
)  # fmt: skip

PRIVATE_KEY = (
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\\\"'+,]{0,8}n?[A-Za-z0-9+/][A-Za-z0-9+/=:,.\s\\\"'()-]{8,1200}"
    r"|PuTTY-User-Key-File-\d: [\w-]+"
)
URL = r"\b[a-z][a-z0-9+.-]{1,20}+://[^\s:/@'\"<>{}$\[\]]{0,64}:[^\s/@'\"<>{}\[\]][^\s@'\"<>{}\[\]]{2,200}@[\w.-]{1,253}"
URL_TOKEN = r"\bhttps?://(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,200}@[\w.-]{1,253}"
HEADER = (
    r"\b(?:proxy-)?authorization['\"]?\s{0,3}[:=,]\s{0,3}['\"]?(?:basic|bearer|token|api-?token|apikey|api-key)?\s{0,3}"
    r"(?P<value>[A-Za-z0-9_.~+/=-]{16,2000})"
)
CURL_USER = (
    r"\bcurl\b.{0,200}?\s(?:-u|--user)[ =]{0,3}['\"]?[^\s:'\"<>{}$\[\]]{1,64}:['\"]?(?P<value>[^\s'\"<>{}$\[\]]{6,100})"
)
CURL_KEY = (
    r"\bcurl\b.{0,200}?\s(?:-u|--user)[ =]{0,3}['\"]?(?=[^\s:'\"]*\d)(?P<value>[^\s:'\"<>{}$\[\]]{8,64}):(?=['\"\s])"
)
NETRC = r"\b(?:login|user)\s{1,4}\S{1,64}\s{1,4}(?:password|passwd)\s{1,4}(?P<value>\S{6,100})"
PGPASS = r"^[\w.*-]{1,100}+:(?:\d{4,5}|\*):[\w.*-]{1,64}+:[\w.*-]{1,64}+:(?P<value>[^\s:]{6,100})$"
TYPED = (
    r"\b(?:(?:docker|podman|helm registry|oc|az|nerdctl|skopeo|npm) login|sshpass|mongo(?:sh|dump|restore)?"
    r"|redis-cli|ldapsearch|ldapmodify|smbclient|sqlcmd|rsync|wget|keytool|openssl)\b[^\n|;]{0,160}?\s(?:(?-i:-[pPaw])|--?(?:store|key)?pass(?:word|wd)?)[ =:]{0,2}['\"]?"
    r"(?P<value>[^\s'\"<>{}$\[\]-][^\s'\"<>{}$\[\]]{5,99})"
)
MYSQL = r"\b(?:mysql(?:dump|admin|show)?|mariadb(?:-dump)?)\b[^\n|;]{0,160}?\s(?-i:-p)['\"]?(?P<value>[^\s'\"<>{}$\[\]]{6,100})"
PIPED = r"\becho\s(?:-n\s)?['\"]?(?P<value>[^\s'\"<>{}$\[\]]{6,200})['\"]?\s?\|\s?[^\n|]{0,80}?--password-stdin"
ORACLE = r"\bjdbc:oracle:\w{2,5}:[\w$#]{1,64}/(?P<value>[^\s@'\"<>{}$\[\]]{6,100})@"
TERRAFORM = r"\bvariable\s['\"][\w-]{0,40}(?:password|secret|token|key)[\w-]{0,20}['\"]\s{0,3}\{[^{}]{0,400}?\bdefault\s{0,20}=\s{0,3}['\"](?P<value>[^'\"\s]{6,200})['\"]"
APP_PASSWORD = r"pass(?:word|wd)?['\"]?\s{0,3}[:=]\s{0,3}['\"]?(?P<value>(?-i:[a-z]{4}(?: [a-z]{4}){3}))(?!\w)"
MANIFEST = (
    r"\bkind['\"]?:\s{0,3}['\"]?Secret\b['\"]?(?:(?!\n---)[^{}]){0,800}?\b(?:string)?data['\"]?:\s{0,6}(?:\{\s{0,8})?"
    r"['\"]?[\w.-]{1,60}['\"]?:\s{0,3}['\"]?(?P<value>[A-Za-z0-9+/]{8,2000}={0,2})(?![\w.])"
)
MANIFEST_BELOW = (
    r"^data:[ \t]{0,3}\n[ \t]{1,8}[\w.-]{1,60}:[ \t]{0,3}['\"]?(?P<value>[A-Za-z0-9+/]{8,2000}={0,2})(?![\w.])"
    r"(?:(?!\n---)[^{}]){0,800}?\nkind:\s{0,3}['\"]?Secret\b"
)
JWK = r"\"kty\"\s{0,3}:[^{}]{1,4000}?\"(?:d|k)\"\s{0,3}:\s{0,3}\"(?P<value>[\w-]{20,2000})\""
PASSWORD_HASH = (
    r"(?<![\w$])\$(?:apr1|2[abxy]|1|5|6|7|y|gy|argon2id?|scrypt|pbkdf2-sha\d{1,3})\$[A-Za-z0-9./$=,+-]{20,300}"
    r"|\{(?:SSHA|SHA|SMD5)\}[A-Za-z0-9+/]{22,}={0,2}"
)


_WORDS = re.compile(r"[a-z]{2,}(?:[-_.][a-z]+)+")
"""Words with signs between them, in the shape of a key by chance."""


def is_key(text: str) -> bool:
    """Tell a key of a maker's shape from a mask or an example in it; what is drawn at random always counts."""
    if is_mask(text) or is_sequence(text) or is_published(text):
        return False
    body = re.sub(r"^[A-Za-z][A-Za-z0-9]{1,11}[-_.]", "", text) or text
    return entropy(body) >= min(2.5, len(body) / 8) and not _WORDS.fullmatch(text)


def _is_private_key(text: str) -> bool:
    return len(set(text)) > 12 and "..." not in text


def _is_password(text: str) -> bool:
    return not (is_placeholder(text) or is_template(text) or is_reference(text) or len(set(text)) < 3)


def _is_url_password(text: str) -> bool:
    return _is_password(text.rpartition("@")[0].partition("://")[2].partition(":")[2])


def _is_url_token(text: str) -> bool:
    return is_key(text.partition("://")[2].partition("@")[0])


def _is_credential(text: str) -> bool:
    value = re.split(r"[\s:='\"]", text.rstrip("'\": ="))[-1]
    return _is_password(value) and any(map(str.isdigit, value))


def _is_typed(text: str) -> bool:
    """Tell a password that is an argument from a port, a path and a variable."""
    has_both = any(map(str.isalpha, text)) and any(map(str.isdigit, text))
    return has_both and _is_password(text) and not is_place(text)


def _is_in_manifest(text: str) -> bool:
    """Tell a value of a Kubernetes Secret from an example in it."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        plain = text
    return _is_password(text) and _is_password(plain) and entropy(text) >= 2.5


def build() -> list[Checked]:
    """Give one recognizer per way of checking."""
    shapes = [
        Expression(name, rf"(?-i:(?<![A-Za-z0-9_])(?:{expression}))(?![A-Za-z0-9])", 0.9)
        for name, expression in SHAPES.items()
    ]
    credentials = {"header": HEADER, "curl user": CURL_USER, "curl key": CURL_KEY, "netrc": NETRC, "pgpass": PGPASS}
    typed = {"argument": TYPED, "glued argument": MYSQL, "piped": PIPED, "Oracle": ORACLE, "Terraform": TERRAFORM}
    return [
        Checked("SECRET", "secret", shapes, check=is_key),
        Checked("SECRET", "private_key", [Expression("private key", PRIVATE_KEY, 0.9)], check=_is_private_key),
        Checked("SECRET", "url_password", [Expression("url", URL, 0.8)], check=_is_url_password),
        Checked("SECRET", "url_token", [Expression("url token", URL_TOKEN, 0.8)], check=_is_url_token),
        Checked("SECRET", "password_hash", [Expression("hash", rf"(?-i:{PASSWORD_HASH})", 0.8)]),
        Checked("SECRET", "credential", [Expression(name, text, 0.8) for name, text in credentials.items()],
                check=_is_credential),
        Checked("SECRET", "typed_password", [Expression(name, text, 0.8) for name, text in typed.items()], value_check=_is_typed),
        Checked("SECRET", "app_password", [Expression("four by four", APP_PASSWORD, 0.7)]),
        Checked("SECRET", "manifest", [
            Expression("Secret", MANIFEST, 0.8), Expression("Secret below", MANIFEST_BELOW, 0.8), Expression("JWK", JWK, 0.8),
        ], value_check=_is_in_manifest),
    ]  # fmt: skip

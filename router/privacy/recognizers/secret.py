"""Keys and tokens whose makers gave them a shape, private keys, and credentials in URLs and headers."""

from __future__ import annotations

import re

from presidio_analyzer import Pattern

from router.privacy.recognizers._checked import Checked

EXAMPLES = (
    ("key AKIAQ3EGRIJX7K2M5N4P here", "AKIAQ3EGRIJX7K2M5N4P"),
    ("token ghp_R7mQ2xV9kLpZ4tYbN8sWcE1aJ6uD3fG5hT0o", "ghp_R7mQ2xV9kLpZ4tYbN8sWcE1aJ6uD3fG5hT0o"),
    ("sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3", "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3"),
    ("xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx", "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"),
    ("sk_live_51H8xYzAbCdEfGhIjKlMnOpQ", "sk_live_51H8xYzAbCdEfGhIjKlMnOpQ"),
    ("postgres://admin:q8ZrvT2mLx9@db.northbank.com:5432/prod", "postgres://admin:q8ZrvT2mLx9@db.northbank.com"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"),
    ("AKIAIOSFODNN7EXAMPLE", None),
    ("sk-xxxxxxxxxxxxxxxxxxxxxxxx", None),
    ("export OPENAI_API_KEY=<your key>", None),
    ("postgres://user:password@localhost/db", None),
    ("sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", None),
    ("skip-the-line-and-go-to-the-park-today", None),
)  # fmt: skip

_SHAPES = {
    "aws": r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}|ABSK[A-Za-z0-9+/]{80,}={0,2}",
    "github": r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{30,255}",
    "gitlab": r"gl(?:pat|oas|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_.-]{18,}|GR1348941[A-Za-z0-9_-]{20}",
    "openai and alike": r"sk-(?:proj-|svcacct-|admin-|ant-|or-v1-|None-|lf-)?(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}",
    "slack": r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}",
    "slack hook": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,}",
    "stripe": r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{24,}",
    "google": r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28}",
    "sendgrid": r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "twilio": r"(?:SK|AC)[0-9a-f]{32}",
    "packages": r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}|rubygems_[0-9a-f]{48}|dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
    "models": r"hf_[A-Za-z]{30,}|hf_[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{32,}"
    r"|xai-[A-Za-z0-9]{40,}|nvapi-[A-Za-z0-9_-]{40,}|fw_[A-Za-z0-9]{20,}|tgp_v1_[A-Za-z0-9_-]{30,}",
    "clouds": r"do[opr]_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}|fo1_[A-Za-z0-9_-]{40,}|FlyV1 [A-Za-z0-9_,+/=-]{50,}"
    r"|HRKU-[A-Za-z0-9_-]{30,}|LTAI[A-Za-z0-9]{16,24}|AKID[A-Za-z0-9]{32}|vercel_[A-Za-z0-9]{24,}",
    "azure": r"(?<![A-Za-z0-9_.~-])[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{31,34}|AccountKey=[A-Za-z0-9+/]{80,}={0,2}"
    r"|SharedAccessKey=[A-Za-z0-9+/]{40,}={0,2}",
    "shops": r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{60}"
    r"|access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}|FLWSECK[A-Za-z0-9_-]{12,}",
    "mail": r"key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}|re_[A-Za-z0-9_]{30,}",
    "chat": r"\d{8,10}:AA[A-Za-z0-9_-]{33}|[MNO][A-Za-z\d_-]{23,25}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,38}",
    "facebook": r"EAA[A-Za-z0-9]{2}[A-Za-z0-9]{80,}|EAACEdEose0cBA[A-Za-z0-9]+|facebook\W{1,20}\d{15,16}\|[A-Za-z0-9_-]{27,40}",
    "vaults": r"hv[sbr]\.[A-Za-z0-9_-]{24,}|(?<![\w.])s\.(?=[A-Za-z]*\d)[A-Za-z0-9]{24}(?!\w)|dp\.(?:pt|st|ct|sa|scim|audit)\."
    r"[A-Za-z0-9.]{40,}|ops_eyJ[A-Za-z0-9+/_=-]{50,}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{5,6}-?){5}|[\w.-]{14}\.atlasv1\.[\w=-]{60,}",
    "teams": r"ntn_\d{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43}|lin_(?:api|oauth)_[A-Za-z0-9]{32,}|figd_[A-Za-z0-9_-]{40,}"
    r"|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|ATATT3[A-Za-z0-9_=-]{100,}|ATCTT3[A-Za-z0-9_=-]{60,}",
    "watchers": r"gl(?:c|sa)_[A-Za-z0-9_+/=]{32,}|NRAK-[A-Z0-9]{27}|sntry[su]_[A-Za-z0-9_+/=-]{40,}|sgp_[A-Za-z0-9_]{40,}"
    r"|pul-[0-9a-f]{40}|phc_[A-Za-z0-9]{40,}|dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}|ico-[A-Za-z0-9]{32}|shippo_(?:live|test)_[0-9a-f]{40}",
    "others": r"s-s4t2(?:ud|af)-[0-9a-f]{64}|sl\.[A-Za-z0-9_-]{130,}|AGE-SECRET-KEY-1[A-Z0-9]{58}|duffel_(?:live|test)_[\w=-]{43}"
    r"|EZ[AT]K[A-Za-z0-9]{54}|CFPAT-[\w-]{43}|tfp_[A-Za-z0-9]{40,}|pscale_(?:tkn|pw|oauth)_[\w.=-]{32,}|4b1d[A-Za-z0-9]{38}",
    "jwt": r"ey[A-Za-z0-9_-]{15,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
}  # fmt: skip

PRIVATE_KEY = (
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\\]{0,4}n?[A-Za-z0-9][A-Za-z0-9+/=:,\s\\-]{8,1200}"
    r"|PuTTY-User-Key-File-\d: [\w-]+"
)
URL = r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"<>{}$\[\]]{0,64}:[^\s:/@'\"<>{}$\[\]]{3,200}@[\w.-]{1,253}"
HEADER = r"\bauthorization['\"]?\s{0,3}[:=]\s{0,3}['\"]?(?:basic|bearer|token|api-?token|apikey|api-key)?\s{0,3}(?P<value>[A-Za-z0-9_.~+/=-]{16,2000})"
CURL_USER = r"\bcurl\b.{0,200}?\s(?:-u|--user)[ =]{1,3}['\"]?[^\s:'\"<>{}$\[\]]{1,64}:['\"]?[^\s'\"<>{}$\[\]]{6,100}"
CURL_KEY = r"\bcurl\b.{0,200}?\s(?:-u|--user)[ =]{1,3}['\"]?(?=[^\s:'\"]*\d)[^\s:'\"<>{}$\[\]]{8,64}:(?=['\"\s])"

_DUMMY = re.compile(
    r"x{5,}|\*{3,}|\.{3}|example|your[-_]?|placeholder|changeme|dummy|redacted|insert"
    r"|0{8}|1{8}|#{4}|a{8}|replace|_here\b|(?-i:abcdefghij)",
    re.IGNORECASE,
)
_DUMMY_PASSWORDS = frozenset(
    (
        "password passwd pass pwd secret token user username admin root guest test postgres mysql redis "
        "rabbitmq mongo key apikey example changeme foobar hello postgresql minio elastic"
    ).split()
)


def is_random(text: str) -> bool:
    """Tell a key from a placeholder: no dummy words, and enough different characters."""
    body = re.sub(r"^(?:[A-Za-z0-9]{2,12}[-_.]){1,3}", "", text) or text
    return not _DUMMY.search(text) and len(set(body)) >= min(8, len(body) // 2)


def _is_key(text: str) -> bool:
    return len(set(text)) > 12 and "..." not in text


def _has_password(text: str) -> bool:
    password = text.rpartition("@")[0].rpartition(":")[2]
    return password.lower() not in _DUMMY_PASSWORDS and not _DUMMY.search(password)


def _is_credential(text: str) -> bool:
    value = re.split(r"[\s:='\"]", text.rstrip("'\": ="))[-1]
    return value.lower() not in _DUMMY_PASSWORDS and not _DUMMY.search(value) and any(map(str.isdigit, value))


def build() -> list[Checked]:
    """Give one recognizer per way of checking."""
    shapes = [
        Pattern(name, rf"(?-i:(?<![A-Za-z0-9_])(?:{expression}))(?![A-Za-z0-9])", 0.9)
        for name, expression in _SHAPES.items()
    ]
    credentials = {"header": HEADER, "curl user": CURL_USER, "curl key": CURL_KEY}
    return [
        Checked("SECRET", "secret", shapes, check=is_random),
        Checked("SECRET", "private_key", [Pattern("private key", PRIVATE_KEY, 0.9)], check=_is_key),
        Checked("SECRET", "url_password", [Pattern("url", URL, 0.8)], check=_has_password),
        Checked("SECRET", "credential", [Pattern(name, text, 0.8) for name, text in credentials.items()],
                check=_is_credential),
    ]  # fmt: skip

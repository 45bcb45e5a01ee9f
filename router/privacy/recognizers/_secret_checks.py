"""Tells a secret from what only stands where a secret might: placeholders, references, words, sequences, hashes, ids."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import blake2b
from itertools import pairwise
from math import log2

_PLACEHOLDER = re.compile(
    r"x{4,}|\*{3,}|\.{3}|#{4}|0{8}|1{8}|a{8}|-{4}|~{4}|example|your[-_.]?|placeholder|change[-_]?(?:me|this|it)|dummy|redacted"
    r"|insert|replace|_here\b|enter[-_]|<|>|\.\.|not[-_]?(?:a[-_])?(?:real|secret)|fake[-_]?|sample[-_]|todo|undefined|foobar|lorem"
    r"|random[-_]?string|some[-_]?(?:secret|key|token|pass)|my[-_](?:secret|key|token|pass|api)|test[-_](?:secret|key|token|pass|api)",
    re.IGNORECASE,
)
_MASK = re.compile(
    r"x{6}|(?:xxxx.{1,20}){2}|\*{3}|\.{4}|([b-z0-9])\1{7}|(?<=[^a])a{8}|example|placeholder|changeme|redacted|dummy|foobar|insert|replace"
    r"|your(?:[-_.]|(?:own)?(?:api|access|auth|bot|secret|key|token|open|hf|github))|_here$"
    r"|(?:fake|sample|some|my|test)[-_](?:secret|key|token|api)",
    re.IGNORECASE,
)
"""What masks and examples of keys hold, and a random key hardly ever."""
_TEMPLATE = re.compile(
    r"[$%#@]?\{.*\}|\{\{|\$\(|\$[A-Za-z_]\w*$|<[^>]*>|%[\w-]+%|%[sdvqr]$|__\w+__$|@\w+@$|\[[\w -]+\]$"
)
_REFERENCE = re.compile(
    r"(?:process|os|sys|env|environ|config|self|this|request|req|args?|params?|settings?|secrets?|var|vars|data|local|module|github|opts"
    r"|options|props|state|ctx|context|app|input|form|user|arn|kms|ref|vault|op|ssm|file)[.:\[]|\w+\(|\w+\[|\w+->|\w+::"
)
_WORDS = frozenset(
    (
        "password passwd pass pwd secret token user username admin administrator root guest test testing postgres mysql redis rabbitmq "
        "mongo mongodb key apikey api_key example changeme foobar foo bar baz hello postgresql minio elastic none null nil true false "
        "string str int bool boolean required optional default value empty prompt plain text hidden private public disabled enabled "
        "passphrase credentials credential login auth basic bearer digest oauth masked encrypted hashed unknown missing invalid wrong "
        "demo demopass letmein welcome qwerty access client server service localhost contraseña passwort kennwort senha"
    ).split()
)
_UUID = re.compile(r"\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?", re.IGNORECASE)
_HEX = re.compile(r"(?:0x)?[0-9a-f]+", re.IGNORECASE)
_PLACE = re.compile(
    r"[a-z][a-z0-9+.-]{1,20}://|[./~]{0,2}/[\w.-]+/|[A-Za-z]:\\|[\w.-]+\.(?:com|org|net|io|dev|html?|js|ts|py|go|rs|java|json|ya?ml|xml|txt|pem"
    r"|crt|cer|key|p12|jar|png|jpe?g|svg|gif|css|md|sh|log|local|internal)(?:$|[/:?#])",
    re.IGNORECASE,
)
_VERSION = re.compile(r"v?\d+(?:[._-]\d+)+(?:[-_.+]?[A-Za-z0-9]+)*")
_COUNTING = re.compile(r"0?12345(?:6(?:7(?:8(?:90?)?)?)?)?")
_CHUNK = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_PAIRS = frozenset(
    (
        "th he in er an re nd at on nt ha es st en ed to it ou ea hi is or ti as te et ng of al de se le sa si ar ve ra ld ur me ne ro ri "
        "ic co io ma li el la us ec ch ce ta ho no pe ai lo ie ca il ly ac om ct un wi em ns ss ow id fo be ad us ee ul sh pr ge pa im po wa "
        "ot ut ol am so su tr ke mo op ir ag wh ay iv mi fi sp cl ab ap av bo bl br bu da di do dr ds du eb ef eg ep ev ex ey fa fe fr ga gh gi "
        "go gr gu if ig ip ir ck ki ks ls lu lt mp mu na ni ob od oi ok oo os ov ow pi pl pp pt pu qu rd rk rm rn rs rt ru ry sc sk sl sm sn sy "
        "ts tt tu ty ub ud ue ug ui um up va vi wn wo ye yo yp ys ze au bi ci cr cu ei ff fl fu gn ib iz je jo ju key lf ll mb mm nn oa oc og "
        "rc rg rr rv rw tw uc uf ur uv xt yn"
    ).split()
)
"""Pairs of letters that are common in English and its neighbours: most of a word's are among them, few of a key's."""
_KIND = str.maketrans(
    dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A")
    | dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "a")
    | dict.fromkeys("0123456789", "0")
)

_PUBLISHED = frozenset(
    (
        "3184400d830a 60e64b0b23dc ca26814f2ae0 0c7b6ce21545 991d14704a9a 2205fc1d5614 aaf285906cce 391e39f9fb76 "
        "c4e5f166ec42 84a6d0e2f0bc 92bcde4e105b 4ee319889c07 3d4c71978459 1dc4fef3b100 8d0d4f07b98b f75644a76a8f "
    ).split()
)
"""Digests of keys that their makers print in their own manuals and pages: everybody has them."""


def entropy(text: str) -> float:
    """Return the bits of information per character."""
    return -sum(count / len(text) * log2(count / len(text)) for count in Counter(text).values()) if text else 0.0


def is_placeholder(text: str) -> bool:
    """Say whether a text only marks where a secret goes."""
    bare = text.strip("'\"`<>{}[]()$%!. ").lower()
    return bare in _WORDS or _PLACEHOLDER.search(text) is not None


def is_mask(text: str) -> bool:
    """Say whether a text in the shape of a key only shows what one looks like."""
    return _MASK.search(text) is not None


def is_template(text: str) -> bool:
    """Say whether something is filled in here later: `${NAME}`, `{{ name }}`, `<name>`, `%NAME%`, `%s`."""
    return _TEMPLATE.match(text) is not None


def is_reference(text: str) -> bool:
    """Say whether a text is an expression that gets the secret elsewhere: `os.environ[...]`, `config.key`, `get()`."""
    return _REFERENCE.match(text) is not None


def is_sequence(text: str) -> bool:
    """Say whether a text holds a run of eight letters of the alphabet, or repeats itself."""
    run = 0
    for first, second in pairwise(text):
        run = run + 1 if second.isalpha() and ord(second) == ord(first) + 1 else 0
        if run >= 7:
            return True
    return len(set(text)) <= min(4, len(text) // 3)


def is_uuid(text: str) -> bool:
    """Say whether a text is a UUID."""
    return _UUID.fullmatch(text) is not None


def is_published(text: str) -> bool:
    """Say whether a key is one that its maker prints in a manual."""
    return blake2b(text.encode(), digest_size=6).hexdigest() in _PUBLISHED


def is_place(text: str) -> bool:
    """Say whether a text is a URL without credentials, a path, a host or a file name."""
    return _PLACE.match(text) is not None


def is_wordy(text: str) -> bool:
    """Say whether a text is made of words and numbers, as identifiers and versions are, rather than at random."""
    if _VERSION.fullmatch(text):
        return True
    kinds = "".join(filter(str.isalnum, text)).translate(_KIND)
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return True
    chunks = _CHUNK.findall(text)
    words = sum(len(chunk) for chunk in chunks if len(chunk) >= 3 and _is_word(chunk.lower()))
    changes = sum(map(str.__ne__, kinds, kinds[1:]))
    return words * 2 > len(letters) and changes * 3 < len(kinds) + 6


def _is_word(chunk: str) -> bool:
    return sum(first + second in _PAIRS for first, second in pairwise(chunk)) * 3 >= 2 * (len(chunk) - 1)


def is_random(text: str, least: float = 3.0) -> bool:
    """Say whether a text looks drawn at random: enough information, and nothing that tells what else it is."""
    if is_placeholder(text) or is_template(text) or is_reference(text) or is_sequence(text) or is_published(text):
        return False
    text = _COUNTING.sub("", text)
    if _HEX.fullmatch(text):
        return len(text) >= 16 and len(set(text)) >= 7 and any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return len(text) >= 8 and entropy(text) >= least and not is_wordy(text) and not is_place(text)

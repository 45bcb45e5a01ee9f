"""E-mail addresses: Presidio's recognizer without its look-ups on the network, and with internal domains."""

from __future__ import annotations

from presidio_analyzer import Pattern
from presidio_analyzer.predefined_recognizers import EmailRecognizer
from tldextract import TLDExtract

from router.privacy.engine import Expression

PLAIN = r"[\w%+'-][\w.%&'+~-]{0,63}@(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_][\w-]{1,62}(?![\w-]|:[\w~.-]+/|\()"
SPELLED = (
    r"\b[\w.+-]{2,64} {0,2}(?:\bat\b|[\[({<] ?(?:at|@) ?[\])}>]) {0,2}(?!the\b|a\b|this\b|that\b)[\w-]{2,63}"
    r"(?: {0,2}(?:\bdot\b|[\[({<] ?(?:dot|\.) ?[\])}>]) {0,2}[\w-]{2,63}){1,4}\b"
)
BRACKETED = r"\b[\w.+-]{2,64} {0,2}[\[({<] ?(?:at|@) ?[\])}>] {0,2}[\w-]{2,63}(?:\.[\w-]{2,63}){1,4}\b"
SPACED = (
    r"\b[\w.+-]{2,64}(?:@[\w-]{2,63}(?: \. ?| ?\. )| @ ?[\w-]{2,63} ?\. ?| ?@ [\w-]{2,63} ?\. ?)"
    r"(?:c ?o ?m|o ?r ?g|n ?e ?t|d ?e|u ?k|f ?r|i ?o)\b"
)

QUOTED = r"(?<![^\W_])\"[\w.+ '-]{1,64}\"@(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_](?:[^\W_]|-){1,62}(?![^\W_])"

EXAMPLE_DOMAINS = frozenset(("example.com", "example.org", "example.net"))
NOBODY = frozenset(
    "user username you your name your.name yourname someone somebody email mail me pass password support info noreply no-reply contact".split()
)
"""Who has an address in documentation, at the domains that are reserved for it."""
INTERNAL = frozenset(
    ["internal", "local", "localdomain", "corp", "lan", "home", "intranet", "private", "example", "test", "invalid"]
)
"""Last labels that no registry knows and that organisations use inside."""

EXAMPLES = (
    ("Write to maria.lopez@northbank.com today", "maria.lopez@northbank.com"),
    ("cc a.smith@corp.internal", "a.smith@corp.internal"),
    ("user=jane+news@mail.example.co.uk&x=1", "jane+news@mail.example.co.uk"),
    ("ana [at] kitchen [dot] org", "ana [at] kitchen [dot] org"),
    ("maria.lopez at northbank dot com", "maria.lopez at northbank dot com"),
    ('"maria lopez"@northbank.com', '"maria lopez"@northbank.com'),
    ("git@github.com:org/repo.git", None),
    ("Contact us at support@example.com for more.", None),
    ("jane.doe@example.com", "jane.doe@example.com"),
    ("ssh git@gitlab.com", None),
    ("foo@bar", None),
    ("y = W@x.T + b", None),
    ("see you at the cafe", None),
    ("pip install package@1.2.3", None),
)


class _Email(EmailRecognizer):
    _suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)

    def validate_result(self, pattern_text: str) -> bool:
        """Check that the last labels are a public suffix, or internal ones."""
        if not pattern_text.startswith('"') and (
            "@" not in pattern_text or " " in pattern_text or "@]" in pattern_text
        ):
            return True
        local, _, domain = pattern_text.lower().rpartition("@")
        if local == "git" or (local in NOBODY and domain in EXAMPLE_DOMAINS):
            return False
        return domain.rpartition(".")[2] in INTERNAL or bool(self._suffixes.extract_str(domain).suffix)


def build() -> list[EmailRecognizer]:
    """Give the recognizer."""
    patterns: list[Pattern] = [
        Expression("plain", PLAIN, 0.9),
        Expression("quoted", QUOTED, 0.8),
        Expression("spelled", SPELLED, 0.6),
        Expression("bracketed", BRACKETED, 0.7),
        Expression("spaced", SPACED, 0.6),
    ]
    return [_Email(patterns=patterns, name="email")]

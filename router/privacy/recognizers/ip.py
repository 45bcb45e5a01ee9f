"""IP addresses of somebody on the internet: not private, reserved or well-known ones."""

from __future__ import annotations

import ipaddress

from presidio_analyzer.predefined_recognizers import IpRecognizer

EXAMPLES = (
    ("login from IP 106.31.73.20", "106.31.73.20"),
    ("client_ip = 6e40:4041:c617:e898:c11:40d2:c669:2eb4", "6e40:4041:c617:e898:c11:40d2:c669:2eb4"),
    ("my router is 192.168.1.1", None),
    ("server 127.0.0.1:8080", None),
    ("use DNS 8.8.8.8", None),
)

WELL_KNOWN = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "1.2.3.4", "255.255.255.255"})
CONTEXT = [
    "ip",
    "ips",
    "ipv4",
    "ipv6",
    "address",
    "addresses",
    "client",
    "user",
    "login",
    "logged",
    "visitor",
    "connected",
    "from",
    "remote",
    "source",
    "blocked",
]


class _Ip(IpRecognizer):
    def invalidate_result(self, pattern_text: str) -> bool:
        """Say whether it tells nothing of anyone."""
        try:
            address = ipaddress.ip_address(pattern_text)
        except ValueError:
            return True
        return pattern_text in WELL_KNOWN or (address.version == 4 and not address.is_global) or not address.packed[0]


def build() -> list[_Ip]:
    """Give the recognizer."""
    return [_Ip(context=CONTEXT, name="ip")]

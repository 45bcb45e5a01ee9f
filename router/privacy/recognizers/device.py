"""Addresses of devices and wallets: MAC addresses with a word that names them, Ethereum addresses."""

from __future__ import annotations

from router.privacy.engine import Expression
from router.privacy.recognizers._checked import Checked
from router.privacy.recognizers._labels import any_of, labelled

EXAMPLES = (
    ("MAC address: 3C:5A:B4:01:8F:22", "3C:5A:B4:01:8F:22"),
    ("device_mac=3c-5a-b4-01-8f-22", "3c-5a-b4-01-8f-22"),
    ("send it to 0x7bE8076f4EA4A4AD08075C2508e481d6C946D12b", "0x7bE8076f4EA4A4AD08075C2508e481d6C946D12b"),
    ("MAC 00:11:22:33:44:55", None),
    ("address(0x0000000000000000000000000000000000000000)", None),
    ("contract 0x7bE8076f4EA4A4AD08075C2508e481d6C946D12b", None),
)

MAC = (
    r"(?:[0-9A-F]{2}(?::[0-9A-F]{2}){5}|[0-9A-F]{2}(?:-[0-9A-F]{2}){5}|[0-9A-F]{4}(?:\.[0-9A-F]{4}){2})(?![\w:]|[.-]\w)"
)
MAC_LABELS = "mac|mac address|device mac|hardware address|physical address|wifi address|bssid|mac adresse|adresse mac|dirección mac|indirizzo mac|endereço mac|mac adres|adres mac|ethernet address"
NOT_MACS = frozenset({"001122334455", "AABBCCDDEEFF", "001A2B3C4D5E", "112233445566", "123456789ABC", "DEADBEEFCAFE"})
ETHEREUM = r"(?<!\w)0x[0-9A-F]{40}(?!\w)"


def is_mac(text: str) -> bool:
    """Tell a device's address from a broadcast one and from those of every handbook."""
    plain = "".join(filter(str.isalnum, text)).upper()
    return len(set(plain)) > 4 and plain not in NOT_MACS


def is_wallet(text: str) -> bool:
    """Tell an address from a placeholder."""
    return len(set(text.lower())) > 9


def build() -> list[Checked]:
    """Give both recognizers."""
    return [
        Checked("MAC_ADDRESS", "mac", labelled((any_of(MAC_LABELS),), MAC), value_check=is_mac),
        Checked("CRYPTO", "ethereum", [Expression("ethereum", ETHEREUM, 0.6)], check=is_wallet, shape_only=True),
    ]

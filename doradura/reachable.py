"""Which texts are links, and which of those a phone can open: judged by the text, those to the public internet."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_PRIVATE_ENDINGS = (
    *(".local", ".localhost", ".localdomain", ".internal", ".intranet", ".private", ".lan", ".home", ".corp"),
    *(".home.arpa", ".test", ".invalid", ".example"),
)
"""Endings of names that the public internet does not resolve (RFC 6761, RFC 6762, RFC 8375, and common usage)."""


def is_link(text: str) -> bool:
    """Return whether a text is an http or https URL that a browser could open."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # reading the port is what checks it
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host) and re.search(r"[\s<>\x00-\x1f\x7f]", text) is None


def is_public_url(url: str) -> bool:
    """Return whether a link leads to a public host: http or https, and neither a private address nor a private name."""
    if not is_link(url):
        return False
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # If the last label is digits, it is an IPv4 address in an odd spelling and not a name (WHATWG URL, host
        # parsing).
        last = host.rpartition(".")[2]
        odd = re.fullmatch(r"[0-9]+|0x[0-9a-f]*", last) is not None
        return "." in host and not odd and not host.endswith(_PRIVATE_ENDINGS)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_global)

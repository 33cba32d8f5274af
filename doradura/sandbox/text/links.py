"""Reads a bot's links: whether Telegram keeps one and in which form; users, emoji and times in tg:// links.

Pure. It follows TDLib's check_link and similar functions (td/telegram/LinkManager.cpp) and parse_url (tdutils
HttpUrl.cpp).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType

_OWN = re.compile(r"(tg|ton|tonsite):(?://)?", re.IGNORECASE)
_URL = re.compile(r"(?:([^:/?#@\[\]]*)://)?([^/?#]*)(.*)", re.DOTALL)
_PORT = re.compile(r"(?P<host>[^:].*):(?P<port>[^:\]@]*)", re.DOTALL)
_PART = re.compile(r"(?:[\w.\-!$,~*'();&+=]|[^\x00-\x7f])*+", re.ASCII)
_ENCODED = re.compile(r"%[0-9a-fA-F]{2}")
_HIGHEST_PORT = 65535
_INT64 = 1 << 63
_SPACE = 0x20


class BadLinkError(ValueError):
    """Telegram does not keep such a link; the message is Telegram's."""


def checked_link(link: str) -> str:
    """Return a link as Telegram keeps it: with a scheme, the host in lower case, and a path. Raises BadLinkError."""
    own = _OWN.match(link)
    if own is None:
        scheme, user, host, port, rest = _parts(link)
        if "." not in host and not host.startswith("["):
            raise BadLinkError("Wrong HTTP URL")
        return f"{scheme}://{user + '@' if user else ''}{host}{f':{port}' if port else ''}{rest}"
    kind, inner = own[1].lower(), link[own.end() :]
    scheme, user, host, port, rest = _parts(inner)
    if inner.lower().startswith("http://") or scheme == "https" or user or port or host.startswith("["):
        raise BadLinkError("Wrong tg URL" if kind == "tg" else "Wrong ton URL")
    if not re.fullmatch(r"[A-Za-z0-9_.-]*" if kind == "tonsite" else r"[A-Za-z0-9_-]*", host):
        raise BadLinkError("Unallowed characters in URL host")
    return f"{kind}://{host}{rest[1:] if rest.startswith('/?') else rest}"


def https_link(link: str) -> str:
    """Return `checked_link(link)`. Raises BadLinkError unless it is an https link."""
    kept = checked_link(link)
    if not kept.startswith("https://"):
        raise BadLinkError("Only HTTPS links are allowed")
    return kept


def kept_link(link: str) -> str:
    """Return the link as checked_link does, one to a user in its one form; nothing if Telegram does not keep it."""
    if user_id := user_id_in(link):
        return f"tg://user?id={user_id}"
    try:
        return checked_link(link)
    except BadLinkError:
        return ""


def user_id_in(link: str) -> int:
    """Return the id in a link to a user, tg://user?id= in one of its spellings; 0 for any other link."""
    user_id = _integer(_arguments(link, "user").get("id", ""))
    return max(0, user_id)


def emoji_id_in(link: str) -> str:
    """Return the id in a custom emoji's link; nothing for any other link."""
    return custom_emoji_id(_arguments(link, "emoji").get("id", ""))


def custom_emoji_id(value: str) -> str:
    """Return an id of a custom emoji as Telegram writes it; nothing for an invalid one."""
    number = _integer(value)
    return str(number) if number else ""


def time_in(link: str) -> tuple[int, str] | None:
    """Return the time and the format, as written, in a tg://time link; nothing for any other link."""
    arguments = _arguments(link, "time", lower=False)
    unix = _integer(arguments.get("unix", ""))
    return (unix, arguments.get("format", "")) if 0 < unix < 1 << 31 else None


def _arguments(link: str, host: str, *, lower: bool = True) -> Mapping[str, str]:
    """Return the arguments of a tg: link to a host, the first of each name; none for another link."""
    found = re.fullmatch(rf"tg:(?://)?{host}/?\?([^#]*)(?:#.*)?", link, re.DOTALL | re.IGNORECASE)
    if found is None:
        return MappingProxyType({})
    pairs = [each.partition("=") for each in (found[1].lower() if lower else found[1]).split("&")]
    return {name: value for name, _, value in reversed(pairs)}


def _integer(value: str) -> int:
    """Read a 64-bit integer as TDLib writes it, without a plus or leading zeros; 0 for anything else."""
    if not re.fullmatch(r"-?[1-9][0-9]{0,18}", value, re.ASCII):
        return 0
    number = int(value)
    return number if -_INT64 <= number < _INT64 else 0


def _parts(url: str) -> tuple[str, str, str, int, str]:
    """Return scheme, user, host, port (0 for none) and the rest of an address. Raises BadLinkError."""
    found = _URL.fullmatch(url)
    scheme, place, rest = found.groups() if found else (None, "", "")
    if scheme is not None and scheme.lower() not in {"http", "https"}:
        raise BadLinkError("Unsupported URL protocol")
    port = 0
    if with_port := _PORT.fullmatch(place):
        place, port = with_port["host"], _integer(with_port["port"].lstrip("0") or "0")
        if not 0 < port <= _HIGHEST_PORT:
            raise BadLinkError("Wrong port number specified in the URL")
    user, _, host = place.rpartition("@")
    _check_host(host)
    if not host.startswith("["):
        _check_part(host, "host")
        _check_part(user.replace(":", ""), "userinfo")
    rest = rest.rstrip(" \t\r\n\0\v") or "/"
    rest = "".join(each if ord(each) > _SPACE else f"%{ord(each):02X}" for each in rest)
    return (scheme or "http").lower(), user, host.lower(), port, rest if rest.startswith("/") else f"/{rest}"


def _check_host(host: str) -> None:
    if not host:
        raise BadLinkError("URL host is empty")
    if host == ".":
        raise BadLinkError("Host is invalid")
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1].partition("%")[0])
        except ValueError:
            raise BadLinkError("Wrong IPv6 address specified in the URL") from None
        if "%" in host:
            raise BadLinkError("Wrong IPv6 URL host")


def _check_part(part: str, name: str) -> None:
    """Refuse what RFC 3986 forbids in a host or before it, except letters of all alphabets. Raises BadLinkError."""
    at = 0
    while (found := _PART.match(part, at)) and (at := found.end()) < len(part):
        if part[at] != "%":
            raise BadLinkError(f"Disallowed character in URL {name}")
        if not _ENCODED.match(part, at):
            raise BadLinkError(f"Wrong percent-encoded symbol in URL {name}")
        at += 3

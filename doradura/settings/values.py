"""Parsers that turn the text of one setting into a value.

Each function takes the text and returns the value, or raises ValueError with the rest of a sentence that begins with
the variable's name: what is wrong, and what would be right. None repeats the text, which may be a secret.
"""

from __future__ import annotations

import io
import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from doradura.settings.cookies import cookies_fault

TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{24,}")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)

_ALERT_CHAT = re.compile(r"(-?[0-9]{1,16})(?:/([0-9]{1,10}))?")
COOKIES_BYTES = 16 * 1024**2
_GENERAL_TOPIC = 1
"""The topic that every forum has. Telegram accepts messages for it only without a topic (Bot API, sendMessage)."""

Parse = Callable[[str], Any]
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE_NETWORKS: tuple[IPNetwork, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
"""Loopback, private and link-local ranges (RFC 1918, 3927, 4193, 4291)."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on. Port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> Address:
        """Where this machine reaches what listens there: nothing can connect to "every address"."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return Address(host, self.port)


def single_line(value: str) -> str:
    """Return the text if it has no control characters. Raises ValueError."""
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("contains a line break or another control character; remove it")
    return value


def bot_token(value: str) -> str:
    """Return a bot's token in the shape of Bot API, "Authorizing your bot". Raises ValueError."""
    if not TOKEN.fullmatch(value):
        raise ValueError(
            "is not a bot token; copy the one from @BotFather, like 123456789:AAH... without quotes or spaces"
        )
    return value


def _split(value: str, right: str) -> SplitResult:
    """Split a URL. urlsplit's own error is not passed on: it repeats parts of the value."""
    try:
        parts = urlsplit(single_line(value))
        parts.port  # noqa: B018 - reading it is what checks the number
    except ValueError:
        raise ValueError(f"is not a URL; {right}") from None
    return parts


def url(*schemes: str) -> Callable[[str], str]:
    """Return a parser of URLs with one of these schemes; it removes a slash at the end."""

    def parse(value: str) -> str:
        right = f"write {' or '.join(f'{scheme}://' for scheme in schemes)} followed by host or host:port"
        parts = _split(value, right)
        if parts.scheme not in schemes or not parts.hostname or " " in value:
            raise ValueError(f"is not the right kind of URL; {right}")
        if parts.query or parts.fragment:
            raise ValueError("has a query or a fragment; remove everything from ? or # on")
        return value.rstrip("/")

    return parse


@dataclass(frozen=True, slots=True)
class SitePace:
    """How often links of a site may be looked at: once in so many seconds, after a burst of so many."""

    site: str
    seconds: float
    burst: int

    def __str__(self) -> str:
        return f"{self.site}={self.seconds:g}/{self.burst}"


_SITE_PACE = re.compile(r"([a-z]+)=([0-9]{1,5}(?:\.[0-9]{1,3})?)/([0-9]{1,4})")


def site_paces(value: str) -> tuple[SitePace, ...]:
    """Return the paces of sites, in the order written; none for `none`.

    Which sites there are is not checked here. Raises ValueError.
    """
    if value.lower() == "none":
        return ()
    found: dict[str, SitePace] = {}
    for part in _parts(value):
        match = _SITE_PACE.fullmatch(part)
        if match is None or not float(match[2]) or not int(match[3]):
            raise ValueError("must be a list of SITE=SECONDS/BURST, such as youtube=12/10,tiktok=5/20, or none")
        if match[1] in found:
            raise ValueError(f"names {match[1]} twice; leave one of the two")
        found[match[1]] = SitePace(match[1], float(match[2]), int(match[3]))
    return tuple(found.values())


def download_proxies(value: str) -> str:
    """Return a proxy's URL, or a list by site without blanks, such as `youtube=socks5://host:1080,*=direct`.

    Which sites there are is not checked here. Raises ValueError.
    """
    proxy = url("http", "https", "socks5", "socks5h")
    if "=" not in value.partition("://")[0]:
        return proxy(value)
    seen: set[str] = set()
    entries = []
    for entry in value.split(","):
        site, equals, way = (part.strip() for part in entry.partition("="))
        if not equals or not re.fullmatch(r"[a-z]+|\*", site):
            raise ValueError(
                "must be the URL of a proxy, or a list of SITE=PROXY such as youtube=socks5://host:1080,*=direct"
            )
        if site in seen:
            raise ValueError(f"names {site} twice; leave one of the two")
        seen.add(site)
        entries.append(f"{site}={way if way == 'direct' else proxy(way)}")
    return ",".join(entries)


def boolean(value: str) -> bool:
    """Return yes or no, each in three spellings. Raises ValueError."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if value.lower() not in known:
        raise ValueError("must be true or false")
    return known[value.lower()]


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers, both bounds included."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def choice(*words: str) -> Callable[[str], str]:
    """Return a parser of one of these words, in any case; its value is in lower case."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value.lower()

    return parse


def _parts(value: str) -> list[str]:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("is an empty list; add an entry, or unset the variable")
    return parts


@dataclass(frozen=True, slots=True, order=True)
class AlertChat:
    """A chat that alerts go to: a person's, a group's, a channel's, or one topic of a group (0: none)."""

    chat_id: int
    topic_id: int = 0

    def __str__(self) -> str:
        return f"{self.chat_id}/{self.topic_id}" if self.topic_id else str(self.chat_id)


def alert_chats(value: str) -> tuple[AlertChat, ...]:
    """Return chats in the order written, each an id with `/topic` for one topic of a group. Raises ValueError."""
    right = "separate ids with commas, such as 1234,-1001234567890, or -1001234567890/5 for a topic"
    found = []
    for part in _parts(value):
        match = _ALERT_CHAT.fullmatch(part)
        if match is None:
            raise ValueError(f"must be a list of chat ids (a @name doesn't work); {right}")
        chat_id, topic_id = int(match[1]), int(match[2] or 0)
        if not 0 < abs(chat_id) < 2**52 or not (match[2] is None or 0 < topic_id < 2**31):
            raise ValueError(f"contains an id that can't exist on Telegram; {right}")
        found.append(AlertChat(chat_id, 0 if topic_id == _GENERAL_TOPIC else topic_id))
    return tuple(dict.fromkeys(found))


def user_ids(value: str) -> frozenset[int]:
    """Return Telegram user ids, which are positive and fit in 52 bits (Bot API, User.id). Raises ValueError."""
    found = set()
    for part in _parts(value):
        if not re.fullmatch(r"[0-9]{1,16}", part) or not 0 < int(part) < 2**52:
            raise ValueError("is not a list of user ids; write positive numbers separated by commas, such as 1234,5678")
        found.add(int(part))
    return frozenset(found)


def _host(text: str) -> str:
    """Return a host; IPv6 only in brackets. Raises ValueError with any text, maybe the value: don't pass it on."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if host != text or ":" in host:
        if host == text:
            raise ValueError
        return str(ipaddress.IPv6Address(host))
    if re.fullmatch(r"[0-9.]+", host):
        return str(ipaddress.IPv4Address(host))
    if not _HOST_NAME.fullmatch(host):
        raise ValueError
    return host


def address(value: str) -> Address:
    """Return host:port; an IPv6 host stands in brackets. Raises ValueError."""
    host, _, port = value.rpartition(":")
    right = "write host:port, such as 127.0.0.1:9090 or [::1]:9090"
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"has no port from 0 to 65535; {right}")
    try:
        return Address(_host(host), int(port))
    except ValueError:
        raise ValueError(f"is not an address; {right}") from None


def loopback_address(value: str) -> Address:
    """Return a host:port that only this machine can reach. Raises ValueError."""
    found = address(value)
    if found.host != "localhost" and not _is_loopback(found.host):
        raise ValueError(
            "must be a loopback address, because whoever reaches the sandbox controls it; write 127.0.0.1:8082"
        )
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _network(text: str) -> IPNetwork:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        # ipaddress's own error is not passed on: it repeats the value.
        raise ValueError("is not a list of networks; write CIDRs, such as 10.0.0.0/8,fd00::/8") from None
    if "/" in text and network.network_address != ipaddress.ip_address(text.partition("/")[0]):
        raise ValueError(f"is an address inside a network; for the network write {network}")
    return network


def networks(value: str) -> tuple[IPNetwork, ...]:
    """Return networks from CIDRs; a single address is a network of one. Raises ValueError."""
    return tuple(_network(part) for part in _parts(value))


def networks_or_all(value: str) -> tuple[IPNetwork, ...]:
    """Return networks from CIDRs, or from `all` for every address. Raises ValueError."""
    if value.lower() == "all":
        return (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    return networks(value)


def private_targets(value: str) -> tuple[str, ...]:
    """Return each host:port and CIDR in one spelling, as text for the worker process. Raises ValueError."""
    return tuple(str(_network(part) if "/" in part else _target(part)) for part in _parts(value))


def _target(text: str) -> Address:
    try:
        target = address(text)
    except ValueError as error:
        raise ValueError("is not a list of targets; write host:port or CIDR, such as 10.1.2.3:80,fd00::/8") from error
    if not target.port:
        raise ValueError("has port 0; write the port that downloads may connect to")
    return target


def directory(value: str) -> Path:
    """Return the absolute path of a directory that this user can write to or create. Raises ValueError."""
    path = Path(os.path.expanduser(single_line(value))).absolute()  # noqa: PTH111 - raises nothing for an unknown user
    nearest = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
    if not nearest.is_dir():
        raise ValueError(f"can't be a directory, because {nearest} is not a directory; choose another path")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"is not writable, because this user may not write to {nearest}; change its owner or its mode")
    return path


def cookies_file(value: str) -> Path:
    """Return the path of a cookies.txt that exists, opens and has the format that yt-dlp reads. Raises ValueError."""
    right = "give the path of a cookies.txt in Netscape format, as a browser extension exports it"
    path = Path(os.path.expanduser(single_line(value))).absolute()  # noqa: PTH111 - as above
    try:
        if path.exists() and not path.is_file():  # a pipe would keep us waiting, and each download empty it
            raise ValueError(f"is not a file; {right}")
        with path.open("rb") as file:
            read = file.read(COOKIES_BYTES + 1)
        if len(read) > COOKIES_BYTES:
            raise ValueError(f"is larger than {COOKIES_BYTES // 1024**2} MiB; {right}")
        fault = cookies_fault(io.TextIOWrapper(io.BytesIO(read), encoding="utf-8").read())
    except UnicodeDecodeError:
        fault = "is not text in UTF-8"
    except OSError as error:
        fault = f"can't be read ({error.strerror})"
    if fault is not None:
        raise ValueError(f"{fault}; {right}") from None
    return path


def database_url(value: str) -> str:
    """Return the URL of a file in the data directory. Raises ValueError."""
    right = "write sqlite:///name.db for a file in the data directory, or unset it"
    if value.startswith(("postgresql://", "postgres://")):
        raise ValueError(f"is a PostgreSQL URL, which this version does not support: it uses SQLite; {right}")
    if not re.fullmatch(r"sqlite:///[A-Za-z0-9_][A-Za-z0-9_.-]*", value):
        raise ValueError(f"is not a supported database URL; {right}")
    return value


def basic_auth(value: str) -> str:
    """Return user:password (RFC 7617: no colon in the user, no control characters). Raises ValueError."""
    user, _, password = single_line(value).partition(":")
    if not user or not password:
        raise ValueError("must have the form user:password")
    return value


def bearer_token(value: str) -> str:
    """Return a token that an Authorization header can carry. Raises ValueError."""
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("contains characters that a bearer token can't have; use visible ASCII without spaces")
    return value

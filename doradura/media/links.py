"""Links: finds them in a message, refuses those that we never fetch, and spells each in one way.

Owns the judgement of a link as text; nothing here resolves a name or connects. The destination of a name is judged when
a worker connects (`child/guard.py`): a link that passes here is not yet safe. It must not import yt-dlp.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from doradura.media.addresses import AllowedPrivate, EgressRefusedError, default_port, judge
from doradura.media.peoples_text import has_controls
from doradura.media.reasons import Reason
from doradura.media.sites import bare_host_pattern, site_of

LINK_CHARACTERS = 8192
"""Addresses that contain a signature have some thousands; a Telegram message has 4,096 at most."""

LinkFault = Literal["scheme", "length", "characters", "host", "credentials", "port", "private_address", "local_name"]


class LinkError(Exception):
    """A link that is not fetched, with the reason."""

    def __init__(self, reason: Reason, kind: LinkFault) -> None:
        super().__init__(f"{reason}: {kind}")
        self.reason = reason
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may be given to a worker."""

    url: str
    host: str
    """Lower case; IPv6 without brackets."""
    port: int
    site: str
    """A word of `sites.SITES`."""
    guessed: bool = False
    """Whether it came without a scheme, so that https is a guess."""


class LinkEntity(Protocol):
    """The part of Telegram's MessageEntity that is needed here; offset and length count UTF-16 code units."""

    @property
    def type(self) -> str: ...  # noqa: D102 -- Telegram's names
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def length(self) -> int: ...  # noqa: D102
    @property
    def url(self) -> str | None: ...  # noqa: D102


_SPELLED = re.compile(rf"https?://[^\s<>\"]+|(?<![\w.@/-])(?:www\.|{bare_host_pattern()}/)[^\s<>\"]+", re.IGNORECASE)
_FOREIGN = re.compile(
    # http addresses are left to this pattern only if they lack a host. The first character decides whether a run of
    # letters is examined, so a long text costs no more than its length.
    r"(?<![\w.+-])(?:https?:/|[a-z][a-z0-9+.-]{0,30}://[^\s<>\"]|file:/|javascript:[^\s<>\"]|magnet:\?"
    r"|data:(?:[\w.+-]+/[\w.+-]+)?[;,])[^\s<>\"]*",
    re.IGNORECASE,
)
"""Links that are never fetched. A colon alone makes none: "note: hello" and "12:30" are words."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?!\d+(?:[/?#]|$))", re.IGNORECASE)
"""A scheme, and not the name and port of "example.com:8080/a"."""
_HTTP = re.compile(r"https?://.", re.IGNORECASE)
_ENDINGS = ".,;:!?'\"*_~`"
_BREAKS = re.compile(
    # General punctuation except the joiners of words and emoji; CJK and full-width punctuation except the full stop
    # that stands for a dot in a host; Arabic, Armenian and Devanagari punctuation; quotation marks.
    r"[\u00ab\u00bb\u2000-\u200b\u200e-\u206f\u3000\u3001\u3008-\u301f\u30fb\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
    r"\uff5e\uff61-\uff65\ufe10-\ufe19\ufe30-\ufe4f\u060c\u061b\u061f\u06d4\u0964\u0965\u0589\u055c-\u055e]"
    r"|\u3002(?!\w+[./\u3002])|\uff0e(?!\w)"
)
"""What ends a link when people continue without a space: no address from a browser contains it unencoded."""
_EMOJI_BACKWARDS = re.compile(
    r"(?:[\ufe0e\ufe0f\u20e3\u200d\U000e0020-\U000e007f]*"
    r"[\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030"
    r"\U0001f000-\U0001faff])++(?![/=?&#_.-])"
)
"""A run of emoji at the end of a reversed link, unless its part of the address consists of nothing else. Reversed,
because a forward search would look at a long run again from each of its emoji."""
_BARE = re.compile(
    r"(?:(?:[\w-]{1,63}\.)+[^\W\d_]{2,63}|localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?(?:[/?#][^\s<>\"]*)?"
)
"""A word that could be an address without a scheme."""
_BRACKETS = {")": "(", "]": "[", "}": "{"}


class Found(NamedTuple):
    """A link in a message."""

    url: str
    """With a scheme: https if none was written."""
    guessed: bool
    """Whether we guessed the scheme."""


def read_links(text: str, entities: Iterable[LinkEntity] = (), *, bare: bool = False) -> tuple[list[Found], list[str]]:
    """Return all http links in a message, each once, in order, and the words beside them. Never raises.

    Telegram marks links in what people type, but not in everything that clients send, so the text is read too. A link
    without a scheme counts if it begins with "www.", is a known site's, or Telegram marked it. If there is no http
    link, the first link of another kind is returned as it is: `check_link` refuses it and says why. With `bare`, if
    there is no link at all, the first word that could be an address counts as one ("example.com/song").
    """
    places = _links(text, entities)
    words = _words_beside(text, places)
    found = [link for link in places if _HTTP.match(link.url)] or places[:1]
    if not found and bare:
        at = next((at for at, word in enumerate(words) if _BARE.fullmatch(_trim(word))), None)
        if at is not None:
            return [Found(f"https://{_trim(words[at])}", guessed=True)], words[:at] + words[at + 1 :]
    return list({link.url: Found(link.url, link.guessed) for link in found}.values()), words


class _Place(NamedTuple):
    """A link and where it stands, in UTF-16 code units."""

    at: int
    end: int
    url: str
    guessed: bool = False


def _links(text: str, entities: Iterable[LinkEntity]) -> list[_Place]:
    entities = list(entities)
    within = [range(each.offset + 1, each.offset + each.length) for each in entities if each.type == "url"]
    spelled = [each for each in _spelled(text) if not any(each.at in inside for inside in within)]
    insides = [range(each.at + 1, each.end) for each in spelled]
    # What Telegram does not take for a link may contain one that it marks: the address in "http://[::ffff:192.0.2.1]/".
    marked = [each for each in _marked(text, entities) if not any(each.at in inside for inside in insides)]
    # What Telegram marked comes last and so wins if both begin at the same place.
    found = {each.at: each for each in sorted((*spelled, *marked), key=lambda each: each.at)}
    return [
        each if _SCHEME.match(each.url) else each._replace(url=f"https://{each.url}", guessed=True)
        for each in found.values()
    ]


def _words_beside(text: str, places: Iterable[_Place]) -> list[str]:
    """Return the words without the links and whatever is attached to them; marks and emoji alone are no words."""
    encoded, words = text.encode("utf-16-le", "surrogatepass"), []
    at = 0
    for place in (*sorted(places), _Place(len(encoded) // 2, 0, "")):
        piece = encoded[at * 2 : max(at, place.at) * 2].decode("utf-16-le", "ignore")
        glued = at > 0 and not piece[:1].isspace()
        words += piece.split()[1 if glued else 0 :]
        at = max(at, place.end)
    return [word for word in words if any(c.isalnum() for c in word)]


def _marked(text: str, entities: Iterable[LinkEntity]) -> Iterator[_Place]:
    """Yield what Telegram marked as a link."""
    encoded = text.encode("utf-16-le", "surrogatepass")
    for entity in entities:
        end = entity.offset + entity.length
        if entity.type == "text_link" and entity.url:
            yield _Place(entity.offset, end, entity.url)
        elif entity.type == "url":
            part = encoded[entity.offset * 2 : end * 2].decode("utf-16-le", "ignore")
            link = _cut(part)
            if link:
                yield _Place(entity.offset, entity.offset + _utf16_length(link), link)


def _spelled(text: str) -> Iterator[_Place]:
    """Yield what reads as a link."""
    for pattern in (_SPELLED, _FOREIGN):
        for match in pattern.finditer(text):
            link = _trim(match[0])
            if pattern.match(link):  # the ending that was cut off may have been what made it a link
                at = _utf16_length(text[: match.start()])
                yield _Place(at, at + _utf16_length(link), link)


def _utf16_length(text: str) -> int:
    """Return a text's length as Telegram's entities count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(link: str) -> str:
    """Cut off what follows a link without a space: punctuation of other scripts and everything after it, emoji."""
    return _without_emoji(_BREAKS.split(link, maxsplit=1)[0])


def _without_emoji(link: str) -> str:
    """Cut off the emoji at the end."""
    run = _EMOJI_BACKWARDS.match(link[::-1])
    return link if run is None else link[: len(link) - run.end()]


def _trim(link: str) -> str:
    """Cut off what belongs to the sentence: a full stop, a closing bracket that the link did not open."""
    link = _cut(link)
    while link:
        last = link[-1]
        opening = _BRACKETS.get(last)
        if last in _ENDINGS or (opening is not None and link.count(last) > link.count(opening)):
            link = _without_emoji(link[:-1])
        else:
            return link
    return link


def check_link(url: str, allowed_private: Sequence[str] = ()) -> Link:
    """Refuse what is never fetched, before a worker is used. Raises LinkError.

    `allowed_private` has `host:port` and networks that may be reached although they are private, as for the judge.
    """
    if len(url) > LINK_CHARACTERS:
        raise LinkError(Reason.UNSUPPORTED, "length")
    if not url or any(c.isspace() for c in url) or has_controls(url) or "\\" in url:
        # A backslash is a slash to browsers and part of the name to others, so one link would have two meanings.
        raise LinkError(Reason.UNSUPPORTED, "characters")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise LinkError(Reason.UNSUPPORTED, "host") from None
    if parts.scheme.lower() not in {"http", "https"}:
        raise LinkError(Reason.UNSUPPORTED, "scheme")
    if "@" in parts.netloc:
        raise LinkError(Reason.UNSUPPORTED, "credentials")
    port = _port(parts)
    if not host or not host.isprintable():  # clients drop invisible characters, and so ask another host
        raise LinkError(Reason.UNSUPPORTED, "host")
    plain = _plain_host(host)
    _judge_host(plain, port, AllowedPrivate.parse(allowed_private))
    return Link(url=url, host=plain, port=port, site=site_of(url))


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise LinkError(Reason.UNSUPPORTED, "port") from None
    if port == 0:
        raise LinkError(Reason.UNSUPPORTED, "port")
    return port or default_port(parts.scheme)


def _plain_host(host: str) -> str:
    """Return the host as a resolver would read it: full-width letters and dots of other scripts become plain ones."""
    plain = unicodedata.normalize("NFKC", host).replace("。", ".").lower().rstrip(".")
    if ":" in plain:
        return plain
    if not plain.isascii():
        try:
            plain = plain.encode("idna").decode("ascii")
        except UnicodeError:
            raise LinkError(Reason.UNSUPPORTED, "host") from None
    if re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", plain) is None or len(plain) > 253:
        raise LinkError(Reason.UNSUPPORTED, "host")
    return plain


_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa", "lan", "intranet")


def _judge_host(host: str, port: int, allowed: AllowedPrivate) -> None:
    literal = read_address(host)
    if literal is not None:
        try:
            judge(literal, port, allowed)
        except EgressRefusedError:
            raise LinkError(Reason.REFUSED_ADDRESS, "private_address") from None
    elif ":" in host:
        raise LinkError(Reason.REFUSED_ADDRESS, "private_address")  # a zone id, or no address at all
    elif _is_local(host) and not (host == "localhost" and _covers_loopback(allowed, port)):
        raise LinkError(Reason.REFUSED_ADDRESS, "local_name")


def _is_local(host: str) -> bool:
    return "." not in host or host.endswith(tuple(f".{name}" for name in _LOCAL_NAMES))


def _covers_loopback(allowed: AllowedPrivate, port: int) -> bool:
    return any(allowed.covers(ipaddress.ip_address(text), port) for text in ("127.0.0.1", "::1"))


def read_address(host: str) -> str | None:
    """Return the plain literal of an address in any spelling that the C library takes; None if the host is a name.

    inet_aton(3) takes one to four parts, each decimal, octal or hexadecimal, the last one filling the rest. A number of
    that form that is out of range becomes 0.0.0.0: no name ends in a number (WHATWG URL, host parsing).
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if ":" in host or re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", host.rpartition(".")[2]) is None:
            return None
    try:
        numbers = [_number(part) for part in host.split(".")]
        *first, last = numbers
        if len(numbers) > 4 or any(n > 255 for n in first) or last >= 256 ** (5 - len(numbers)):
            return "0.0.0.0"  # noqa: S104 -- stands for an address that cannot be, and is refused
        whole = sum(n << (24 - 8 * place) for place, n in enumerate(first)) + last
        return str(ipaddress.IPv4Address(whole))
    except ValueError:
        return "0.0.0.0"  # noqa: S104 -- as above


def _number(part: str) -> int:
    if part.lower().startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)


_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|ysclid|ttclid|twclid|igsh|igshid|mc_cid|mc_eid|_ga|_gl",
    re.IGNORECASE,
)
_TRACKING_OF_SITES = {
    "youtube": frozenset({"si", "feature", "pp", "ab_channel"}),
    "soundcloud": frozenset({"si"}),
    "twitter": frozenset({"s", "t"}),
    "tiktok": frozenset({"is_from_webapp", "sender_device", "_r", "_t"}),
    "reddit": frozenset({"share_id", "rdt"}),
}


_TIME_FRAGMENT = re.compile(r"t=(?:npt:)?[\d.:,hms]*", re.IGNORECASE)


def canonical(url: str) -> str:
    """Return one spelling for links that lead to the same thing, for the cache of files already sent.

    Scheme, host and port are normalised; known tracking parameters are removed, and so is a fragment that is empty or
    only says where to start playing. Everything else stays in its order: a query can say which video, and which part of
    it, and some sites have their whole address in the fragment (`https://music.163.com/#/song?id=1`).
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port in {None, default_port(scheme)} else f":{parts.port}"
    known = _TRACKING_OF_SITES.get(site_of(url), frozenset())
    query = "&".join(
        piece
        for piece in parts.query.split("&")
        if piece and (name := piece.partition("=")[0]) not in known and _TRACKING.fullmatch(name) is None
    )
    fragment = "" if _TIME_FRAGMENT.fullmatch(parts.fragment) else parts.fragment
    where = f"{scheme}://{host}{port}{parts.path or '/'}"
    return f"{where}{'?' + query if query else ''}{'#' + fragment if fragment else ''}"

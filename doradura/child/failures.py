"""Classifies what went wrong as one of the closed set of reasons.

Owns the table from the errors of yt-dlp, Python and ffmpeg to `media.reasons`. An error's type counts before its text,
because texts change with every yt-dlp release. It runs in the child, where yt-dlp is loaded anyway.
"""

from __future__ import annotations

import errno
import http.client
import re
import signal
import socket
import ssl
import traceback
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking.exceptions import (
    HTTPError,
    NoSupportingHandlers,
    RequestError,
    TransportError,
    UnsupportedRequest,
)
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    UnsupportedError,
    UserNotLive,
    YoutubeDLError,
)

from doradura.child.ffmpeg import FfmpegError, ToolError
from doradura.child.floor import TransferTooSlowError
from doradura.child.gate_replies import gate_reason, gate_reply, in_plain_words
from doradura.media.addresses import MARKER, EgressRefusedError
from doradura.media.gatecontrol import GateReply
from doradura.media.has import Lacks
from doradura.media.protocol import MOST_SECONDS, Failure
from doradura.media.reasons import DISK_ERRNOS, Reason

_DETAIL_CHARACTERS = 500
_CHAIN_LIMIT = 40


class JobError(Exception):
    """A failure whose reason is known where it is raised."""

    def __init__(self, reason: Reason, detail: str, *, final: bool = False, lacks: Lacks = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.lacks: Lacks = lacks
        self.final = final
        """Whether no other quality of this link would end differently."""


class NoMediaError(JobError):
    """What was fetched is not a media file at all."""

    def __init__(self) -> None:
        super().__init__(Reason.UNSUPPORTED, "what was fetched is no media file")


_TEXTS: tuple[tuple[str, Reason], ...] = (
    (r"not a bot|unusual traffic|captcha|anti-bot challenge", Reason.BOT_CHECK),
    # Of an address that is let in no more, in sentences that speak of logging in as well.
    (r"rate-limit for accessing posts anonymously|your ip address is (blocked|unable)", Reason.BOT_CHECK),
    (
        r"private (video|account|post|profile|playlist|content)|(video|post|account|profile|it) is private",
        Reason.PRIVATE,
    ),
    (r"log ?in required|requires? (authentication|login|an account)|only available (for|to) registered", Reason.LOGIN),
    (
        r"--cookies|sign in|members?-only|join this channel|confirm your age|account credentials|must be logged",
        Reason.LOGIN,
    ),
    (r"in your (country|region|location)|geo.?restrict|from your location", Reason.GEO),
    (r"live event|premieres? in|is (currently )?live|live stream|not currently live|will begin in", Reason.LIVE),
    (r"429|too many requests|rate.?limit", Reason.RATE_LIMITED),
    (
        r"has been (removed|deleted|terminated)|no longer (available|exists?)|does ?n.t exist|does not exist",
        Reason.GONE,
    ),
    (r"(video|media|post|content|page|track) (is )?(unavailable|not available|not found)", Reason.GONE),
    (r"drm|no video formats|requested format is not available|unsupported url|no media", Reason.UNSUPPORTED),
    (r"redirect loop|too many redirects|not get any data blocks|downloaded file is empty", Reason.UNSUPPORTED),
    (r"http error 5\d\d|try again|went wrong|needs to be reloaded|temporarily unavailable", Reason.SITE_ERROR),
    # Of an error that outlasted its retries yt-dlp keeps only the text; it retries nothing but network errors.
    (r"giving up after \d+ retries|timed? ?out|connection (reset|refused|aborted)|temporary failure", Reason.NETWORK),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in _TEXTS)

_STATUSES = {
    401: Reason.LOGIN,
    402: Reason.LOGIN,
    404: Reason.GONE,
    407: Reason.NETWORK,
    408: Reason.NETWORK,
    410: Reason.GONE,
    425: Reason.NETWORK,
    429: Reason.RATE_LIMITED,
    451: Reason.GEO,
}

_ERRNOS = {
    **dict.fromkeys(DISK_ERRNOS, Reason.DISK),
    errno.EFBIG: Reason.TOO_LARGE,
    errno.ENOMEM: Reason.INTERNAL,
    errno.EMFILE: Reason.INTERNAL,
    errno.ENFILE: Reason.INTERNAL,
    errno.ETIMEDOUT: Reason.NETWORK,
    errno.ENETUNREACH: Reason.NETWORK,
    errno.EHOSTUNREACH: Reason.NETWORK,
}


def classify(error: BaseException, *, generic: bool) -> tuple[Reason, str]:
    """Return the reason of a failed job and one line for the log.

    `generic` says that no extractor of a known site was at work: a 403 for a plain file is its owner's decision, while
    a known site's is more often temporary. The whole chain of causes is examined, yt-dlp's own links included; an error
    that was merely being handled when another arose counts only if nothing else decides.
    """
    causes, chain = tuple(chain_of(error, contexts=False)), tuple(chain_of(error, contexts=True))
    reason = (
        _refused(chain)
        or _radio(chain)
        or next(filter(None, (_by_type(link, generic=generic) for link in causes)), None)
        or next(filter(None, (_by_text(link) for link in causes)), None)
        or next(filter(None, (_by_type(link, generic=generic) for link in chain)), None)
    )
    if reason is None:
        reason = _unnamed(causes, chain, generic=generic)
    return reason, one_line(f"{type(error).__name__}: {error}")


def failed(error: BaseException, reason: Reason, detail: str) -> Failure:
    """Return the final message of a job that ended in an error, classified."""
    if not isinstance(error, JobError):
        locked = reason is Reason.UNSUPPORTED and re.search(r"\bDRM\b", str(error)) is not None
        return Failure(reason=reason, detail=detail, lacks="unlocked" if locked else "")
    return Failure(reason=reason, detail=detail, final=error.final, lacks=error.lacks)


_WITHOUT_BROWSER = frozenset({Reason.LOGIN, Reason.BOT_CHECK, Reason.SITE_ERROR})
"""What sites answer to what is no browser; yt-dlp's extractors warn, go on, and fail of that."""
_BROKEN_FOR_ALL = re.compile(r"HTTP Error 5(?!03)\d\d")
"""What is tried again, as ever; 503 is also how some turn robots away."""


def without_browser(failure: Failure, why: str, *, found: bool) -> Failure:
    """Return the failure of a link that was to be requested as a browser does, which was not possible for a reason.

    Unless the site said something that holds for browsers as well, that is taken for its cause: it is not known what
    the site would have said to a browser. `found` tells whether the site gave the item all the same.
    """
    blamed = failure.reason in _WITHOUT_BROWSER or (failure.reason is Reason.UNSUPPORTED and not found)
    if not blamed or failure.lacks or _BROKEN_FOR_ALL.search(failure.detail):
        return failure
    detail = one_line(f"{why}: {failure.detail}")
    return Failure(reason=Reason.BOT_CHECK, detail=detail, final=True, lacks="browser")


def _unnamed(causes: tuple[BaseException, ...], chain: tuple[BaseException, ...], *, generic: bool) -> Reason:
    """Return the reason for an error that nothing in the table names: `internal` only if it arose in our own code."""
    if any(isinstance(link, ExtractorError) and link.expected for link in causes):
        # The extractor read the site well and reports that there is nothing behind this link.
        return Reason.UNSUPPORTED
    told = any(isinstance(link, ExtractorError | DownloadError) for link in chain)
    if not told and not _of_yt_dlp(causes[0]):
        return Reason.INTERNAL
    # Otherwise it met an answer that it does not understand. If the answer itself made it fail (a key of three bytes, a
    # malformed number), it is not media, whichever site sent it; on a site that it knows, the site has changed and
    # yt-dlp has not been adapted yet.
    stumbled = not told or not all(isinstance(link, YoutubeDLError | OSError) for link in chain)
    return Reason.UNSUPPORTED if generic and stumbled else Reason.SITE_ERROR


_READING = "doradura.child.bounds"
"""That module imports this one, so this one can't import it."""


def _of_yt_dlp(error: BaseException) -> bool:
    """Return whether the error arose in yt-dlp, or in a library that it called, because of what a site sent.

    Among the frames that the error passed, the innermost one of yt-dlp's or ours decides: yt-dlp also calls us.
    `bounds` reads on yt-dlp's behalf, with lengths that a site sent. What the system refused (a file, a descriptor) and
    what is not installed says nothing about the site.
    """
    if isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is not None):
        return False
    innermost = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__"))
        package = "yt_dlp" if module == _READING else module.partition(".")[0]
        innermost = package if package in {"yt_dlp", "doradura"} else innermost
    return innermost == "yt_dlp"


def is_unreachable(error: BaseException) -> bool:
    """Return whether the other side never answered as a web server: no connection, or no TLS."""
    chain = tuple(chain_of(error, contexts=True))
    if any(isinstance(link, HTTPError | JobError) for link in chain) or _refused(chain):
        return False
    return any(isinstance(link, TransportError | ConnectionError | TimeoutError | ssl.SSLError) for link in chain)


def unresolved_host(error: BaseException, url: str) -> str:
    """Return the host that has no address, if that is what went wrong, else "". `url` is the last one requested."""
    chain = tuple(chain_of(error, contexts=True))
    if not any(isinstance(link, socket.gaierror) or gate_reply(link) is GateReply.NO_SUCH_NAME for link in chain):
        return ""
    named = (re.search(r"host='([^']+)'", str(link)) for link in chain)
    try:
        return next((found[1] for found in named if found), None) or urlsplit(url).hostname or ""
    except ValueError:
        return ""


def retry_after_seconds(error: BaseException, now: float) -> float | None:
    """Return how long the site asks to be left alone (Retry-After, RFC 9110, 10.2.3); None if it does not say.

    `now` is in seconds since 1970: a site may state a time instead of a duration.
    """
    for link in chain_of(error, contexts=True):
        if isinstance(link, HTTPError) and link.status in {429, 503}:
            told = (link.response.headers.get("Retry-After") or "").strip()
            if re.fullmatch(r"\d{1,9}(\.\d+)?", told):
                return float(told)
            try:
                return min(MOST_SECONDS, max(0.0, parsedate_to_datetime(told).timestamp() - now))
            except (ValueError, OverflowError):  # not a time, or one outside every calendar
                continue
    return None


def one_line(text: str) -> str:
    """Return a text fit for a log line: no control characters, at most 500 characters."""
    shown = "".join(c if c.isprintable() else " " for c in in_plain_words(text))
    return " ".join(shown.split())[:_DETAIL_CHARACTERS]


def chain_of(error: BaseException, *, contexts: bool) -> Iterator[BaseException]:
    """Yield the error and everything that caused it, nearest first, each once.

    With `contexts` also what was being handled when it was raised.
    """
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _CHAIN_LIMIT:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        # yt-dlp's causes are in `cause`, urllib's and urllib3's in `reason`. yt-dlp raises DownloadError while it
        # handles the error that it stands for, so there the context is the cause.
        waiting += [link.__cause__, getattr(link, "cause", None), getattr(link, "reason", None), *link.args]
        if contexts or isinstance(link, DownloadError):
            waiting.append(link.__context__)


def _refused(chain: tuple[BaseException, ...]) -> Reason | None:
    for link in chain:
        # Libraries in between keep an error's text more often than its type.
        if isinstance(link, EgressRefusedError) or MARKER in str(link):
            return Reason.REFUSED_ADDRESS
        if gate_reply(link) is GateReply.REFUSED_ADDRESS:
            return Reason.REFUSED_ADDRESS
    return None


def _radio(chain: tuple[BaseException, ...]) -> Reason | None:
    """Return `live` for a radio that speaks SHOUTcast's own protocol: its answers begin with "ICY", not "HTTP"."""
    lines = (str(getattr(link, "line", "")) for link in chain if isinstance(link, http.client.BadStatusLine))
    return Reason.LIVE if any(line.startswith("ICY ") for line in lines) else None


_NO_ADDRESS = (NoSupportingHandlers, UnsupportedRequest, ValueError)
"""requests' errors about an address (no scheme, an unknown one, a bad host) are ValueErrors."""

_TYPES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Reason], ...] = (
    (GeoRestrictedError, Reason.GEO),
    (UserNotLive, Reason.LIVE),
    (UnsupportedError, Reason.UNSUPPORTED),
    (TransferTooSlowError, Reason.TOO_SLOW),
    # the operator's file, not the site's answer
    (CookieLoadError, Reason.INTERNAL),
    # A page nested without end, or a site that redirects to a new address each time.
    (RecursionError, Reason.UNSUPPORTED),
    (http.client.InvalidURL, Reason.UNSUPPORTED),
    ((ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException, ContentTooShortError), Reason.NETWORK),
)


_XML_BOMB = 43
"""Expat's XML_ERROR_AMPLIFICATION_LIMIT_BREACH: entities that expand a document to many times its size."""


def _by_type(link: BaseException, *, generic: bool) -> Reason | None:
    reply = gate_reply(link)
    return _by_kind(link, generic=generic) if reply is None else gate_reason(reply)


def _by_kind(link: BaseException, *, generic: bool) -> Reason | None:
    reason: Reason | None = None
    match link:
        case JobError():
            reason = link.reason
        case ET.ParseError() if link.code == _XML_BOMB:
            reason = Reason.UNSUPPORTED
        case HTTPError():
            reason = Reason.UNSUPPORTED if link.redirect_loop else _by_status(link.status, generic=generic)
        case ToolError():
            reason = Reason.TOOL_CRASH
        case FfmpegError():
            reason = _by_ffmpeg(link)
        case socket.gaierror():
            # A name that does not exist stays so; a resolver that does not answer may answer later.
            reason = (
                Reason.GONE
                if link.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}
                else Reason.NETWORK
            )
        case OSError() if link.errno in _ERRNOS:
            reason = _ERRNOS[link.errno]
        case TransportError():
            # Its own causes are more specific if there are any (a name that does not exist, a full disk).
            behind = (c for c in chain_of(link, contexts=True) if not isinstance(c, TransportError))
            reason = next(filter(None, (_by_type(cause, generic=generic) for cause in behind)), Reason.NETWORK)
        case RequestError():
            reason = _by_request(link, generic=generic)
        case _:
            reason = next((reason for types, reason in _TYPES if isinstance(link, types)), None)
    return reason


_FILE_SCHEME = re.compile(r"""(?:^|['"])file(?::|")""", re.IGNORECASE)


def _by_request(link: RequestError, *, generic: bool) -> Reason:
    """Return the reason for a request that was never sent: its address is invalid, unless a cause says otherwise."""
    chain = tuple(chain_of(link, contexts=True))
    if any(_FILE_SCHEME.search(str(each)) for each in chain):
        return Reason.REFUSED_ADDRESS
    behind = (each for each in chain if not isinstance(each, RequestError) or isinstance(each, TransportError))
    reason = next(filter(None, (_by_type(each, generic=generic) for each in behind)), None)
    if reason is None:
        reason = Reason.UNSUPPORTED if any(isinstance(each, _NO_ADDRESS) for each in chain) else Reason.SITE_ERROR
    return reason


def _by_status(status: int, *, generic: bool) -> Reason:
    if status == 403:
        return Reason.PRIVATE if generic else Reason.SITE_ERROR
    if status in _STATUSES:
        return _STATUSES[status]
    if generic and 400 <= status < 500:
        return Reason.GONE
    return Reason.SITE_ERROR


_NO_MEDIA = re.compile(
    "exceeds specified max pixel count|Picture size .* is invalid|"
    "Invalid data found when processing input|does not contain any stream|matches no streams|Unknown decoder|"
    "Decoder .* not found|could not find codec parameters",
    re.IGNORECASE,
)


def _by_ffmpeg(error: FfmpegError) -> Reason:
    if error.returncode == -signal.SIGXFSZ or "File too large" in error.said:
        return Reason.TOO_LARGE
    if "No space left" in error.said or "Disk quota exceeded" in error.said:
        return Reason.DISK
    if error.returncode > 0 and _NO_MEDIA.search(error.said) is not None:
        return Reason.UNSUPPORTED
    return Reason.TOOL_CRASH


def _by_text(link: BaseException) -> Reason | None:
    if not isinstance(link, YoutubeDLError):
        return None
    text = str(link)
    return next((reason for pattern, reason in _PATTERNS if pattern.search(text)), None)

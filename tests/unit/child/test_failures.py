"""Errors of yt-dlp, Python and ffmpeg as reasons."""

from __future__ import annotations

import errno
import http.client
import io
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
import urllib3
from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking._urllib import UrllibRH
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import (
    HTTPError,
    IncompleteRead,
    NoSupportingHandlers,
    ProxyError,
    RequestError,
    SSLError,
    TransportError,
    UnsupportedRequest,
)
from yt_dlp.socks import Socks5Error, sockssocket
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive
from yt_dlp.utils.networking import normalize_url

from doradura.child.bounds import EndlessError
from doradura.child.failures import (
    JobError,
    classify,
    failed,
    is_unreachable,
    one_line,
    retry_after_seconds,
    unresolved_host,
)
from doradura.child.ffmpeg import FfmpegError
from doradura.child.floor import TransferTooSlowError
from doradura.child.gate_replies import gate_reply, mark_gate_replies
from doradura.media.addresses import MARKER, EgressRefusedError
from doradura.media.gatecontrol import GateReply
from doradura.media.reasons import Reason
from doradura.media.sites import is_known_host


def status(code: int) -> HTTPError:
    """A site's answer."""
    return HTTPError(Response(io.BytesIO(b""), "https://example.com/", {}, status=code))


def said(text: str) -> ExtractorError:
    """What an extractor expected."""
    return ExtractorError(text, expected=True, ie="youtube")


ADAPTERS = "No connection adapters were found for"


def unhandled(scheme: str) -> NoSupportingHandlers:
    """What yt-dlp's networking says of a scheme that it does not know."""
    handler = UrllibRH(logger=logging.getLogger(__name__))
    return NoSupportingHandlers([UnsupportedRequest(f'Unsupported url scheme: "{scheme}"', handler=handler)], [])


def behind(error: BaseException, context: BaseException) -> BaseException:
    """The error as it is when it was raised while another was handled."""
    error.__context__ = context
    return error


def wrapped(error: BaseException) -> BaseException:
    """The error as it comes out of yt-dlp: an ExtractorError, for which a DownloadError is raised while handling it."""
    inner = ExtractorError("Unable to download webpage", cause=error)
    return behind(DownloadError(f"ERROR: {inner}"), inner)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (JobError(Reason.LIVE, "x"), "live"),
        (UnsupportedError("https://example.com/"), "unsupported"),
        (GeoRestrictedError("x"), "geo"),
        (UserNotLive(), "live"),
        (status(404), "gone"),
        (status(410), "gone"),
        (status(401), "login"),
        (status(429), "rate_limited"),
        (status(451), "geo"),
        (status(500), "site_error"),
        (status(503), "site_error"),
        (TransportError("x"), "network"),
        (IncompleteRead(1, 2), "network"),
        (ProxyError("x"), "network"),
        (TransportError(cause=OSError(errno.ENOSPC, "x")), "disk"),
        (ConnectionResetError(), "network"),
        (TimeoutError(), "network"),
        (ssl.SSLError("x"), "network"),
        (TransportError(cause=ssl.SSLError("x")), "network"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "gone"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "network"),
        (TransportError(cause=socket.gaierror(socket.EAI_NONAME, "x")), "gone"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError(errno.EDQUOT, "x"), "disk"),
        (OSError(errno.EFBIG, "File too large"), "too_large"),
        (FfmpegError(1, "boom"), "tool_crash"),
        (FfmpegError(-9, ""), "tool_crash"),
        (FfmpegError(-signal.SIGXFSZ, ""), "too_large"),
        (FfmpegError(1, "av_interleaved_write_frame(): No space left on device"), "disk"),
        (EgressRefusedError("127.0.0.1", 80, "loopback"), "refused_address"),
        (TransportError(f"[Errno 13] {MARKER}: 127.0.0.1"), "refused_address"),
        (said("Sign in to confirm you\u2019re not a bot. Use --cookies"), "bot_check"),
        (said("Private video. Sign in if you've been granted access"), "private"),
        (said("This video is private"), "private"),
        (said("This account is private"), "private"),
        (said("Sign in to confirm your age"), "login"),
        (said("This video is only available for registered users. Use --cookies"), "login"),
        (said("Join this channel to get access to members-only content"), "login"),
        (said("The uploader has not made this video available in your country"), "geo"),
        (said("This live event will begin in 3 hours"), "live"),
        (said("Video unavailable"), "gone"),
        (said("This video has been removed by the uploader"), "gone"),
        (said("No video formats found!"), "unsupported"),
        (said("This video is DRM protected"), "unsupported"),
        (said("Requested format is not available"), "unsupported"),
        (said("HTTP Error 429: Too Many Requests"), "rate_limited"),
        (said("Incomplete YouTube ID x. URL https://youtu.be/x looks truncated."), "unsupported"),
        (said("Something went wrong. Try again later"), "site_error"),
        (ExtractorError("Unable to extract title"), "site_error"),
        (
            HTTPError(Response(io.BytesIO(b""), "https://example.com/", {}, status=302), redirect_loop=True),
            "unsupported",
        ),
        (DownloadError("ERROR: HTTP Error 302: Found (redirect loop detected)"), "unsupported"),
        (DownloadError("ERROR: Did not get any data blocks"), "unsupported"),
        (RequestError(cause=requests.exceptions.InvalidSchema(f"{ADAPTERS} 'ftp://x/file:y'")), "unsupported"),
        (RequestError(cause=requests.exceptions.InvalidSchema(f"{ADAPTERS} 'data:text/plain,x'")), "unsupported"),
        (RequestError(cause=requests.exceptions.InvalidSchema(f"{ADAPTERS} 'file:///etc/passwd'")), "refused_address"),
        (RequestError("file:// URLs are disabled by default in yt-dlp for security reasons."), "refused_address"),
        (RequestError(cause=requests.exceptions.InvalidURL("Failed to parse: http://[")), "unsupported"),
        (RequestError(cause=http.client.InvalidURL("control characters")), "unsupported"),
        (RequestError(cause=requests.exceptions.ChunkedEncodingError(http.client.IncompleteRead(b""))), "network"),
        (RequestError("SSLV3_ALERT_HANDSHAKE_FAILURE", cause=SSLError("x")), "network"),
        (RequestError("what?"), "site_error"),
        (unhandled("ftp"), "unsupported"),
        (unhandled("file"), "refused_address"),
        (FfmpegError(1, "Error opening input: Invalid data found when processing input"), "unsupported"),
        (FfmpegError(1, "Output file does not contain any stream"), "unsupported"),
        (FfmpegError(-11, "Invalid data found when processing input"), "tool_crash"),
        (RecursionError(), "unsupported"),
        (
            DownloadError("ERROR: [download] Got error: 5 bytes read, 5 more expected. Giving up after 2 retries"),
            "network",
        ),
        (DownloadError("ERROR: [download] Got error: HTTP Error 503: x. Giving up after 2 retries"), "site_error"),
        (ValueError("x"), "internal"),
        (KeyError("private video"), "internal"),
        (MemoryError(), "internal"),
    ],
)
def test_reasons(error: BaseException, reason: str) -> None:
    """Each error has its reason, as it is and as yt-dlp wraps it."""
    assert classify(error, generic=True)[0] == reason
    if reason != "internal":
        assert classify(wrapped(error), generic=True)[0] == reason
    assert reason in set(Reason)


def test_a_403_is_private_only_on_a_plain_link() -> None:
    """A known site's 403 may pass; a plain file's is its owner's will."""
    assert classify(wrapped(status(403)), generic=True)[0] == "private"
    assert classify(wrapped(status(403)), generic=False)[0] == "site_error"


def test_a_refused_address_is_found_behind_anything() -> None:
    """The egress guard's refusal is known however deep it lies."""
    refused = EgressRefusedError("10.0.0.1", 80, "private")
    cause = ValueError("x")
    cause.__cause__ = refused
    for error in (cause, behind(ValueError("x"), refused), behind(KeyError("y"), behind(ValueError("x"), refused))):
        assert classify(error, generic=True)[0] == "refused_address"


def test_what_was_being_handled_counts_last() -> None:
    """An error's own text beats the type of one that was merely being handled when it arose."""
    assert classify(behind(said("Private video"), TimeoutError()), generic=False)[0] == "private"
    assert classify(behind(said("What?"), TimeoutError()), generic=False)[0] == "network"
    assert classify(behind(ValueError("What?"), said("There is nothing here")), generic=False)[0] == "site_error"


def test_a_detail_is_one_short_line() -> None:
    """Nothing a site says can break the log's lines."""
    detail = classify(ValueError("a\nb\x1b[31m\r" + "c" * 1000), generic=True)[1]
    assert detail.isprintable()
    assert detail.startswith("ValueError: a b [31m")
    assert len(detail) == 500
    assert one_line("  a \t b ") == "a b"


def test_a_ring_of_causes_ends() -> None:
    """Errors that name each other as causes are read once."""
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert classify(first, generic=True)[0] == "internal"


def through(error: BaseException, *modules: str) -> BaseException:
    """The error as it comes out of functions of these modules, the outermost first."""

    def fail() -> None:
        raise error

    call: Callable[[], None] = fail
    for module in reversed(modules):
        space: dict[str, Any] = {"__name__": module, "call": call}
        exec("def passed_on(): call()", space)
        call = space["passed_on"]
    try:
        call()
    except type(error) as raised:
        return raised
    raise AssertionError("not raised")


OURS, THEIRS, LIBRARY = "doradura.child.fetching", "yt_dlp.downloader.hls", "Cryptodome.Cipher.AES"
READING = "doradura.child.bounds"
"""Ours, but reads in yt-dlp's stead, by lengths that a site sent."""


@pytest.mark.parametrize(
    "error", [ValueError("key length"), KeyError("METHOD"), AttributeError("x"), UnicodeError("x")]
)
def test_what_yt_dlp_stumbles_over_is_the_sites(error: Exception) -> None:
    """A stumble over any page's or playlist's oddities is no media there; over a known site's, the site's problem."""
    for modules in ((OURS, THEIRS, LIBRARY), (OURS, THEIRS, LIBRARY, READING)):
        raised = through(error, *modules)
        assert classify(raised, generic=True)[0] == "unsupported"
    raised = through(error, OURS, THEIRS, LIBRARY)
    assert classify(raised, generic=True)[0] == "unsupported"
    assert classify(raised, generic=False)[0] == "site_error"


@pytest.mark.parametrize(
    "error",
    [
        through(ValueError("x"), OURS),
        through(ValueError("x"), OURS, THEIRS, OURS),  # a hook of ours, which yt-dlp calls
        through(ValueError("x"), OURS, THEIRS, OURS, LIBRARY),
        through(OSError(errno.EMFILE, "Too many open files"), OURS, THEIRS),
        through(ModuleNotFoundError("yt_dlp.extractor.x"), OURS, THEIRS),
        through(CookieLoadError("failed to load cookies"), OURS, THEIRS),
    ],
    ids=repr,
)
def test_what_is_ours_stays_ours(error: Exception) -> None:
    """Our own code's errors are internal wherever it is called from, and so is what this machine lacks."""
    assert classify(error, generic=True)[0] == "internal"


def test_a_stumble_that_an_extractor_wrapped() -> None:
    """yt-dlp's own wrapping of what its code stumbles over changes nothing."""
    assert classify(wrapped(KeyError("d")), generic=True)[0] == "unsupported"
    assert classify(wrapped(KeyError("d")), generic=False)[0] == "site_error"


def test_a_real_stumble() -> None:
    """A host made of a soft hyphen alone, given to the real yt-dlp."""
    with pytest.raises(UnicodeError) as raised:
        normalize_url("http://\u00ad.invalid/")
    assert classify(raised.value, generic=True)[0] == "unsupported"


def test_too_slow() -> None:
    """The floor's error is the site's slowness, whoever's extractor was at work."""
    for generic in (True, False):
        error = TransferTooSlowError("90 bytes in the last 60 s of waiting for the site")
        assert classify(error, generic=generic) == ("too_slow", f"TransferTooSlowError: {error}")


def test_an_answer_without_end_is_the_links_fault() -> None:
    """Whatever yt-dlp makes of it, an answer past its bound is unsupported, and so is a document made to explode."""
    assert classify(wrapped(EndlessError("a page of more than 1 byte")), generic=True)[0] == "unsupported"
    bomb = ET.ParseError("limit on input amplification factor (from DTD and entities) breached: line 1, column 5")
    bomb.code = 43
    assert classify(wrapped(bomb), generic=False)[0] == "unsupported"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("1", 1.0),
        ("120", 120.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 99999999999 00:00:00 GMT", None),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
def test_how_long_a_site_asks_to_be_left_alone(told: str | None, seconds: float | None) -> None:
    """Retry-After in seconds or as a time; what is neither says nothing."""
    headers = {} if told is None else {"Retry-After": told}
    error = HTTPError(Response(io.BytesIO(), "https://a.example/", headers, 429))
    assert retry_after_seconds(ExtractorError("x", cause=error), 10.0) == seconds


def test_the_host_without_an_address_is_named() -> None:
    """It is the one asked last; other failures name none, and the sites we list are known to be there."""
    missing = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert unresolved_host(missing, "https://no.example/a") == "no.example"
    assert unresolved_host(ConnectionResetError(), "https://no.example/a") == ""
    hosts = ("www.youtube.com", "youtu.be", "wwww.youtube.com", "no.example", "")
    assert [is_known_host(host) for host in hosts] == [True, True, False, False, False]


def gate_error(code: int) -> TransportError:
    """An error of yt-dlp's as it comes of a reply of the gate's."""
    reply = Socks5Error(code)
    return ProxyError(cause=requests.exceptions.ProxyError(urllib3.exceptions.ProxyError(str(reply), reply)))


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a child does before its job."""
    monkeypatch.setattr(Socks5Error, "CODES", Socks5Error.CODES)
    monkeypatch.setattr(sockssocket, "recvall", sockssocket.recvall)
    mark_gate_replies()


REPLIES = {GateReply.REFUSED_ADDRESS: "refused_address", GateReply.NO_SUCH_NAME: "gone", GateReply.TOO_MANY: "internal"}


@pytest.mark.parametrize("code", [code for code in GateReply if code])
@pytest.mark.parametrize("by_text", [True, False])
def test_what_the_gate_says(marked: None, code: GateReply, *, by_text: bool) -> None:
    """By its number, and where a library kept the text alone; no number is taken for one of the system's errors."""
    error: Exception = gate_error(code)
    if by_text:
        error = DownloadError(f"giving up after 2 retries: {error}")
    reason, detail = classify(error, generic=True)
    assert reason == REPLIES.get(code, "network")
    assert "the gate says" in detail
    assert "doradura-gate" not in detail
    refused = code is GateReply.REFUSED_ADDRESS
    assert is_unreachable(error) is (not refused and not by_text)


def test_only_the_gate_speaks_for_the_gate(marked: None) -> None:
    """Whatever a site writes into a page, a header or a title: it does not know the word."""
    for text in ("[Errno 240] unknown error", "Socks5Error(240, 'x')", "doradura-gate-0000 240", "(97) ... (240)"):
        assert classify(said(text), generic=True)[0] == "unsupported"
    assert gate_reply(Exception("doradura-gate-000000000000000000000000 240")) is None
    assert gate_reply(OSError(240, "x")) is None
    assert gate_reply(Socks5Error(99)) is GateReply.FAILED


def test_a_gate_that_hangs_up_is_the_networks_fault(marked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was started anew in this moment: the job asks again."""
    monkeypatch.setattr(sockssocket, "recv", lambda _self, _count: b"")
    half = sockssocket.__new__(sockssocket)
    with pytest.raises(ConnectionResetError) as raised:
        half.recvall(2)
    assert classify(TransportError(cause=raised.value), generic=True)[0] == "network"


def test_what_is_copy_protected_is_told_as_that() -> None:
    """It is no link without a video: sites whose films are all protected say so too."""
    for words in ("This video is DRM protected", "The requested site is known to use DRM protection"):
        error = said(words)
        reason, detail = classify(error, generic=False)
        assert (reason, failed(error, reason, detail).lacks) == ("unsupported", "unlocked")
    assert failed(said("No video formats found!"), Reason.UNSUPPORTED, "").lacks == ""

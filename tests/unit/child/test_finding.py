"""The content of findings: which one serves, and which address has expired."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yt_dlp
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.socks import Socks5Error
from yt_dlp.utils import DownloadError, ReExtractInfo
from yt_dlp.version import __version__ as yt_dlp_version

from doradura.child.failures import JobError, NoMediaError
from doradura.child.finding import is_expired, is_outdated, keep, take
from doradura.media.gatecontrol import GateReply
from doradura.media.protocol import FINDING_BYTES
from doradura.media.reasons import Reason

URL = "https://a.example/watch?v=1"
ITEM = {
    "id": "1",
    "title": "Film",
    "extractor_key": "Films",
    "webpage_url": URL,
    "formats": [{"format_id": "1", "url": "https://cdn.example/1.mp4"}],
}
NOW = 1_800_000_000


class _Answer:
    """As much of yt-dlp's answer as its HTTPError reads."""

    def __init__(self, status: int) -> None:
        self.status, self.reason = status, ""

    def close(self) -> None:
        """Nothing is open."""


def http_error(status: int) -> HTTPError:
    """Return yt-dlp's error for an answer's status."""
    return HTTPError(_Answer(status))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a finding lies."""
    return tmp_path / "finding.json"


def kept(path: Path, item: dict[str, Any]) -> None:
    """Keep an item."""
    with yt_dlp.YoutubeDL({"quiet": True, "cachedir": False}, auto_init=False) as extractor:
        keep(extractor, item, URL, path)


def test_what_was_kept_is_taken_once(path: Path) -> None:
    """The item comes back with the headers that its address needs; nobody else may read the file, and it is used up."""
    kept(path, ITEM)
    assert path.stat().st_mode & 0o777 == 0o600
    item = take(path, URL)
    assert item is not None
    assert (item["title"], item["_type"]) == ("Film", "video")
    assert item["formats"][0]["url"] == "https://cdn.example/1.mp4"
    assert "User-Agent" in item["formats"][0]["http_headers"]
    assert "http_headers" not in ITEM["formats"][0]
    assert not path.exists()
    assert take(path, URL) is None


def test_cookies_come_with_the_address_that_needs_them(path: Path) -> None:
    """yt-dlp scopes them to their domain; a cookie of another site is not in the file."""
    with yt_dlp.YoutubeDL({"quiet": True, "cachedir": False}, auto_init=False) as extractor:
        extractor._load_cookies("mine=1; Domain=cdn.example; Path=/", autoscope=False)
        extractor._load_cookies("other=2; Domain=b.example; Path=/", autoscope=False)
        keep(extractor, ITEM, URL, path)
    item = take(path, URL)
    assert item is not None
    assert item["formats"][0]["cookies"].startswith("mine=1; Domain=cdn.example")
    assert "other" not in json.dumps(item)


def test_what_cant_be_written_as_json_is_described(path: Path) -> None:
    """A stream's generator becomes a text, for which yt-dlp looks anew; see `is_outdated`."""
    kept(path, {**ITEM, "formats": [{"url": "https://cdn.example/", "fragments": iter([])}]})
    item = take(path, URL)
    assert item is not None
    assert isinstance(item["formats"][0]["fragments"], str)


class _Nested(dict[str, Any]):
    """An item that can't be walked through."""

    def items(self) -> Any:
        raise RecursionError


@pytest.mark.parametrize(
    "item", [{**ITEM, "description": "x" * FINDING_BYTES}, {**ITEM, "nested": _Nested()}, {**ITEM, "formats": [7]}]
)
def test_what_is_too_large_or_odd_is_not_kept(path: Path, item: dict[str, Any]) -> None:
    """There is then no file, and no error."""
    kept(path, item)
    assert not path.exists()


def test_where_something_lies_already_nothing_is_kept(path: Path, tmp_path: Path) -> None:
    """A link in its place is not followed."""
    path.symlink_to(tmp_path / "other")
    kept(path, ITEM)
    assert not (tmp_path / "other").exists()


def content(**changed: Any) -> bytes:
    """Return a finding's content, changed: a key of the item in it, else of itself."""
    item = {"_type": "video", "_version": {"version": yt_dlp_version}, **ITEM}
    whole = {"url": URL, "item": item}
    return json.dumps(
        {**whole, **changed} if not changed.keys() <= item.keys() else {**whole, "item": item | changed}
    ).encode()


@pytest.mark.parametrize(
    "written",
    [
        b"",
        content()[:-7],
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"url": ' + b"9" * 10_000 + b"}",
        b" " * FINDING_BYTES + content(),
        b"[]",
        content(item=None),
        content(url="https://a.example/watch?v=2"),
        content(_type="url"),
        content(_type="playlist"),
        content(_version={"version": "2001.01.01"}),
        content(_version="2001.01.01"),
    ],
    ids=[
        "empty",
        "cut off",
        "bytes",
        "nested",
        "number",
        "long",
        "list",
        "none",
        "other link",
        "url",
        "list of items",
        "version",
        "odd",
    ],
)
def test_what_does_not_serve_is_not_taken(path: Path, written: bytes) -> None:
    """A file that was cut off, is foreign, hostile, or of another yt-dlp means a fresh look."""
    path.write_bytes(written)
    assert take(path, URL) is None


def test_a_whole_file_serves(path: Path) -> None:
    """The content that the cases above damage is taken."""
    path.write_bytes(content())
    item = take(path, URL)
    assert item is not None
    assert item["id"] == "1"


def test_further_addresses_are_left_out(path: Path) -> None:
    """yt-dlp would look at them, and they are only for lists."""
    item = {
        "_type": "video",
        "_version": {"version": yt_dlp_version},
        **ITEM,
        "additional_urls": ["https://b.example/"],
    }
    path.write_bytes(json.dumps({"url": URL, "item": item}).encode())
    taken = take(path, URL)
    assert taken is not None
    assert "additional_urls" not in taken


@pytest.mark.parametrize(
    ("url", "expired"),
    [
        ("https://cdn.example/1.mp4", False),
        (f"https://r1.googlevideo.example/videoplayback?expire={NOW + 3600}&ei=1", False),
        (f"https://r1.googlevideo.example/videoplayback?expire={NOW + 30}&ei=1", True),
        (f"https://manifest.example/hls/expire/{NOW - 5}/ei/1/file.m3u8", True),
        (f"https://v16.tiktok.example/video/?a=1&x-expires={NOW - 5}&x-signature=1", True),
        (f"https://s3.example/1.mp4?Signature=1&Expires={NOW - 5}", True),
        (f"https://akamai.example/1.mp4?hdnea=st=1~exp={NOW - 5}~acl=/*", True),
        (f"https://cdn.example/1.mp4?oe={NOW - 5:X}", True),
        (f"https://cdn.example/1.mp4?oe={NOW + 3600:x}&oh=1", False),
        (f"https://cdn.example/1.mp4?index={NOW - 5}&nonexp={NOW - 5}&expires=17", False),
        (f"https://cdn.example/1.mp4?expires={NOW - 5}000", False),
    ],
)
def test_an_address_says_when_it_expires(url: str, *, expired: bool) -> None:
    """Common spellings are read; what is no time in seconds is not one."""
    assert is_expired([{"url": "https://cdn.example/"}, {"url": url}], NOW) is expired


def behind(cause: BaseException) -> DownloadError:
    """Return yt-dlp's error for a cause."""
    error = DownloadError("unable to download")
    error.__context__ = cause
    return error


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refused_address_is_outdated(status: int) -> None:
    """It may be good again after a fresh look."""
    assert is_outdated(behind(http_error(status)))


@pytest.mark.parametrize(("status", "outdated"), [(403, True), (410, True), (429, False), (500, False)])
def test_a_refused_segment_is_outdated(status: int, *, outdated: bool) -> None:
    """yt-dlp has its status in the text alone."""
    assert is_outdated(DownloadError(f"fragment 3: HTTP Error {status}: No")) is outdated


@pytest.mark.parametrize(
    "error",
    [
        NoMediaError(),
        ReExtractInfo("again"),
        behind(socket.gaierror(-2, "no name")),
        behind(Socks5Error(GateReply.NO_SUCH_NAME)),
    ],
)
def test_other_signs_of_an_outdated_address(error: Exception) -> None:
    """A page in the file's place, yt-dlp's own word, a host that is gone."""
    assert is_outdated(error)


@pytest.mark.parametrize(
    "error",
    [behind(http_error(429)), behind(http_error(503)), behind(ConnectionResetError()), JobError(Reason.TOO_LARGE, "")],
)
def test_what_a_fresh_look_would_not_help(error: Exception) -> None:
    """A busy site, a torn connection and a film that is too large have answers of their own."""
    assert not is_outdated(error)

"""A cookies file is refused by the settings exactly where yt-dlp would not read it, or would read nothing of it."""

from __future__ import annotations

import http.cookiejar
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp.cookies import YoutubeDLCookieJar

from doradura.settings.cookies import cookies_fault
from doradura.settings.values import cookies_file

HEADER = "# Netscape HTTP Cookie File\n"
COOKIE = ".example.com\tTRUE\t/\tTRUE\t0\tsession\tvalue\n"


def loaded(text: str, path: Path) -> int | None:
    """How many cookies yt-dlp's own loader reads of a file with this text; None where it refuses the file."""
    path.write_text(text, encoding="utf-8")
    jar = YoutubeDLCookieJar(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # http.cookiejar's own, of a line it can't read
            jar.load()
    except http.cookiejar.LoadError:
        return None
    return len(jar)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (HEADER, None),
        (HEADER + COOKIE, None),
        (HEADER.replace("\n", "\r\n") + COOKIE.replace("\n", "\r\n"), None),
        ("# HTTP Cookie File\n\n# by hand\n" + COOKIE, None),
        (HEADER + "#HttpOnly_" + COOKIE, None),
        (HEADER + "no cookie\n" + COOKIE, None),
        ("left out, so the next is the first\n" + HEADER + COOKIE, None),
        (HEADER + "example.com\tFALSE\t/\tFALSE\t\tsession\tvalue\n", None),
        ("", "is empty"),
        (" \n\n", "is empty"),
        ('[{"domain": ".example.com", "name": "session"}]\n', "is JSON"),
        (HEADER + COOKIE + '  {"name": "x"}\n', "is JSON"),
        (COOKIE, "does not begin with"),
        ("\n" + HEADER + COOKIE, "does not begin with"),
        ("\ufeff" + HEADER + COOKIE, "does not begin with"),
        ("Cookie: session=value\n", "does not begin with"),
        (HEADER + "example.com\tTRUE\t/\tFALSE\t0\tsession\tvalue\n", "second field"),
        (HEADER + COOKIE.replace("TRUE", "true"), "second field"),
    ],
)
def test_what_is_refused_is_what_yt_dlp_would_not_read(text: str, fault: str | None, tmp_path: Path) -> None:
    """Each file is judged as yt-dlp's loader judges it, and a fault says which."""
    path = tmp_path / "cookies.txt"
    found = loaded(text, path)
    if fault is None:
        assert found is not None
        assert cookies_file(str(path)) == path
    else:
        assert found is None
        with pytest.raises(ValueError, match=rf"{fault}.*; give the path of a cookies.txt in Netscape format"):
            cookies_file(str(path))


@pytest.mark.parametrize("cookie", [COOKIE.replace("\t", "    "), COOKIE.replace("\t0\t", "\tnever\t"), "x\n"])
def test_cookies_that_would_all_be_left_out_are_a_fault(cookie: str, tmp_path: Path) -> None:
    """yt-dlp would go on without them and only warn where nobody looks; tabs become spaces where a text is pasted."""
    path = tmp_path / "cookies.txt"
    assert loaded(HEADER + cookie, path) == 0
    with pytest.raises(ValueError, match="has no line that is a cookie: 7 fields"):
        cookies_file(str(path))


LINES = st.sampled_from(
    [
        *(HEADER, COOKIE, "\n", "# x\n", "$ x\n", "x\n", "{}\n", "#HttpOnly_x\n", "#HttpOnly_" + COOKIE, "  # x\n"),
        *(COOKIE.replace("TRUE", "FALSE"), COOKIE.replace("\t0\t", "\tx\t"), "$" + COOKIE, " " + COOKIE, "\t\n"),
    ]
)


@given(lines=st.lists(LINES, max_size=4))
def test_any_file_is_judged_as_yt_dlp_does(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """What passes is read; what yt-dlp refuses does not pass; what it reads nothing of passes only without a line."""
    text = "".join(lines)
    found = loaded(text, tmp_path_factory.getbasetemp() / "cookies.txt")
    fault = cookies_fault(text)
    assert (found is None) == (fault is not None and not fault.startswith("has no line"))
    if fault is not None and fault.startswith("has no line"):
        assert found == 0


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    """One that is not there, a directory, one without leave to read, one that is no text: a sentence each."""
    binary = tmp_path / "cookies.sqlite"
    binary.write_bytes(b"SQLite format 3\x00\xff\xfe")
    for path, words in (
        (tmp_path / "gone.txt", "can't be read (No such file or directory)"),
        (tmp_path, "is not a file"),
        (Path("/dev/zero"), "is not a file"),
        (tmp_path / "cookies.sqlite" / "x", "can't be read (Not a directory)"),
        (binary, "is not text in UTF-8"),
    ):
        with pytest.raises(ValueError, match=r"; give the path of a cookies\.txt in Netscape format") as refused:
            cookies_file(str(path))
        assert str(refused.value).startswith(words)

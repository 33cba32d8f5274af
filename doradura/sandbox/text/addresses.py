"""Finds web and e-mail addresses in a text, as TDLib does: match_urls, fix_url, match_tg_urls, is_email_address.

Pure. Each character is examined a few times at most, so the time grows only with the text's length, whatever the text.
Without a scheme an address counts only with a known top level domain: those of tlds.txt, IANA's list of October 2026
and two more (TDLib has a list of its own, which also contains some that no longer exist).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

CharSpan = tuple[int, int]
"""Start and end, in characters."""

_TOP_LEVEL = frozenset(files("doradura.sandbox.text").joinpath("tlds.txt").read_text(encoding="utf-8").split())

# Every character except Unicode's separators and general punctuation, but including that block's joiners and dashes.
_WIDE = "\u00c0-\u167f\u1681-\u1fff\u200c\u200d\u2010-\u2015\u2070-\u2fff\u3001-\U0010ffff"
_NOT_IN_PATH = '\n <>"\u00a0\u00ab\u00bb\u1680\u2000-\u200b\u200e\u200f\u2016-\u206f\u3000'
_HOST = re.compile(rf"[.A-Za-z0-9_\-~{_WIDE}]*")
_HOST_AND_USER = re.compile(rf"[@.A-Za-z0-9_\-~{_WIDE}]*")
_USER = re.compile(rf"[^@/\[\]{{}}()'`{_NOT_IN_PATH}]*")
_PORT = re.compile(r":0*([1-9][0-9]{0,4})(?![0-9])")
_PATH = re.compile(rf"[/?#][^{_NOT_IN_PATH}]*")
_SCHEME = re.compile(
    "[A-Za-z0-9+\\-\x80-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e"
    "\u2060-\u2fff\u3001-\U0010ffff]*"
)
_SCHEMES = (("http", ("shttp",)), ("https", ()), ("ftp", ("tftp", "sftp")), ("tonsite", ()))
"""What a scheme may end in, and which schemes with that ending are different ones."""
_WITH_SCHEME = re.compile(r"(?:https?|ftp|tonsite)://", re.IGNORECASE)
_OWN = re.compile(r"(?:tg|ton|tonsite)://[A-Za-z0-9_-]{1,253}", re.IGNORECASE)
_SENTENCE_END = ".:;,('?!`"
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_EMAIL = re.compile(
    r"(?:[a-z0-9_-]{0,26}[.+]){0,10}[a-z0-9_-]{1,35}@(?:(?:[a-z0-9][a-z0-9_-]{0,28})?[a-z0-9]\.){1,6}[a-z]{2,8}",
    re.IGNORECASE | re.ASCII,
)
_BYTE = re.compile(r"(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])")
_PUNYCODE = re.compile(r"xn--[A-Za-z0-9]{2,}")
_LABEL_BYTES = 64
_FAKE_HOST = "teiegram.org"


def own_links(text: str) -> Iterator[CharSpan]:
    """Yield Telegram's own links: tg://, ton:// and tonsite://."""
    at = 0
    while found := _OWN.search(text, at):
        at = _after_path(text, found.end())
        yield found.start(), at


def addresses(text: str) -> Iterator[tuple[CharSpan, str]]:
    """Yield each address and its kind, "url" or "email"."""
    for begin, end in _candidates(text):
        whole = text[begin:end]
        mailto = len("mailto:") if whole.startswith("mailto:") else 0
        if _EMAIL.fullmatch(whole, mailto):
            yield (begin + mailto, end), "email"
        elif size := _address_size(whole):
            yield (begin, begin + size), "url"


def _candidates(text: str) -> Iterator[CharSpan]:
    """Yield everything that has a dot and looks like an address."""
    backward = text[::-1]
    begin = 0
    while (dot := text.find(".", begin)) >= 0 and dot + 1 < len(text):
        if text[dot + 1] == " ":
            begin = dot + 2
            continue
        place, whole, begin = _around(text, backward, begin, dot)
        if whole:
            yield place


def _around(text: str, backward: str, begin: int, dot: int) -> tuple[CharSpan, bool, int]:
    """Return the span of the candidate around a dot, whether it is one, and where to continue."""
    first = _run_before(_HOST, backward, dot, begin)
    end = _run_after(_HOST_AND_USER, text, dot)
    with_user = text.find("@", dot, end) >= 0
    if with_user:
        first = _run_before(_USER, backward, first, begin)
    if port := _PORT.match(text, end):
        end = port.end() if int(port[1]) <= 0xFFFF else end
    end = _after_path(text, end)
    while end > dot + 1 and text[end - 1] == ".":
        end -= 1
    good = True
    if first > begin and text[first - 1] == "@":
        user = _run_before(_USER, backward, first - 1, begin)
        good = not with_user and user < first - 1
        first = user
    if first > begin:
        scheme_begin = _before_scheme(text, backward, first, begin)
        good = good and scheme_begin is not None
        first = first if scheme_begin is None else scheme_begin
    if not good:
        return (first, end), False, max(text.rfind(".", dot, end), dot) + 1
    next_begin = end
    while next_begin < len(text) and text[next_begin] == ".":
        next_begin += 1
    return (first, end), end > dot + 1, max(next_begin, dot + 1)


def _before_scheme(text: str, backward: str, first: int, begin: int) -> int | None:
    """Return where an address with its scheme and user begins; nothing if that rules out an address."""
    if first - begin >= len("ftp://") and text.startswith("://", first - 3):
        scheme = text[_run_before(_SCHEME, backward, first - 3, begin) : first - 3].lower()
        for known, others in _SCHEMES:
            if scheme.endswith(known) and scheme not in others:
                return first - 3 - len(known)
        return None
    before = text[first - 1]
    return None if before.isalnum() or before in "_/#@" else first


def _run_before(pattern: re.Pattern[str], backward: str, end: int, begin: int) -> int:
    """Return where the run of a pattern's characters before `end` begins."""
    size = len(backward)
    found = pattern.match(backward, size - end, size - begin)
    return end - (found.end() - found.start()) if found else end


def _run_after(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.match(text, begin)
    return found.end() if found else begin


def _after_path(text: str, begin: int) -> int:
    """Return where the path, query or fragment at `begin` ends, without what ends a sentence."""
    found = _PATH.match(text, begin)
    if found is None:
        return begin
    size = 1 + len(found[0][1:].rstrip(_SENTENCE_END))
    return begin + size if size > 1 or found[0][0] == "/" else begin


def _address_size(whole: str) -> int:
    """Return how much of a candidate is an address; 0 for none."""
    scheme = _WITH_SCHEME.match(whole)
    begin = scheme.end() if scheme else 0
    path = next((at for at in range(begin, len(whole)) if whole[at] in "/?#"), len(whole))
    host = whole[begin:path].partition("@")
    name = host[2] if host[1] else host[0]
    name = name.rpartition(":")[0] if ":" in name else name
    if name.lower() == _FAKE_HOST or not _is_host(name, with_scheme=scheme is not None):
        return 0
    return path + len(_balanced(whole[path:]).rstrip(_SENTENCE_END))


def _balanced(path: str) -> str:
    """Return a path up to a bracket that it did not open."""
    opened = dict.fromkeys(_BRACKETS.values(), 0)
    for at, character in enumerate(path):
        if character in opened:
            opened[character] += 1
        elif character in _BRACKETS:
            opened[_BRACKETS[character]] -= 1
            if opened[_BRACKETS[character]] < 0:
                return path[:at]
    return path


def _is_host(name: str, *, with_scheme: bool) -> bool:
    labels = name.split(".")
    if len(labels) == 1 or any(not 0 < len(each.encode()) < _LABEL_BYTES or each[-1] == "-" for each in labels):
        return False
    if len(labels) == 4 and all(_BYTE.fullmatch(each) for each in labels):
        return True
    if re.fullmatch(r"[0-9.]*", name):
        return False
    top = labels[-1]
    if top.startswith("xn--"):
        return _PUNYCODE.fullmatch(top) is not None and "_" not in labels[-2]
    known = with_scheme or _is_top_level(top)
    return len(top) > 1 and not set("_-") & set(top) and known and "_" not in labels[-2]


def _is_top_level(name: str) -> bool:
    """Return whether a name is a top level domain; a single capital in front means that a sentence begins there."""
    lower = name.lower()
    return lower in _TOP_LEVEL and (lower == name or lower[1:] != name[1:])

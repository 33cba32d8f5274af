"""Checks whether yt-dlp could use a cookies.txt, which must be in Netscape format.

It only checks: yt-dlp itself reads the cookies, in a child. A test compares the two.
"""

from __future__ import annotations

import re

_HEADER = "# Netscape HTTP Cookie File"
_MAGIC = re.compile(r"#( Netscape)? HTTP Cookie File")
_HTTP_ONLY = "#HttpOnly_"
_FIELDS = 7
_EXPIRES = re.compile(r"([0-9]+(\.[0-9]+)?)?")


def cookies_fault(text: str) -> str | None:
    """Return why yt-dlp can't use a cookies file with this text, as the rest of a sentence; None if it can.

    A file with nothing but the header is accepted, as yt-dlp accepts it. yt-dlp skips lines that are not cookies; if it
    would skip all of them, that counts as a fault here, because nobody would notice that no cookies are used.
    """
    if not text.strip():
        return "is empty"
    kept, left_out = [], 0
    for written in text.split("\n"):
        line = written.removeprefix(_HTTP_ONLY)
        if line.startswith("#") or not line.strip() or _is_cookie(line):
            kept.append(line)
        elif line.lstrip()[0] in '[{"':
            return "is JSON"
        else:
            left_out += 1
    if not kept or not _MAGIC.match(kept[0]):
        return f"does not begin with the line {_HEADER!r}"
    cookies = [line.split("\t") for line in kept[1:] if line.strip() and not line.strip().startswith(("#", "$"))]
    if any((of_subdomains == "TRUE") != domain.startswith(".") for domain, of_subdomains, *_ in cookies):
        return "has a cookie whose second field is not TRUE for a domain with a dot before it, FALSE for one without"
    if left_out and not cookies:
        return f"has no line that is a cookie: {_FIELDS} fields with a tab between, the fifth a number or empty"
    return None


def _is_cookie(line: str) -> bool:
    fields = line.split("\t")
    return len(fields) == _FIELDS and _EXPIRES.fullmatch(fields[4]) is not None

"""What of an alert's expression is worth a picture. Pure.

An alert's expression has values only while it is true: `errors > 0.1 and total > 10` is empty all the time before. Its
picture shows what is compared, `errors`, with a line at 0.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

_PARTS = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|(?P<open>[(\[{])|(?P<close>[)\]}])"""
    r"""|(?P<set>\b(?:and|or|unless)\b)|(?P<compare>[<>]=?|[=!]=)""",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\s*(?:bool\s+)?(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*$", re.IGNORECASE)


class Measured(NamedTuple):
    """A query, and the level at which the alert fires where the expression has one."""

    query: str
    threshold: float | None = None


def expression_of(generator: str) -> str | None:
    """Return the expression in a generatorURL of Prometheus's; None where there is none."""
    try:
        found = parse_qs(urlsplit(generator).query).get("g0.expr", [])
    except ValueError:
        return None
    return found[0].strip() or None if found else None


def measured(expression: str) -> Measured:
    """Say what to draw for an alert's expression: what stands before its first condition, else all of it."""
    text = _without_comments(expression)
    sets = [(text[at:end].lower(), at) for kind, at, end in _top_level(text) if kind == "set"]
    if any(word == "or" for word, _ in sets):
        return Measured(text)
    first = text[: sets[0][1]] if sets else text
    comparisons = [(at, end) for kind, at, end in _top_level(first) if kind == "compare"]
    if len(comparisons) != 1:
        return Measured(first.strip() or text)
    at, end = comparisons[0]
    number = _NUMBER.match(first[end:])
    if number is None or not first[:at].strip():
        return Measured(first.strip())
    return Measured(first[:at].strip(), float(number[1]))


def _top_level(text: str) -> Iterator[tuple[str, int, int]]:
    """Return the set operators and comparisons that stand in no bracket."""
    depth = 0
    for part in _PARTS.finditer(text):
        if part.lastgroup == "open":
            depth += 1
        elif part.lastgroup == "close":
            depth -= 1
        elif depth == 0 and part.lastgroup in {"set", "compare"}:
            yield part.lastgroup, part.start(), part.end()


def _without_comments(text: str) -> str:
    return _PARTS.sub(lambda part: "" if part.lastgroup == "comment" else part[0], text).strip()

"""Decides which part of an alert's expression its graph shows. No I/O.

An alert's expression has values only while it is true: `errors > 0.1 and total > 10` is empty before that. The graph
shows what is compared, `errors`, with a line at 0.1.
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
    """A query, and the level at which the alert fires if the expression contains one."""

    query: str
    threshold: float | None = None


def expression_of(generator: str) -> str | None:
    """Return the expression in Prometheus's generatorURL; None if it contains none."""
    try:
        found = parse_qs(urlsplit(generator).query).get("g0.expr", [])
    except ValueError:
        return None
    return found[0].strip() or None if found else None


def measured(expression: str) -> Measured:
    """Return what to draw for an alert's expression: the part before its first condition, otherwise all of it."""
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
    """Yield kind, start and end of each set operator and comparison outside all brackets."""
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

"""Reads what a PromQL expression names: metrics, their matchers, and the labels it groups by. Not a parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\#[^\n]*""")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w.\"])([a-zA-Z_:][\w:]*)\b(?!\s*\()\s*(\{[^}]*\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_WORDS = frozenset(
    {"and", "or", "unless", "offset", "bool", "by", "on", "without", "ignoring", "start", "end", "NaN", "Inf"}
)


@dataclass(frozen=True)
class Selector:
    """A metric as an expression asks for it."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""

    def values(self, label: str) -> frozenset[str]:
        """The values a matcher names, the alternatives of a pattern one by one."""
        return frozenset(
            value for name, operator, text in self.matchers if name == label for value in _named(operator, text)
        )


def _named(operator: str, text: str) -> list[str]:
    return text.split("|") if "~" in operator else [text]


def without_comments(expression: str) -> str:
    """Drop what follows a #, where that is not in a string."""
    return _COMMENT.sub(lambda found: found[1] or "", expression)


def selectors(expression: str) -> Iterator[Selector]:
    """Every metric that is asked for, with its matchers."""
    for found in _SELECTOR.finditer(_GROUPING.sub(" ", without_comments(expression))):
        if found[1] not in _WORDS:
            yield Selector(found[1], tuple(_MATCHER.findall(found[2] or "")))


def grouping_labels(expression: str) -> frozenset[str]:
    """The labels in by (...), on (...) and their like."""
    groups = _GROUPING.findall(without_comments(expression))
    return frozenset(label.strip() for group in groups for label in group.split(",") if label.strip())

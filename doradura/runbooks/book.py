"""The runbooks' page, divided into its sections: one for each alert, named by its heading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType

from doradura.runbooks.markdown import Block, parse_blocks

TRY = "**For a try**"
"""Begins the part of a section that says how to cause the alert on one's own machine."""


@dataclass(frozen=True, slots=True)
class Runbook:
    """What to do about one alert."""

    name: str
    """The alert's name, as written."""
    blocks: tuple[Block, ...]

    def in_earnest(self) -> tuple[Block, ...]:
        """Return the part for whoever has the alert: without how to cause it for a try."""
        return tuple(takewhile(lambda block: not block.text.startswith(TRY), self.blocks))


@dataclass(frozen=True, slots=True)
class Book:
    """All runbooks: the introduction, and each by its alert's name, in any case."""

    title: str
    introduction: tuple[Block, ...]
    runbooks: tuple[Runbook, ...]
    _by_name: Mapping[str, Runbook]

    def find(self, name: str) -> Runbook | None:
        """Return the runbook of an alert, None if there is none."""
        return self._by_name.get(name.casefold())


def parse_book(text: str) -> Book:
    """Parse the page: its heading of level 1 is the title; each of level 2 begins the runbook of the alert it names."""
    title, introduction, sections = "", list[Block](), list[tuple[str, list[Block]]]()
    for block in parse_blocks(text):
        if block.kind == "heading" and block.level == 1:
            title = block.text
        elif block.kind == "heading" and block.level == 2:
            sections.append((block.text, []))
        elif sections:
            sections[-1][1].append(block)
        else:
            introduction.append(block)
    runbooks = tuple(Runbook(name, tuple(blocks)) for name, blocks in sections)
    by_name = MappingProxyType({runbook.name.casefold(): runbook for runbook in runbooks})
    return Book(title, tuple(introduction), runbooks, by_name)

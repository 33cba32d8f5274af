"""Reads docs/runbooks.md: its sections, its queries and its commands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.integration.rules.promtool import ROOT

TEXT = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [body for found, body in FENCE.findall(text) if found == language]


def sections() -> Mapping[str, str]:
    """Heading -> what stands under it; the introduction under an empty one."""
    parts = re.split(r"^## (.+)\n", TEXT, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[0::2], strict=True))


def words() -> str:
    """The shell words that every command may use."""
    return blocks(sections()[""], "console")[0]


def cause(alert: str) -> str:
    """The commands that cause an alert."""
    return blocks(sections()[alert].partition("**For a try**")[2], "console")[0]


def queries() -> list[str]:
    """Every query, a line each."""
    return [line for block in blocks(TEXT, "promql") for line in block.splitlines() if line]

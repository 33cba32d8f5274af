"""The example configurations under stack/examples, ready to run: only addresses and intervals are replaced."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.program import ROOT, Program

EXAMPLES = ROOT / "stack" / "examples"
RULES = ROOT / "stack" / "prometheus" / "rules"

INTERVALS = {
    "scrape_interval: 15s": "scrape_interval: 1s",
    "scrape_timeout: 10s": "scrape_timeout: 1s",
    "evaluation_interval: 15s": "evaluation_interval: 1s",
}
"""So that a test takes seconds. Ranges and all else stay as they ship."""


def example(name: str, where: Path, addresses: Mapping[str, str]) -> Path:
    """Copy an example beside the rules; give where it lies. Fails when something to replace isn't there."""
    target = where / "examples" / name
    shutil.copytree(EXAMPLES / name, target)
    shutil.copytree(RULES, where / "prometheus" / "rules")
    for path in (where / "prometheus" / "rules").glob("*.yml"):
        path.write_text(path.read_text(encoding="utf-8").replace("interval: 15s", "interval: 1s"), encoding="utf-8")
    table = {**addresses, **INTERVALS}
    used = set()
    for path in target.rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        for written, real in table.items():
            if written in text:
                used.add(written)
                text = text.replace(written, real)
        path.write_text(text, encoding="utf-8")
    assert used == set(table)
    return target


def place(bot: Program) -> str:
    """A bot's address."""
    return bot.http_url.removeprefix("http://")

"""The stack stands beside the bot: it knows the settings, the directory's lock and which links are public."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
KNOWN = {"doradura.settings", "doradura.data_directory", "doradura.reachable"}


def test_the_stack_knows_the_settings_alone() -> None:
    """No module of stack/ imports another part of the bot, and no module of the bot imports the stack."""
    of_stack = {module for path in (ROOT / "stack").glob("*.py") for module in imported(path)}
    assert {module for module in of_stack if module.split(".")[0] == "doradura"} == KNOWN
    of_bot = {module for path in (ROOT / "doradura").rglob("*.py") for module in imported(path)}
    assert not {module for module in of_bot if module.split(".")[0] == "stack"}


def imported(path: Path) -> Iterator[str]:
    """Return the modules a file imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module

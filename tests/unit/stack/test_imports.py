"""The stack stands beside the bot: it knows its settings and the lock of a directory, and nothing else of it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
KNOWN = {"doradura.settings", "doradura.data_directory"}


def test_the_stack_knows_the_settings_alone() -> None:
    """No module of stack/ imports another part of the bot, and no module of the bot imports the stack."""
    imported = {
        (path.relative_to(ROOT).parts[0], node.module)
        for part in ("stack", "doradura")
        for path in (ROOT / part).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    ours = {module for part, module in imported if part == "stack" and module.split(".")[0] == "doradura"}
    assert ours == KNOWN
    assert not {module for part, module in imported if part == "doradura" and module.split(".")[0] == "stack"}

"""The web chat's files hang together: what they name is there, and what is there is named."""

from __future__ import annotations

import re

from doradura.sandbox.pages import PAGE_DIRECTORY

FILES = {path.name: path.read_text() for path in PAGE_DIRECTORY.iterdir()}
MODULES = {name for name in FILES if name.endswith(".js")}


def named(text: str) -> set[str]:
    """The page's own files that a text names."""
    return set(re.findall(r"[\"'(]/page/([\w.-]+)", text))


def test_what_is_named_is_there() -> None:
    """No import, style, script or icon is missing."""
    assert {name for text in FILES.values() for name in named(text)} <= set(FILES)


def test_every_module_is_loaded_early_and_used() -> None:
    """The page names each module once in its head, and each is the start or imported by another."""
    preloaded = re.findall(r'rel="modulepreload" href="/page/([\w.-]+)"', FILES["index.html"])
    assert sorted(preloaded) == sorted(MODULES - {"app.js"})
    imported = {name: named(text) for name, text in FILES.items() if name in MODULES}
    assert {name for name in MODULES if not any(name in names for names in imported.values())} == {"app.js"}

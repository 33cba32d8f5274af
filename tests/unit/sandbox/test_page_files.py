"""The web chat's files hang together: what they name is there, and what is there is named."""

from __future__ import annotations

import re

from doradura.sandbox.pages import PAGE_DIRECTORY

FILES = {
    path.relative_to(PAGE_DIRECTORY).as_posix(): path.read_text()
    for path in PAGE_DIRECTORY.rglob("*")
    if path.is_file()
}
MODULES = {name for name in FILES if name.endswith(".js")}
MAY_IMPORT = {
    "elements": set(),
    "state": {"elements"},
    "chat": {"elements", "state"},
    "calls": {"elements", "state"},
    "panes": {"elements", "state", "chat"},
}
"""Which of the page's folders may import which. What lies in none (app.js) may import everything."""


def named(text: str) -> set[str]:
    """The page's own files that a text names."""
    return set(re.findall(r"[\"'(]/page/([\w./-]+)", text))


def test_what_is_named_is_there() -> None:
    """No import, style, script or icon is missing."""
    assert {name for text in FILES.values() for name in named(text)} <= set(FILES)


def test_every_module_is_loaded_early_and_used() -> None:
    """The page names each module once in its head, and each is the start or imported by another."""
    preloaded = re.findall(r'rel="modulepreload" href="/page/([\w./-]+)"', FILES["index.html"])
    assert sorted(preloaded) == sorted(MODULES - {"app.js"})
    imported = {name: named(text) for name, text in FILES.items() if name in MODULES}
    assert {name for name in MODULES if not any(name in names for names in imported.values())} == {"app.js"}


def test_the_page_s_folders_import_downwards() -> None:
    """What draws an element knows no chat, what is known of the server draws nothing, a chat knows no pane."""
    wrong = [
        f"{name} imports {target}"
        for name in sorted(MODULES)
        for target in sorted(named(FILES[name]) & MODULES)
        if (folder := name.partition("/")[0]) in MAY_IMPORT
        and target.partition("/")[0] not in {folder, *MAY_IMPORT[folder]}
    ]
    assert wrong == []

"""The runbooks as pages: one for each alert, and their list with the terms that all commands use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from doradura.runbooks import BOOK, Runbook
from doradura.runbooks.markdown import Block, inline_html, runs
from doradura.web.page import document

PATH = "/runbooks/"


def runbook_page(runbook: Runbook) -> str:
    """Return the page of one runbook."""
    return document(
        runbook.name,
        f"<h1>{escape(runbook.name)}</h1>{_blocks(runbook.blocks)}"
        f'<p><a href="{PATH}">All runbooks</a>, and the terms that the commands use.</p>',
    )


def index_page() -> str:
    """Return the list of all runbooks."""
    return document(
        BOOK.title, f"<h1>{escape(BOOK.title)}</h1>{_names()}<h2>How to use them</h2>{_blocks(BOOK.introduction)}"
    )


def unknown_page(name: str) -> str:
    """Return the page for a name without a runbook."""
    shown = name if len(name) <= 100 else f"{name[:100]}…"
    return document(
        "No such runbook",
        f"<h1>No such runbook</h1><p>There is no runbook named {escape(shown)}. These exist:</p>{_names()}",
    )


def _names() -> str:
    links = (f'<li><a href="{PATH}{runbook.name}">{escape(runbook.name)}</a></li>' for runbook in BOOK.runbooks)
    return f'<ul class="names">{"".join(links)}</ul>'


def _leads(target: str) -> str | None:
    """Return the target of a link: another runbook's page, or an outside one.

    The other pages of docs/ are not served.
    """
    if target.startswith("#"):
        found = BOOK.find(target[1:])
        return None if found is None else f"{PATH}{found.name}"
    return target if target.startswith(("https://", "http://")) else None


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(_run(run) for run in runs(blocks))


def _run(run: Sequence[Block]) -> str:
    block = run[0]
    if block.kind == "code":
        return f"<pre><code>{escape(block.text)}</code></pre>"
    if block.kind == "bullet":
        return f"<ul>{_items(run)}</ul>"
    if block.kind == "numbered":
        return f'<ol start="{block.level}">{_items(run)}</ol>'
    tag = f"h{max(2, block.level - 1)}" if block.kind == "heading" else "p"
    return f"<{tag}>{inline_html(block.text, _leads)}</{tag}>"


def _items(run: Iterable[Block]) -> str:
    return "".join(f"<li>{inline_html(block.text, _leads)}</li>" for block in run)

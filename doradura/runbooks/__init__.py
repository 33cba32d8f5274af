"""The runbooks: what each alert means and what to do about it, for the pages at /runbooks/ and for the chat.

The source is docs/runbooks.md; runbooks.md here is its copy, which goes into every package (`just fmt` copies, `just
check` compares). Knows Markdown, and nothing of HTTP, Telegram or alerts except their names.
"""

from __future__ import annotations

from importlib.resources import files

from doradura.runbooks.book import Book, Runbook, parse_book

__all__ = ["BOOK", "Book", "Runbook"]

BOOK = parse_book(files(__package__).joinpath("runbooks.md").read_text(encoding="utf-8"))
"""All runbooks of this version."""

from __future__ import annotations

import pytest

from doradura.chat.runbook_texts import runbook_text
from doradura.chat.texts import Catalogues
from doradura.runbooks import BOOK, Runbook
from doradura.runbooks.book import parse_book
from doradura.runbooks.markdown import parse_blocks
from doradura.telegram.units import units
from tests.copies import ROOT, stale

T = Catalogues().for_language(None)
TELEGRAM_UNITS = 4096


def test_what_is_written_from_one_place_is_fresh() -> None:
    """The runbooks in the package are the page's, and docs and Compose have the table of settings: else `just fmt`."""
    assert list(stale()) == []


def test_a_section_is_a_runbook() -> None:
    """Each heading of the page is a runbook, found by its name in any case."""
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert [runbook.name for runbook in BOOK.runbooks] == headings
    for heading in headings:
        found = BOOK.find(heading.swapcase())
        assert found is not None
        assert found.name == heading
    assert BOOK.find("NoSuchAlert") is None
    assert BOOK.find("") is None
    assert BOOK.title == text.splitlines()[0][2:]


def test_a_page_is_cut_at_its_headings() -> None:
    """What stands before the first section is the introduction, smaller headings stay in their section."""
    book = parse_book("# T\n\nintro\n\n## A\n\na\n\n### more\n\n## B\n")
    assert book.title == "T"
    assert [block.text for block in book.introduction] == ["intro"]
    assert [[block.text for block in runbook.blocks] for runbook in book.runbooks] == [["a", "more"], []]


@pytest.mark.parametrize("runbook", BOOK.runbooks, ids=lambda runbook: runbook.name)
def test_every_runbook_is_one_message(runbook: Runbook) -> None:
    """Whole, within Telegram's limit, with commands as code, without what is for a try, and no private link."""
    text = runbook_text(T, runbook)
    assert text.startswith(f"<b>{runbook.name}</b>\n\n<b>Means</b>")
    assert "<b>Do</b>" in text
    assert T("runbook.cut") not in text
    assert "For a try" not in text
    assert units(text) <= TELEGRAM_UNITS
    assert '<a href="http://' not in text
    assert "](" not in text
    assert text.count("<pre>") == sum(block.kind == "code" for block in runbook.in_earnest())


def test_how_a_message_is_written() -> None:
    """Lists have signs, code its language, links to other alerts are words, those to the internet are links."""
    text = "**Do** [B](#b), [c](https://d.dev/), [e](f.md), [g](http://127.0.0.1/).\n\n- h\n- i\n\n```sh\nj < k\n```"
    assert runbook_text(T, Runbook("A", parse_blocks(text))) == (
        '<b>A</b>\n\n<b>Do</b> B, <a href="https://d.dev/">c</a>, e, g.\n\n• h\n• i\n\n'
        '<pre><code class="language-sh">j &lt; k</code></pre>'
    )


@pytest.mark.parametrize("block", ["x" * 1500, "🔴" * 700, "```\n" + "&" * 250 + "\n```"])
def test_a_long_runbook_is_cut_between_blocks_and_says_so(block: str) -> None:
    """Beyond Telegram's limit whole blocks are left out."""
    text = runbook_text(T, Runbook("A", parse_blocks("\n\n".join([block] * 10))))
    assert units(text) <= TELEGRAM_UNITS
    assert text.endswith(f"\n\n{T('runbook.cut')}")
    assert text.count("<pre>") == text.count("</pre>")

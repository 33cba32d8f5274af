"""Telegram's HTML, taken off again: for when Telegram cannot read the markup, and the words still have to arrive."""

from __future__ import annotations

import html
import re

_TAG = re.compile(
    r"</?(?:b|strong|i|em|u|ins|s|strike|del|span|tg-spoiler|tg-emoji|tg-time|a|code|pre|blockquote)(?:\s[^<>]*)?>",
    re.IGNORECASE,
)


def plain_text(markup: str) -> str:
    """Give the text without Telegram's own tags; any other `<` belongs to the words and stays.

    See https://core.telegram.org/bots/api#html-style.
    """
    return html.unescape(_TAG.sub("", markup))

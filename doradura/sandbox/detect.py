"""Finds the entities Telegram adds by itself to a plain text: commands, mentions, hashtags, addresses, links.

Pure. Simpler than TDLib's find_entities: host names without a scheme count only with a common ending.
"""

from __future__ import annotations

import re

from doradura.sandbox.markup import Entity, units

_URL = r"""(?<![\w@/.])(?:https?|ftp|tg|ton)://[^\s<>"'«»]+"""
_BARE = r"""(?<![\w@/.-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+
    (?:com|org|net|info|io|me|tv|be|ru|de|uk|fr|es|it|co|app|dev|xyz|ai|fm|gg|ly|to|cc)(?![\w-]|\.\w)
    (?::\d{1,5})?(?:[/?\#][^\s<>"'«»]*)?"""
_PATTERN = re.compile(
    rf"""(?P<url>{_URL})
    |(?P<email>(?<![\w.+-])[\w.+-]{{1,64}}@[a-z0-9-]+(?:\.[a-z0-9-]+)+(?![\w-]))
    |(?P<bare>{_BARE})
    |(?P<bot_command>(?<![\w/@#<>])/[A-Za-z0-9_]{{1,64}}(?:@[A-Za-z0-9_]{{3,32}})?(?![\w/@]))
    |(?P<mention>(?<![\w@/])@[A-Za-z0-9_]{{3,32}}(?!\w))
    |(?P<hashtag>(?<![\w&\#])\#(?=[^\W\d]|\d+[^\W\d])\w{{1,256}})""",
    re.VERBOSE | re.IGNORECASE,
)
_EXCLUSIVE = frozenset({"code", "pre", "text_link", "text_mention"})


def detect_entities(text: str, given: list[Entity]) -> list[Entity]:
    """Give `given` and what is found outside of the given code and links, in order."""
    taken = [
        (entity["offset"], entity["offset"] + entity["length"]) for entity in given if entity["type"] in _EXCLUSIVE
    ]
    found = []
    # Offsets are counted from match to match: counting from the start each time would be quadratic in a long text.
    counted, offset = 0, 0
    for match in _PATTERN.finditer(text):
        kind, value = match.lastgroup or "", match.group()
        if kind in {"url", "bare"}:
            kind, value = "url", _without_punctuation(value)
        offset += units(text[counted : match.start()])
        counted = match.start()
        end = offset + units(value)
        if all(end <= start or offset >= stop for start, stop in taken):
            found.append({"type": kind, "offset": offset, "length": end - offset})
    return sorted([*given, *found], key=lambda entity: (entity["offset"], -entity["length"]))


def _without_punctuation(url: str) -> str:
    """Cut what ends a sentence, not an address; a closing bracket stays when the address opened it."""
    while url:
        last = url[-1]
        if last in ".,:;!?" or (last in ")]}" and url.count(last) > url.count("([{"[")]}".index(last)])):
            url = url[:-1]
        else:
            break
    return url

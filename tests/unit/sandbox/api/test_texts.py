"""A call's text: what a bot's entities must be, and which words refuse them."""

from __future__ import annotations

from typing import Any

import pytest

from doradura.sandbox.api.texts import formatted
from doradura.sandbox.state.refusal import RefusalError


def entity(**fields: object) -> dict[str, object]:
    """Make an entity of the first character."""
    return {"offset": 0, "length": 1, **fields}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (entity(type="bold", url="x.org"), {"type": "bold"}),
        (entity(type="bold", offset="0", length="1"), {"type": "bold"}),
        (entity(type="pre", language="py"), {"type": "pre", "language": "py"}),
        (entity(type="pre", language=""), {"type": "pre"}),
        (entity(type="text_link", url="X.org"), {"type": "text_link", "url": "http://x.org/"}),
        (entity(type="text_link", url="tg:user?id=7"), {"type": "text_link", "url": "tg://user?id=7"}),
        (entity(type="custom_emoji", custom_emoji_id=5), {"type": "custom_emoji", "custom_emoji_id": "5"}),
        (
            entity(type="date_time", unix_time=5, date_time_format="tDw"),
            {"type": "date_time", "unix_time": 5, "date_time_format": "wDt"},
        ),
        (entity(type="date_time", unix_time="5"), {"type": "date_time", "unix_time": 5}),
    ],
)
def test_given_entities(given: dict[str, object], kept: dict[str, object]) -> None:
    """Each kind keeps the fields it has, in the form Telegram writes them."""
    assert formatted("a", "", [given]) == ("a", [{"offset": 0, "length": 1, **kept}])


def test_what_is_found_is_not_given() -> None:
    """What Telegram finds by itself a bot names in vain; a list that is none gives nothing; markup comes first."""
    assert formatted("abc", "", [entity(type="mention"), entity(type="url", length=9)]) == ("abc", [])
    assert formatted("abc", "", "bold") == ("abc", [])
    assert formatted("abc", "HTML", [entity(type="bold")]) == ("abc", [])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("bold", "can't parse MessageEntity: expected an Object"),
        ({"type": "bold", "length": 1}, "can't parse MessageEntity: Can't find field \"offset\""),
        (entity(type="bold", length=None), "can't parse MessageEntity: Can't find field \"length\""),
        (entity(type="bold", length="x"), 'can\'t parse MessageEntity: Field "length" must be a valid Number'),
        (entity(type="bold", length="9" * 5000), 'can\'t parse MessageEntity: Field "length" must be a valid Number'),
        (entity(type="bold", length=1 << 31), 'can\'t parse MessageEntity: Field "length" must be a valid Number'),
        (entity(type="bold", length=True), 'can\'t parse MessageEntity: Field "length" must be a Number'),
        (entity(), "can't parse MessageEntity: Can't find field \"type\""),
        (entity(type=""), "can't parse MessageEntity: Type is not specified"),
        (entity(type="shiny"), "can't parse MessageEntity: Unsupported type specified"),
        (entity(type=["bold"]), 'can\'t parse MessageEntity: Field "type" must be of type String'),
        (entity(type="text_link"), "can't parse MessageEntity: Can't find field \"url\""),
        (entity(type="text_link", url="nodot"), "entity URL 'nodot' is invalid: Wrong HTTP URL"),
        (entity(type="text_link", url="ftp://x.org"), "entity URL 'ftp://x.org' is invalid: Unsupported URL protocol"),
        (entity(type="text_mention"), "can't parse MessageEntity: Can't find field \"user\""),
        (entity(type="custom_emoji", custom_emoji_id="0"), "invalid custom emoji identifier specified"),
        (entity(type="date_time", unix_time=0), "invalid date specified"),
        (
            entity(type="date_time", unix_time=1, date_time_format="x"),
            "can't parse MessageEntity: Invalid date format used",
        ),
        (entity(type="bold", offset=-1), "receive an entity with incorrect offset -1"),
        (
            entity(type="bold", length=2),
            "entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 2",
        ),
    ],
)
def test_refused_entities(given: Any, why: str) -> None:
    """What is wrong with an entity is told as the server tells it."""
    with pytest.raises(RefusalError) as refused:
        formatted("a", "", [given])
    assert refused.value.description == f"Bad Request: {why}"


def test_markup_is_cut_where_it_overlaps() -> None:
    """Nested styles come back as Telegram gives them: the outer one cut where the inner begins."""
    styles = [
        {"type": "bold", "offset": 0, "length": 5},
        {"type": "bold", "offset": 5, "length": 4},
        {"type": "italic", "offset": 5, "length": 4},
    ]
    assert formatted("<b>bold <i>both</i></b>", "HTML", None) == ("bold both", styles)
    assert formatted("*bold _both_*", "MarkdownV2", None) == ("bold both", styles)


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (" \n ", "", "text must be non-empty"),
        ("<b> </b>", "HTML", "text must be non-empty"),
        ("\u200b", "", "text must be non-empty"),
        ("a" * 32_769, "", "text is too long"),
        ("a", "XML", "unsupported parse_mode"),
        (
            "a.",
            "MarkdownV2",
            "can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'",
        ),
        ("a\0", "HTML", "can't parse entities: Text must not contain null bytes"),
    ],
)
def test_refused_texts(text: str, mode: str, why: str) -> None:
    """A text with nothing to see, too long, or in no markup is refused."""
    with pytest.raises(RefusalError) as refused:
        formatted(text, mode, None, may_be_empty=False)
    assert refused.value.description == f"Bad Request: {why}"

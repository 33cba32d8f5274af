"""What is a command, and what is left of it."""

from __future__ import annotations

import pytest

from doradura.chat.callback_data import parse_id
from doradura.chat.conversation import parse_command


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/help", ("help", "")),
        ("/HELP", ("help", "")),
        ("/help@Dora_Bot", ("help", "")),
        ("/help@other_bot", None),
        ("/download  https://a.example  mp3 ", ("download", "https://a.example  mp3")),
        ("/download@dora_bot https://a.example", ("download", "https://a.example")),
        ("/download\nhttps://a.example mp3", ("download", "https://a.example mp3")),
        ("/download https://a.example\nmp3", ("download", "https://a.example\nmp3")),
        ("/", None),
        ("/ help", None),
        ("help", None),
        (" /help", None),
        ("", None),
    ],
)
def test_commands_are_told_apart(text: str, parsed: tuple[str, str] | None) -> None:
    """The word in small letters and what follows; None for no command and for another bot's."""
    assert parse_command(text, "dora_bot") == parsed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("17", 17),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("9" * 60, None),
        ("-1", None),
        ("", None),
        ("1x", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("\N{ARABIC-INDIC DIGIT ONE}", None),
    ],
)
def test_ids_from_buttons_are_ids_or_nothing(text: str, number: int | None) -> None:
    """A changed client may press anything; only what the database can hold is looked up."""
    assert parse_id(text) == number

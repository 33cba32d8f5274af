"""The base of conversations: one subject in which people and the bot talk, with its commands and its buttons.

A conversation is an object that holds exactly the parts that it uses (`conversations.py` makes them all). Its class
lists its commands and buttons. The table of commands, the menus, /help and the metric's label are derived from these
lists. The description of a command is the text `about.<word>` in the catalogues.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from doradura.chat.handling import Handling

C = TypeVar("C")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a conversation. The text `about.<word>` describes it."""

    word: str
    answer: Callable[[Any, Handling, str], Awaitable[None]]
    """The conversation's method. Its arguments are the handling and the text after the command."""
    admin: bool = False
    """Whether the command exists only for admins in their private chat."""


CommandTable = Mapping[str, Command]


@dataclass(frozen=True, slots=True)
class Buttons:
    """The buttons of a conversation whose callback data begins with one word."""

    word: str
    answer: Callable[[Any, Handling, str], Awaitable[None]]
    """Answers the callback query. Its arguments are the conversation, the handling and the callback data.

    It raises TooOldError before doing anything.
    """
    too_old: str
    """The key of the text that answers a button that is too old."""


def buttons(
    word: str,
    decode: Callable[[str], D],
    handle: Callable[[C, Handling, D], Awaitable[None]],
    *,
    too_old: str = "press.unknown",
) -> Buttons:
    """Return the buttons of one word.

    `decode` turns the callback data into a value and may raise TooOldError; `handle` answers with that value.
    """

    async def answer(conversation: C, handling: Handling, data: str) -> None:
        await handle(conversation, handling, decode(data))

    return Buttons(word, answer, too_old)


class Conversation:
    """One subject. The class lists its commands and buttons, the object answers them."""

    COMMANDS: ClassVar[tuple[Command, ...]] = ()
    """In the order of the command menu and of /help."""
    BUTTONS: ClassVar[tuple[Buttons, ...]] = ()


def parse_command(text: str, username: str) -> tuple[str, str] | None:
    """Return (word, rest) of "/word@bot rest"; None if the text is not a command, or is one for another bot."""
    if not text.startswith("/"):
        return None
    head, _, rest = text.partition("\n") if "\n" in text.split(" ", 1)[0] else text.partition(" ")
    word, _, addressee = head[1:].partition("@")
    if not word or (addressee and addressee.lower() != username.lower()):
        return None
    return word.lower(), rest.strip()

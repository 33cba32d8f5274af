"""What a conversation is: one subject in which people and the bot talk, with its commands and its buttons.

A conversation is an object that is made of exactly what it uses (`conversations.py` makes them all) and says on its
class which commands and which buttons are its own. The table of commands, the menus, /help and the metric's label are
the sum of these. A command's text is `about.<word>` in the catalogues.
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
    """The conversation's method: given the handling and what stands behind the command."""
    admin: bool = False
    """For admins, in their private chat: to everybody else, and in a group, it is a command that does not exist."""


CommandTable = Mapping[str, Command]


@dataclass(frozen=True, slots=True)
class Buttons:
    """The buttons of a conversation whose data begins with one word."""

    word: str
    answer: Callable[[Any, Handling, str], Awaitable[None]]
    """Given the conversation, the handling and the data, answers the callback query.

    Raises TooOldError, with nothing done.
    """
    too_old: str
    """The key of the text that answers what is too old."""


def buttons(
    word: str,
    decode: Callable[[str], D],
    handle: Callable[[C, Handling, D], Awaitable[None]],
    *,
    too_old: str = "press.unknown",
) -> Buttons:
    """Make the buttons of one word: `decode`, given the whole data, raises TooOldError; `handle` is given the value."""

    async def answer(conversation: C, handling: Handling, data: str) -> None:
        await handle(conversation, handling, decode(data))

    return Buttons(word, answer, too_old)


class Conversation:
    """One subject: the class says which commands and buttons it has, the object answers them."""

    COMMANDS: ClassVar[tuple[Command, ...]] = ()
    """In the order of the command menu and of /help."""
    BUTTONS: ClassVar[tuple[Buttons, ...]] = ()


def parse_command(text: str, username: str) -> tuple[str, str] | None:
    """Split "/word@bot rest" into (word, rest); None when it is no command or one for another bot."""
    if not text.startswith("/"):
        return None
    head, _, rest = text.partition("\n") if "\n" in text.split(" ", 1)[0] else text.partition(" ")
    word, _, addressee = head[1:].partition("@")
    if not word or (addressee and addressee.lower() != username.lower()):
        return None
    return word.lower(), rest.strip()

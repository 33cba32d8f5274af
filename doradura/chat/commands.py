"""The table of commands: what setMyCommands lists, /help shows, the metric's label knows and the router calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from doradura.chat.turn import Turn


@dataclass(frozen=True, slots=True)
class Command:
    """A command and who answers it. The text key `about.<word>` describes it."""

    word: str
    handle: Callable[[Turn, str], Awaitable[None]]
    """Given the turn and what stands behind the command."""
    admin: bool = False
    """For admins, in their private chat: to everybody else, and in a group, it is a command that does not exist."""


CommandTable = Mapping[str, Command]


def open_to(turn: Turn, table: CommandTable, word: str) -> Command | None:
    """Return the command for this turn's sender and chat, None where there is none for them."""
    command = table.get(word)
    return None if command is not None and command.admin and not is_admin(turn) else command


def is_admin(turn: Turn) -> bool:
    """Whether an admin writes, where nobody else reads along."""
    return turn.chat_id > 0 and by_admin(turn)


def by_admin(turn: Turn) -> bool:
    """Whether an admin writes or presses, in whatever chat."""
    return turn.account is not None and turn.account.is_admin


def parse_command(text: str, username: str) -> tuple[str, str] | None:
    """Split "/word@bot rest" into (word, rest); None when it is no command or one for another bot."""
    if not text.startswith("/"):
        return None
    head, _, rest = text.partition("\n") if "\n" in text.split(" ", 1)[0] else text.partition(" ")
    word, _, addressee = head[1:].partition("@")
    if not word or (addressee and addressee.lower() != username.lower()):
        return None
    return word.lower(), rest.strip()

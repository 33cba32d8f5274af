"""Edits of one message: one after the other, and of those that wait only the newest.

Owns no call; it only says who may go and who need not any more. Guarantees: an older edit never lands after a newer one
of this process, over retries too; one that is superseded while it waits is not sent, and counts as done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import trio

MessageKey = tuple[int, int]
"""Chat id and message id."""


@dataclass(slots=True)
class _Message:
    calling: trio.Lock = field(default_factory=trio.Lock)
    newest: Edit | None = None
    edits: int = 0


class Edit:
    """One edit's place among those of its message."""

    def __init__(self, message: _Message, *, lasting: bool) -> None:
        self._message = message
        self._lasting = lasting
        self._waiting: trio.CancelScope | None = None
        self.superseded = False

    @property
    def calling(self) -> trio.Lock:
        """Held while it waits for its turn and while it is on its way."""
        return self._message.calling

    def waiting(self) -> trio.CancelScope:
        """Return a scope for a wait that a newer edit ends."""
        self._waiting = trio.CancelScope(deadline=-math.inf if self.superseded else math.inf)
        return self._waiting

    def supersede(self) -> None:
        """End it, unless its answer is needed by whoever asked for it."""
        if not self._lasting:
            self.superseded = True
            if self._waiting is not None:
                self._waiting.cancel()


class EditOrder:
    """The edits under way, by message. Messages without any are not kept."""

    def __init__(self) -> None:
        self._messages: dict[MessageKey, _Message] = {}

    def arrive(self, key: MessageKey, *, lasting: bool) -> Edit:
        """Take a place; what waits already for the same message is superseded. `lasting` ones never are."""
        message = self._messages.setdefault(key, _Message())
        if message.newest is not None:
            message.newest.supersede()
        message.edits += 1
        message.newest = Edit(message, lasting=lasting)
        return message.newest

    def leave(self, key: MessageKey, edit: Edit) -> None:
        """Give the place back."""
        message = self._messages[key]
        message.edits -= 1
        if message.newest is edit:
            message.newest = None
        if not message.edits:
            del self._messages[key]

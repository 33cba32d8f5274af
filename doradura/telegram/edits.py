"""The order of edits to one message: one at a time, and of those that wait only the newest is sent.

It makes no call; it only says which edit may go out and which is no longer needed. Guarantees: an older edit of this
process never lands after a newer one, even over retries; an edit that is superseded while it waits is not sent and
counts as done.
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
    """One edit among the edits of its message."""

    def __init__(self, message: _Message, *, lasting: bool) -> None:
        self._message = message
        self._lasting = lasting
        self._waiting: trio.CancelScope | None = None
        self.superseded = False

    @property
    def calling(self) -> trio.Lock:
        """Held while the edit waits for its permit and while it is being sent."""
        return self._message.calling

    def waiting(self) -> trio.CancelScope:
        """Return a scope for a wait that a newer edit ends."""
        self._waiting = trio.CancelScope(deadline=-math.inf if self.superseded else math.inf)
        return self._waiting

    def supersede(self) -> None:
        """End the edit's wait, and so the edit, unless whoever asked for it needs its answer."""
        if not self._lasting:
            self.superseded = True
            if self._waiting is not None:
                self._waiting.cancel()


class EditOrder:
    """The edits in progress, by message. Messages without edits are not kept."""

    def __init__(self) -> None:
        self._messages: dict[MessageKey, _Message] = {}

    def arrive(self, key: MessageKey, *, lasting: bool) -> Edit:
        """Add an edit; those that wait for the same message are superseded, except `lasting` ones."""
        message = self._messages.setdefault(key, _Message())
        if message.newest is not None:
            message.newest.supersede()
        message.edits += 1
        message.newest = Edit(message, lasting=lasting)
        return message.newest

    def leave(self, key: MessageKey, edit: Edit) -> None:
        """Remove an edit that has ended."""
        message = self._messages[key]
        message.edits -= 1
        if message.newest is edit:
            message.newest = None
        if not message.edits:
            del self._messages[key]

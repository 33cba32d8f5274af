"""What all clients of one bot share: Telegram counts and moves chats by bot, not by connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from doradura.telegram.edits import EditOrder
from doradura.telegram.pacing import Pace, Pacer
from doradura.telegram.reaching import Reaching


class Coordination:
    """The state that all clients of one bot share: the pacer, the order of edits, and which groups became supergroups.

    `on_migrated` receives a group's old and new id as soon as Telegram names them; it must not raise.
    """

    def __init__(
        self, pace: Pace | None = None, *, on_migrated: Callable[[int, int], Awaitable[None]] | None = None
    ) -> None:
        self.pacer = Pacer(pace)
        self.reaching = Reaching()
        self.edits = EditOrder()
        self._on_migrated = on_migrated
        self._moved: dict[int, int] = {}

    def restore_moves(self, moved: Mapping[int, int]) -> None:
        """Restore what was known of moved groups: old id -> new id."""
        self._moved.update(moved)

    def current_chat_id(self, chat_id: int) -> int:
        """Return the id that a chat has now."""
        return self._moved.get(chat_id, chat_id)

    async def record_move(self, old_id: int, new_id: int) -> None:
        """From now on send what is for the old id to the new one."""
        for known, end in self._moved.items():
            if end == old_id:
                self._moved[known] = new_id
        self._moved[old_id] = new_id
        self.pacer.moved(old_id, new_id)
        self._moved.pop(new_id, None)
        if self._on_migrated is not None:
            await self._on_migrated(old_id, new_id)

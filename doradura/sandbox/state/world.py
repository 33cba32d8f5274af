"""What all bots of the sandbox share: people and their Stars, the time, and the storage.

Owns the people. It knows no bot and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from doradura.sandbox.state.blobs import Blobs
from doradura.sandbox.state.events import Events
from doradura.sandbox.state.journal import Journal
from doradura.sandbox.state.records import Object, StoredFile

FIRST_FREE_USER_ID = 3000
SUPERGROUP_BASE = 10**12
PURSE = 10_000
"""The Stars that a person starts with. Nobody is refused for lack of them: what is missing is added."""


class World:
    """What bots live in. In memory; the journal has the same on disk."""

    def __init__(self, journal: Journal, blobs: Blobs, *, clock: Callable[[], float]) -> None:
        self.journal = journal
        self.blobs = blobs
        self.clock = clock
        self.events = Events(journal)
        self.users: dict[int, Object] = {}
        self._stars: dict[int, int] = {}
        """The balances of those who ever paid."""
        self.blobs_known: dict[str, StoredFile] = {}
        """One of the files that have the blob, by the blob's name."""
        self.file_ids: set[str] = set()
        """The file_ids of all bots."""
        self.paces_polls: Callable[[], bool] = lambda: False
        """Whether short polls are slowed down, as by the server; with the flood limits, which are off at first."""
        self._groups_made = 0

    def now(self) -> int:
        """Return the Unix time in whole seconds, as the Bot API writes dates."""
        return int(self.clock())

    def restore(self, kinds: Mapping[str, list[tuple[str, bytes]]]) -> None:
        """Restore who was kept, or start with the two default people."""
        for _, value in kinds.get("user", []):
            user = msgspec.json.decode(value)
            self.users[user["id"]] = user
        for key, value in kinds.get("stars", []):
            self._stars[int(key)] = msgspec.json.decode(value, type=int)
        self._groups_made = len(kinds.get("group", []))
        if not self.users:
            self.put_user({"id": 1000, "is_bot": False, "first_name": "Admin", "language_code": "en"})
            self.put_user({"id": 2000, "is_bot": False, "first_name": "User", "language_code": "en"})

    def put_user(self, user: Object) -> Object:
        """Add a person or change one."""
        self.users[user["id"]] = user
        self.journal.put("user", str(user["id"]), msgspec.json.encode(user))
        return user

    def stars(self, user_id: int) -> int:
        """Return a person's balance."""
        return self._stars.get(user_id, PURSE)

    def spend(self, user_id: int, amount: int) -> None:
        """Take Stars from a person, or return some; what is missing is added: nobody is refused here."""
        left = max(0, self.stars(user_id) - amount)
        self._stars[user_id] = left
        self.journal.put("stars", str(user_id), msgspec.json.encode(left))

    def person(self, user_id: int) -> Object:
        """Return a person; an unknown one gets a name made of the number."""
        if user_id in self.users:
            return self.users[user_id]
        return self.put_user({"id": user_id, "is_bot": False, "first_name": f"User {user_id}", "language_code": "en"})

    def next_user_id(self) -> int:
        """Return an unused number."""
        return max(FIRST_FREE_USER_ID, *(user_id + 1 for user_id in self.users))

    def next_group_id(self, *, supergroup: bool) -> int:
        """Return an unused negative number for a group; a supergroup's is far below, as with Telegram."""
        self._groups_made += 1
        number = 5000 + self._groups_made
        return -(SUPERGROUP_BASE + number) if supergroup else -number

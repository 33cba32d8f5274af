"""All there is in the sandbox: people, bots, and where they are kept.

Owns the people and finds the bots by token; brings all of it back from the journal at the start. Knows no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from doradura.sandbox.state.blobs import Blobs
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.events import Events
from doradura.sandbox.state.journal import Journal
from doradura.sandbox.state.members import listed
from doradura.sandbox.state.payments import PURSE
from doradura.sandbox.state.records import BotRecord, Group, Object, Query, StoredFile
from doradura.sandbox.state.updates import Update

FIRST_FREE_USER_ID = 3000
SUPERGROUP_BASE = 10**12
TOKEN = re.compile(r"[1-9][0-9]{0,15}:[A-Za-z0-9_-]*", re.ASCII)
SECRET_LENGTH = 24
MONEY = ("invoice", "charge", "subscription")


def is_token(token: str) -> bool:
    """Tell whether a text could be a bot's token."""
    return TOKEN.fullmatch(token) is not None and len(token.partition(":")[2]) >= SECRET_LENGTH


class World:
    """The sandbox's state, in memory; the journal has the same on disk."""

    def __init__(self, journal: Journal, blobs: Blobs, *, clock: Callable[[], float]) -> None:
        self.journal = journal
        self.blobs = blobs
        self.clock = clock
        self.events = Events(journal)
        self.users: dict[int, Object] = {}
        self.stars: dict[int, int] = {}
        """What people have, of those who ever paid."""
        self.bots: dict[str, Bot] = {}
        self.blobs_known: dict[str, StoredFile] = {}
        """A file for each blob that a message names."""
        self.paces_polls: Callable[[], bool] = lambda: False
        """Whether short polls are slowed down, as the server does; with the flood limits, which are off at first."""
        self._groups_made = 0

    def now(self) -> int:
        """Return the Unix time in whole seconds, as the Bot API writes dates."""
        return int(self.clock())

    async def load(self) -> None:
        """Take back what was kept, or begin with the two people everybody has. Raises JournalError."""
        records = await self.journal.load()
        kinds: dict[str, list[tuple[str, bytes]]] = {}
        for kind, key, value in records:
            kinds.setdefault(kind, []).append((key, value))
        for _, value in kinds.get("user", []):
            user = msgspec.json.decode(value)
            self.users[user["id"]] = user
        for key, value in kinds.get("stars", []):
            self.stars[int(key)] = msgspec.json.decode(value, type=int)
        for _, value in kinds.get("bot", []):
            record = msgspec.json.decode(value, type=BotRecord)
            self.bots[record.token] = Bot(self, record)
        for kind in ("start", "block", "group", "file", "query", "message", "update"):
            self._restore(kind, kinds.get(kind, []))
        for kind in MONEY:
            for key, value in kinds.get(kind, []):
                self.bots[key.partition(" ")[0]].payments.restore(kind, value)
        if not self.users:
            self.put_user({"id": 1000, "is_bot": False, "first_name": "Admin", "language_code": "en"})
            self.put_user({"id": 2000, "is_bot": False, "first_name": "User", "language_code": "en"})
        await self.blobs.open(self.blobs_known)

    def _restore(self, kind: str, records: list[tuple[str, bytes]]) -> None:
        updates: dict[Bot, list[Update]] = {}
        for key, value in records:
            token, _, name = key.partition(" ")
            bot = self.bots[token]
            if kind == "start":
                bot.started.add(int(name))
            elif kind == "block":
                bot.blocked.add(int(name))
            elif kind == "group":
                bot.groups[int(name)] = msgspec.json.decode(value, type=Group)
                self._groups_made += 1
            elif kind == "file":
                bot.restore_file(msgspec.json.decode(value, type=StoredFile))
            elif kind == "query":
                bot.queries[name] = msgspec.json.decode(value, type=Query)
            elif kind == "message":
                bot.restore_message(int(name), value)
            else:
                updates.setdefault(bot, []).append(msgspec.json.decode(value, type=Update))
        for bot, queue in updates.items():
            bot.updates.restore(queue)
        for bot in self.bots.values():
            bot.payments.sort()
            bot.queries = dict(sorted(bot.queries.items(), key=lambda item: item[1].created))

    def called(self, token: str) -> Bot:
        """Return the bot that calls; the first to call since the start is the default."""
        if self.events.default_token is None:
            self.events.default_token = token
        return self.bot(token)

    def bot(self, token: str) -> Bot:
        """Return the bot of a well-formed token; one never seen comes into being here."""
        bot = self.bots.get(token)
        if bot is None:
            bot = self.bots[token] = Bot(self, BotRecord(token))
            bot.keep()
        return bot

    def put_user(self, user: Object) -> Object:
        """Add a person or change one."""
        self.users[user["id"]] = user
        self.journal.put("user", str(user["id"]), msgspec.json.encode(user))
        return user

    def spend(self, user_id: int, amount: int) -> None:
        """Take Stars from a person, or give some back; what they lack is added: nobody is refused here."""
        left = max(0, self.stars.get(user_id, PURSE) - amount)
        self.stars[user_id] = left
        self.journal.put("stars", str(user_id), msgspec.json.encode(left))

    def person(self, user_id: int) -> Object:
        """Return a person; one never seen gets a name made of the number."""
        if user_id in self.users:
            return self.users[user_id]
        return self.put_user({"id": user_id, "is_bot": False, "first_name": f"User {user_id}", "language_code": "en"})

    def next_user_id(self) -> int:
        """Return a number nobody has."""
        return max(FIRST_FREE_USER_ID, *(user_id + 1 for user_id in self.users))

    def next_group_id(self, *, supergroup: bool) -> int:
        """Return a negative number no group has; a supergroup's is far below, as Telegram's are."""
        self._groups_made += 1
        number = 5000 + self._groups_made
        return -(SUPERGROUP_BASE + number) if supergroup else -number

    def state(self, bot: Bot | None) -> dict[str, Any]:
        """Return the bots, people and chats there are, who blocked `bot`, and who is who in its groups.

        The default bot comes first: a page that names none knows it by nothing else.
        """
        default = self.events.default_token
        bots = sorted(self.bots.values(), key=lambda each: each.token != default)
        return {
            "bots": [each.user for each in bots],
            "users": list(self.users.values()),
            "chats": bot.chats() if bot is not None else [],
            "stars": {str(user_id): self.stars.get(user_id, PURSE) for user_id in self.users},
            "blocked_by": sorted(bot.blocked) if bot is not None else [],
            "members": {str(chat_id): listed(bot, group) for chat_id, group in bot.groups.items()} if bot else {},
        }

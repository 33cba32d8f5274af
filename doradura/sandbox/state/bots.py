"""The bots of the sandbox, by their tokens: found, created, and restored from the journal at the start.

Owns which bots there are. It knows no HTTP.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.members import listed
from doradura.sandbox.state.records import BotRecord, CallbackQuery, Group, StoredFile
from doradura.sandbox.state.updates import Update
from doradura.sandbox.state.world import World

TOKEN = re.compile(r"[1-9][0-9]{0,15}:[A-Za-z0-9_-]*", re.ASCII)
SECRET_LENGTH = 24
MONEY = ("invoice", "charge", "subscription")


def is_token(token: str) -> bool:
    """Return whether a text could be a bot's token."""
    return TOKEN.fullmatch(token) is not None and len(token.partition(":")[2]) >= SECRET_LENGTH


class Bots:
    """Every bot that ever called, and the world they share."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._by_token: dict[str, Bot] = {}

    async def load(self) -> None:
        """Restore what was kept. Raises JournalError."""
        kinds: dict[str, list[tuple[str, bytes]]] = {}
        for kind, key, value in await self.world.journal.load():
            kinds.setdefault(kind, []).append((key, value))
        self.world.restore(kinds)
        for _, value in kinds.get("bot", []):
            record = msgspec.json.decode(value, type=BotRecord)
            self._by_token[record.token] = Bot(self.world, record)
        for kind in ("start", "block", "group", "file", "query", "message", "update"):
            self._restore(kind, kinds.get(kind, []))
        for kind in MONEY:
            for key, value in kinds.get(kind, []):
                self._by_token[key.partition(" ")[0]].payments.restore(kind, value)
        await self.world.blobs.open(self.world.blobs_known)

    def _restore(self, kind: str, records: list[tuple[str, bytes]]) -> None:
        updates: dict[Bot, list[Update]] = {}
        for key, value in records:
            token, _, name = key.partition(" ")
            bot = self._by_token[token]
            if kind == "start":
                bot.started.add(int(name))
            elif kind == "block":
                bot.blocked.add(int(name))
            elif kind == "group":
                bot.groups[int(name)] = msgspec.json.decode(value, type=Group)
            elif kind == "file":
                bot.restore_file(msgspec.json.decode(value, type=StoredFile))
            elif kind == "query":
                bot.queries[name] = msgspec.json.decode(value, type=CallbackQuery)
            elif kind == "message":
                bot.restore_message(int(name), value)
            else:
                updates.setdefault(bot, []).append(msgspec.json.decode(value, type=Update))
        for bot, queue in updates.items():
            bot.updates.restore(queue)
        for bot in self._by_token.values():
            bot.queries = dict(sorted(bot.queries.items(), key=lambda item: item[1].created))

    def called(self, token: str) -> Bot:
        """Return the bot that calls; the first to call since the start is the default."""
        if self.world.events.default_token is None:
            self.world.events.default_token = token
        return self.bot(token)

    def known(self, token: str) -> Bot | None:
        """Return a token's bot, if there is one already."""
        return self._by_token.get(token)

    def bot(self, token: str) -> Bot:
        """Return the bot of a well-formed token; an unknown one is created."""
        bot = self._by_token.get(token)
        if bot is None:
            bot = self._by_token[token] = Bot(self.world, BotRecord(token))
            bot.keep()
        return bot

    def state(self, bot: Bot | None) -> dict[str, Any]:
        """Return the bots, people and chats, who blocked `bot`, and the members of its groups.

        The default bot comes first: a page that names none recognises it only by that.
        """
        default = self.world.events.default_token
        bots = sorted(self._by_token.values(), key=lambda each: each.token != default)
        return {
            "bots": [each.user for each in bots],
            "users": list(self.world.users.values()),
            "chats": bot.chats() if bot is not None else [],
            "stars": {str(user_id): self.world.stars(user_id) for user_id in self.world.users},
            "blocked_by": sorted(bot.blocked) if bot is not None else [],
            "members": {str(chat_id): listed(bot, group) for chat_id, group in bot.groups.items()} if bot else {},
        }

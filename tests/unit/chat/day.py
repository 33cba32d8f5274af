"""One day of the soak: who writes, what fails, when the program is killed, and what came of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import trio

from doradura.chat.handling import Handling
from doradura.chat.router import HANDLED_UPDATES
from doradura.storage import Connection, StorageError
from doradura.storage.cleaning import clean_forever
from doradura.telegram.client import BotApi, open_bot_api
from doradura.telegram.errors import TokenRefusedError
from doradura.telegram.observer import SilentObserver
from doradura.telegram.poller import Poller
from tests.doubles import TOKEN
from tests.unit.chat.polled import Telegram
from tests.unit.chat.storms import SIEGES, Storms
from tests.wiring import World

CALM_SECONDS = 1800.0
"""After the day there are no faults any more: what waits has this long."""
HOUR = 3600.0
STORAGE_OUTAGE_SECONDS = 180.0
CLOCK_JUMPS = (-60.0, -HOUR, -5 * HOUR, -80 * HOUR, 60.0, HOUR, 5 * HOUR, 80 * HOUR)
"""By which the wall clock is set: a wrong battery, a summer time, a suspended machine."""

_BOOKS = """
CREATE TABLE effects (token TEXT);
CREATE TABLE ended (state TEXT, raw TEXT);
CREATE TRIGGER ends AFTER UPDATE OF state ON inbox WHEN NEW.state <> 'waiting'
BEGIN INSERT INTO ended VALUES (NEW.state, OLD.raw); END;
"""


class Day:
    """Everything that happens in it is drawn from its seed."""

    def __init__(self, world: World, seed: int, *, seconds: float) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.seconds = seconds
        self.telegram = Telegram(self.chance, self._is_stored)
        self.storms: Storms
        self.written = 0
        self.poisoned: set[int] = set()
        self.lives = 0
        self.storage_faults = 0
        self.clock_jumps = 0
        self.sieges = self.chance.sample([*SIEGES], len(SIEGES))
        self._api: BotApi
        world.storage.db.executescript(_BOOKS)
        world.route = self.handle

    async def run(self) -> None:
        """Live through the day."""
        async with trio.open_nursery() as nursery:
            self.storms = Storms(self.chance, self.telegram, nursery, ends_at=self.seconds)
            for part in (self.write, self.change_weather, self.set_clock):
                nursery.start_soon(part)
            await self.live()
            nursery.cancel_scope.cancel()

    async def write(self) -> None:
        """People write all day: one now and then, at times a crowd; twice the ids begin anew."""
        restarts = {self.chance.randrange(1000), self.chance.randrange(1000)}
        while trio.current_time() < self.seconds:
            await trio.sleep(self.chance.expovariate(1 / 60))
            if self.chance.randrange(1000) in restarts and not self.telegram.queue:
                self.telegram.restart_ids()
            for _ in range(self.chance.choice((1, 1, 1, 1, 2, 5, 130) if self.chance.random() < 0.05 else (1,))):
                self._write_one()

    def _write_one(self) -> None:
        self.written += 1
        chat = self.chance.randrange(1, 30)
        message = {
            "message_id": self.written,
            "date": int(trio.current_time()),
            "chat": {"id": chat, "type": "private"},
            "from": {"id": chat, "is_bot": False, "first_name": "P"},
            "text": str(self.written),
        }
        if self.chance.random() < 0.01:
            self.poisoned.add(self.written)
        self.telegram.add({"message": message})
        if self.chance.random() < 0.02:
            self.telegram.add({"something_new": {"chat": {"id": chat}}})

    async def change_weather(self) -> None:
        """Hours of calm, storms, and sieges; storage fails at times."""
        while trio.current_time() < self.seconds:
            self.storms.likelihood = self.chance.choice((0.0, 0.05, 0.3, 0.7, 1.0))
            wait = self.chance.uniform(10, 1200 if self.storms.likelihood < 1 else 300)
            if self.sieges and self.chance.random() < 0.25:
                self.storms.siege = self.sieges.pop()
                wait = SIEGES[self.storms.siege]
            failing = self.storms.siege is None and self.chance.random() < 0.25
            self.storage_faults += failing
            wait = min(wait, STORAGE_OUTAGE_SECONDS) if failing else wait
            self.world.storage.fault = StorageError("disk full", reason="full") if failing else None
            await trio.sleep(min(wait, max(0.0, self.seconds - trio.current_time())))
            self.storms.siege = None
        self.storms.likelihood, self.world.storage.fault = 0.0, None

    async def set_clock(self) -> None:
        """Set the wall clock now and then, by minutes, hours and days, ahead and back."""
        while True:
            await trio.sleep(self.chance.uniform(600, 3 * HOUR))
            self.world.clock.ahead_seconds += self.chance.choice(CLOCK_JUMPS)
            self.clock_jumps += 1

    async def handle(self, handling: Handling) -> None:
        """Answer a query, store an effect with the update, send a text; some updates always fail, some fail once.

        The answer may come twice and may not be missing; the text is the other way round.
        """
        await trio.sleep(self.chance.choice((0, 0, 0.01, 3)))
        token = handling.message.text or "0"
        if int(token) in self.poisoned or self.chance.random() < 0.01:
            raise ValueError("the conversation breaks")
        await self._api.answer_callback_query(token)

        def effect(db: Connection) -> None:
            db.execute("INSERT INTO effects (token) VALUES (?)", (token,))

        await handling.commit(effect)
        await self._api.send_message(handling.chat_id, token, repeat_unconfirmed=False)

    async def live(self) -> None:
        """The program runs, and is cut off wherever it stands, again and again."""
        while trio.current_time() < self.seconds + CALM_SECONDS:
            lives = self.lives
            try:
                await self._one_life()
            except* StorageError:
                # On a storage that fails the program does not start; once it has, nothing of the storage's may end it.
                assert self.lives == lives
                await trio.sleep(5)
            except* TokenRefusedError:
                await trio.sleep(5)

    async def _one_life(self) -> None:
        async with (
            open_bot_api(
                TOKEN, observer=SilentObserver(), draw=self.chance.random, make_transport=self.storms.transport
            ) as self._api,
            self.world.start() as bot,
        ):
            self.lives += 1
            poller = Poller(
                self._api,
                store=bot.dispatcher.store,
                allowed_updates=HANDLED_UPDATES,
                observer=SilentObserver(),
                draw=self.chance.random,
            )
            bot.nursery.start_soon(poller.run)
            bot.nursery.start_soon(clean_forever, self.world.storage, self.world.clock)
            await self._some_time()

    async def _some_time(self) -> None:
        left = self.seconds + CALM_SECONDS - trio.current_time()
        if trio.current_time() >= self.seconds:
            await trio.sleep(left)
            return
        wait = min(left, self.chance.choice((self.chance.uniform(0, 60), self.chance.uniform(0, 4 * HOUR))))
        if self.chance.random() < 0.5:  # just as something is stored
            with trio.move_on_after(wait):
                await self.world.changes.until(lambda: self.chance.random() < 0.05)
        else:
            await trio.sleep(wait)

    def _is_stored(self, update_id: int) -> bool:
        return self.world.storage.one("SELECT 1 FROM inbox WHERE update_id = ?", update_id) is not None

    def effects(self) -> Counter[str]:
        """Return how often each token had its effect."""
        return Counter(row[0] for row in self.world.storage.db.execute("SELECT token FROM effects"))

    def failed(self) -> set[str]:
        """Return the tokens that the bot knows to have failed."""
        rows = self.world.storage.db.execute("SELECT raw FROM ended WHERE state = 'failed' AND raw <> ''")
        updates = [json.loads(raw) for (raw,) in rows]
        return {update["message"]["text"] for update in updates if "message" in update}

    def waiting(self) -> int:
        """Return how many updates wait still."""
        return int(self.world.storage.one("SELECT COUNT(*) FROM inbox WHERE state = 'waiting'"))

    def figures(self) -> dict[str, Any]:
        """Return how much happened."""
        return {
            "updates": self.written,
            "requests": len(self.storms.journal),
            "polls": len(self.storms.polls),
            "faults": sum(self.storms.met.values()),
            "lives": self.lives,
            "storage outages": self.storage_faults,
            "clock jumps": self.clock_jumps,
            "polls displaced": self.telegram.displaced,
            "updates forgotten": self.world.storage.one(
                "SELECT (SELECT COUNT(*) FROM ended) - (SELECT COUNT(*) FROM inbox)"
            ),
        }

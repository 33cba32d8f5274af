"""A day of polling in virtual time: faults in random order, kills, failing storage; nothing lost or done twice."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from doradura.chat.router import HANDLED_UPDATES
from doradura.chat.turn import Turn
from doradura.storage import Connection, StorageError
from doradura.telegram.client import open_bot_api
from doradura.telegram.observer import SilentObserver
from doradura.telegram.poller import Poller
from tests.doubles import TOKEN
from tests.unit.chat.polled import FAULTS, Telegram
from tests.wiring import World

DAY = 24 * 3600.0
CALM = 1800.0
"""After the day there are no faults any more: what waits has this long."""
POLLS_A_MINUTE = 200
RECOVERY_SECONDS = 120.0
SEEDS = (1,)


class Soak:
    """One day: who writes, what fails, and what came of it."""

    def __init__(self, world: World, seed: int, *, seconds: float) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.seconds = seconds
        self.telegram = Telegram(self.chance, self._is_stored)
        self.written: list[int] = []
        self.poisoned: set[int] = set()
        self.lives = 0
        self.storage_faults = 0
        world.storage.db.execute("CREATE TABLE effects (token INTEGER)")
        world.route = self.handle

    def _is_stored(self, update_id: int) -> bool:
        return self.world.storage.one("SELECT 1 FROM inbox WHERE update_id = ?", update_id) is not None

    async def handle(self, turn: Turn) -> None:
        """An effect in the update's own transaction; some updates always fail, some fail once."""
        await trio.sleep(self.chance.choice((0, 0, 0.01, 3)))
        token = int(turn.message.text or "0")
        if token in self.poisoned or self.chance.random() < 0.01:
            raise ValueError("the conversation breaks")

        def effect(db: Connection) -> None:
            db.execute("INSERT INTO effects (token) VALUES (?)", (token,))

        await turn.commit(effect)
        await trio.sleep(self.chance.choice((0, 0.5)))

    async def write(self) -> None:
        """People write all day: one now and then, at times a crowd; twice the ids begin anew."""
        restarts = {self.chance.randrange(1000), self.chance.randrange(1000)}
        while trio.current_time() < self.seconds:
            await trio.sleep(self.chance.expovariate(1 / 40))
            if self.chance.randrange(1000) in restarts and not self.telegram.queue:
                self.telegram.restart_ids()
            for _ in range(self.chance.choice((1, 1, 1, 1, 2, 5, 130) if self.chance.random() < 0.05 else (1,))):
                self._write_one()

    def _write_one(self) -> None:
        token = len(self.written) + 1
        chat = self.chance.randrange(1, 30)
        message = {
            "message_id": token,
            "date": int(trio.current_time()),
            "chat": {"id": chat, "type": "private"},
            "from": {"id": chat, "is_bot": False, "first_name": "P"},
            "text": str(token),
        }
        self.written.append(token)
        if self.chance.random() < 0.01:
            self.poisoned.add(token)
        self.telegram.add({"message": message})
        if self.chance.random() < 0.02:
            self.telegram.add({"something_new": {"chat": {"id": chat}}})

    async def change_weather(self) -> None:
        """Hours of calm, storms, and minutes in which nothing works; storage fails at times."""
        while trio.current_time() < self.seconds:
            self.telegram.weather = self.chance.choice((0.0, 0.05, 0.3, 0.7, 1.0))
            failing = self.chance.random() < 0.2
            self.storage_faults += failing
            self.world.storage.fault = StorageError("disk full", reason="full") if failing else None
            await trio.sleep(self.chance.uniform(10, 1200 if self.telegram.weather < 1 else 300))
        self.telegram.weather, self.world.storage.fault = 0.0, None

    async def live(self) -> None:
        """The program runs, and is cut off wherever it stands, again and again."""
        while trio.current_time() < self.seconds + CALM:
            lives = self.lives
            try:
                await self._one_life()
            except* StorageError:
                # On a storage that fails the program does not start; once it has, nothing of the storage's may end it.
                assert self.lives == lives
                await trio.sleep(5)

    async def _one_life(self) -> None:
        async with (
            open_bot_api(
                TOKEN, observer=SilentObserver(), draw=self.chance.random, make_transport=self.telegram.transport
            ) as api,
            self.world.start() as bot,
        ):
            self.lives += 1
            poller = Poller(
                api,
                store=bot.dispatcher.store,
                allowed_updates=HANDLED_UPDATES,
                observer=SilentObserver(),
                draw=self.chance.random,
            )
            bot.nursery.start_soon(poller.run)
            await self._some_time()

    async def _some_time(self) -> None:
        left = self.seconds + CALM - trio.current_time()
        if trio.current_time() >= self.seconds:
            await trio.sleep(left)
            return
        wait = min(left, self.chance.choice((self.chance.uniform(0, 60), self.chance.uniform(0, 4 * 3600))))
        if self.chance.random() < 0.5:  # just as something is stored
            with trio.move_on_after(wait):
                await self.world.changes.until(lambda: self.chance.random() < 0.05)
        else:
            await trio.sleep(wait)

    async def run(self) -> None:
        """Live through the day."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.write)
            nursery.start_soon(self.change_weather)
            await self.live()

    def judge(self) -> dict[str, Any]:
        """Check what must be so, and give the figures."""
        db = self.world.storage.db
        effects = [row[0] for row in db.execute("SELECT token FROM effects ORDER BY token")]
        states = dict(db.execute("SELECT state, COUNT(*) FROM inbox GROUP BY state").fetchall())
        failed = len([1 for (raw,) in db.execute("SELECT raw FROM inbox WHERE state = 'failed'") if "message" in raw])
        assert self.telegram.lost == [], "confirmed before it was stored"
        assert effects == sorted(set(effects)), "done twice"
        assert not set(effects) & self.poisoned
        assert len(effects) + failed == len(self.written), "each is done, or known to have failed"
        assert failed >= len(self.poisoned)
        assert failed - len(self.poisoned) < len(self.written) * 0.001, "one that fails once is done in the end"
        assert "waiting" not in states
        assert self.telegram.queue == {}
        assert set(self.telegram.faults) == set(FAULTS), "each kind of fault came up"
        busiest = max(_per_minute(self.telegram.polls))
        assert busiest <= POLLS_A_MINUTE, "it does not spin"
        after = [at for at in self.telegram.answered if at > self.seconds]
        assert after[0] - self.seconds <= RECOVERY_SECONDS
        return {
            "updates": len(self.written),
            "polls": len(self.telegram.polls),
            "faults": sum(self.telegram.faults.values()),
            "lives": self.lives,
            "storage outages": self.storage_faults,
            "busiest minute": busiest,
        }


def _per_minute(times: list[float]) -> list[int]:
    counts: dict[int, int] = {}
    for at in times:
        counts[int(at // 60)] = counts.get(int(at // 60), 0) + 1
    return list(counts.values())


async def soak(world: World, seed: int) -> None:
    """Live through one day and print its figures."""
    day = Soak(world, seed, seconds=DAY)
    began = time.perf_counter()
    await day.run()
    print(f"seed {seed}: {day.judge()}, {time.perf_counter() - began:.1f} s")  # noqa: T201 - figures, for `pytest -s`


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_day_of_faults(world: World, autojump_clock: MockClock, seed: int) -> None:
    """Whatever happens in whatever order: every update has its effect once."""
    await soak(world, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 130))
async def test_a_month_of_such_days(world: World, autojump_clock: MockClock, seed: int) -> None:
    """The same with other seeds."""
    await soak(world, seed)

"""The health check of the database: each check writes a row, and now and then the whole file is read.

Owns the write in progress and the integrity check's schedule. Knows the storage and `health.CheckResult`. A check never
waits for the disk longer than `LOOK_SECONDS`, whatever the disk does.
"""

from __future__ import annotations

import logging

import trio

from doradura.clock import Clock
from doradura.health import CheckResult, Fact
from doradura.health_sentences import HealthText, Sentence
from doradura.storage import DAMAGE, Connection, Storage, StorageError, runs

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.5
"""Less than the time that a health check may take in all."""
ROUND_SECONDS = 60.0
"""How often to decide whether the whole database has to be read."""
DAMAGED_SECONDS = 600.0
"""After how long a database that is damaged, or that another program wrote to, is read again."""
SOUND_SECONDS = 24 * 3600.0
SHARE = 100
"""Reading the database takes at most one part in this many of the time, however often another program writes to it."""


class StorageCheck:
    """Reports whether data is stored, will be found at the next start, and can be read."""

    def __init__(self, storage: Storage, *, clock: Clock) -> None:
        self._clock = clock
        self._storage = storage
        self._wanted = trio.Event()
        self._began_at: float | None = None
        self._done = trio.Event()
        self._result: StorageError | tuple[float, int] = StorageError("not looked yet", reason="closed")
        self._unusable: str | None = None
        self._read_at: float | None = None
        self._read_seconds: float | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write a row whenever `check` asks for one, and read the database on schedule, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_forever)
            task_status.started()
            while True:
                await self._wanted.wait()
                self._wanted = trio.Event()
                await self._look()
                self._began_at = None
                self._done.set()
                self._done = trio.Event()

    async def check(self) -> CheckResult:
        """Write a row and report how long its commit took, and what is damaged."""
        if not self._storage.is_open:
            return CheckResult("failing", Sentence(HealthText.DATABASE_CLOSED), {"reason": "closed"})
        done = self._done
        if self._began_at is None:
            self._began_at = trio.current_time()
            self._wanted.set()
        with trio.move_on_after(LOOK_SECONDS) as waiting:
            await done.wait()
        if waiting.cancelled_caught and self._began_at is not None:
            waited = trio.current_time() - self._began_at
            said = Sentence(HealthText.WRITE_WAITS, {"seconds": f"{waited:.0f}"})
            return CheckResult("failing", said, {"reason": "waits"})
        return self._judge()

    def _judge(self) -> CheckResult:
        facts: dict[str, Fact] = {"integrity_check_seconds": self._read_seconds}
        if isinstance(self._result, StorageError):
            facts["reason"] = self._result.reason
            is_damage = self._result.reason in DAMAGE | {"lost"}
            advice = HealthText.SEE_RUNBOOK if is_damage else HealthText.SEE_LOG_AND_DISK
            said = Sentence(HealthText.WRITE_FAILED, {"error": str(self._result), "advice": advice})
            return CheckResult("failing", said, facts)
        seconds, unclean_starts = self._result
        facts |= {"commit_seconds": round(seconds, 4), "unclean_starts": unclean_starts}
        if self._storage.damage is not None:
            facts["reason"] = "corrupt"
            values = {"damage": self._storage.damage, "advice": HealthText.SEE_RUNBOOK}
            return CheckResult("failing", Sentence(HealthText.DATABASE_DAMAGED, values), facts)
        if self._unusable is not None:
            facts["reason"] = "unusable"
            return CheckResult("failing", Sentence(HealthText.DATABASE_UNUSABLE, {"fault": self._unusable}), facts)
        return CheckResult("ok", Sentence(HealthText.WRITE_COMMITTED), facts)

    async def _look(self) -> None:
        started = trio.current_time()
        try:
            unclean_starts = await self._storage.write(self._beat)
        except StorageError as error:
            self._result = error
            return
        self._result = trio.current_time() - started, unclean_starts
        self._unusable = await trio.to_thread.run_sync(self._storage.unusable)

    def _beat(self, db: Connection) -> int:
        runs.beat(db, self._clock())
        return runs.unclean_starts(db)

    async def _read_forever(self) -> None:
        while True:
            if self._is_to_be_read():
                await self._read()
            await trio.sleep(ROUND_SECONDS)

    def _is_to_be_read(self) -> bool:
        if self._read_at is None:
            return True
        suspect = self._storage.was_touched or self._storage.damage is not None
        pause = max(DAMAGED_SECONDS, SHARE * (self._read_seconds or 0.0)) if suspect else SOUND_SECONDS
        return trio.current_time() - self._read_at >= pause

    async def _read(self) -> None:
        known = self._storage.damage
        started = trio.current_time()
        try:
            found = await self._storage.check_integrity()
        except StorageError as error:
            log.warning("the database could not be checked for damage", extra={"error": str(error)})
            return
        finally:
            self._read_at = trio.current_time()
        self._read_seconds = round(self._read_at - started, 3)
        if found is not None and found != known:
            log.error("the database is damaged", extra={"found": found, "what_to_do": str(HealthText.SEE_RUNBOOK)})
        elif found is None and known is not None:
            log.info("the database is sound again")

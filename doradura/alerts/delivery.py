"""The way from the outbox to the admins' chats, each admin on their own.

Owns no state that matters: what waits, what stands where and who can't be reached lies in the database, so that a
restart goes on where the last one stopped. What waits is told again until Telegram answers. A message whose answer
never came is sent again, after Telegram answered something else; so is one that a kill cut off. That is the only repeat
there can be, and it is counted. One admin's trouble, and one bad notice, hold up nobody else.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import trio

from doradura.alerts.telling import Telling, may_have_been_done
from doradura.alerts.watchdog import miss, silence_due_ms
from doradura.alerts.words import AlertWords
from doradura.metrics import Metrics
from doradura.storage import Connection, Storage, StorageError, alerts, outbox
from doradura.storage.ids import IdMaker, now_ms
from doradura.telegram.client import BotApi
from doradura.telegram.errors import (
    CHAT_CLOSED,
    BadRequestError,
    DeadlineExceededError,
    TelegramError,
)
from doradura.telegram.retry import backoff

log = logging.getLogger(__name__)

POLL_SECONDS = 15.0
"""How often the outbox is looked at unasked: for what another program of the same database put there."""
PROBE_SECONDS = 600.0
"""How often an admin who can't be written to is tried without a reason."""
DOUBT_SECONDS = 600.0
"""How long a message whose answer was lost waits for any answer of Telegram's before it is sent again all the same."""
SETTLE_SECONDS = 2.0
"""How long a telling under way may end at shutdown: cut off, it would be repeated at the next start."""
LISTEN_SECONDS = 30.0
"""How long the watchdog is waited for before the clocks are looked at again."""
OVERSLEPT_SECONDS = 5.0
"""A wait that takes so much longer was slept through: nobody listened."""
TRIES = 3
"""How often what Telegram refuses is offered, whatever form it has."""

Trouble = Literal["telegram", "storage", "internal"]


@dataclass(slots=True)
class _Admin:
    """One admin's line."""

    admin_id: int
    calling: trio.Lock = field(default_factory=trio.Lock)
    failures: int = 0
    doubt_until: float | None = None
    """Set while the last message's answer is lost: when it is sent again, whatever Telegram does."""
    fault: bool | None = None
    """Whether Telegram refuses to write to them; None until it was asked."""
    probe_at: float = 0.0
    trouble: Trouble | None = None


class AlertDelivery:
    """Tells the admins what the outbox holds, and that the watchdog is silent."""

    def __init__(
        self,
        api: BotApi,
        storage: Storage,
        metrics: Metrics,
        words: AlertWords,
        ids: IdMaker,
        *,
        admin_ids: Collection[int],
        watchdog_seconds: float,
        draw: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._api = api
        self._storage = storage
        self._metrics = metrics
        self._words = words
        self._ids = ids
        self._telling = Telling(api, storage, metrics, words)
        self._admins = [_Admin(admin_id) for admin_id in sorted(admin_ids)]
        self._silent_ms = round(watchdog_seconds * 1000)
        self._draw = draw
        self._woken = trio.Event()
        self._leaving = False

    @property
    def trouble(self) -> Trouble | None:
        """What keeps notices from being told just now, if anything does: Telegram's doing, or ours."""
        found = {admin.trouble for admin in self._admins}
        return next((kind for kind in ("internal", "storage", "telegram") if kind in found), None)

    def wake(self) -> None:
        """Look at the outbox now."""
        self._woken.set()
        self._woken = trio.Event()

    def came(self, user_id: int) -> None:
        """Note that somebody wrote, or let the bot in again: an admin who could not be written to is tried at once."""
        for admin in self._admins:
            if admin.admin_id == user_id and admin.fault:
                admin.probe_at = -math.inf
                self.wake()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell until cancelled. `started()` once the admins are taken over. Raises StorageError before that."""
        started_ms = now_ms()
        seen_ms = await self._storage.write(self._take_over)
        if seen_ms is not None:
            self._metrics.watchdog_last_seen.set(seen_ms / 1000)
        async with trio.open_nursery() as nursery:
            for admin in self._admins:
                nursery.start_soon(self._serve, admin)
            nursery.start_soon(self._watch, started_ms)
            task_status.started()

    async def settle(self) -> None:
        """Begin no new telling, and wait a moment for those under way."""
        self._leaving = True
        with trio.move_on_after(SETTLE_SECONDS):
            async with AsyncExitStack() as stack:
                for admin in self._admins:
                    await stack.enter_async_context(admin.calling)

    def _take_over(self, db: Connection) -> int | None:
        """Make the settings' admins those of the database; tell what fires to those whom this bot never told.

        A bot whose token is back after another's was in use brings its messages up to date.
        """
        outbox.set_admins(db, [admin.admin_id for admin in self._admins])
        for card_id, rank in alerts.open_cards(db):
            for admin in self._admins:
                if not outbox.has_message(db, card_id, admin.admin_id):
                    outbox.tell_admin(db, (self._ids.new(), admin.admin_id, card_id, "card", rank), now_ms())
        admin_ids = {admin.admin_id for admin in self._admins}
        for card_id, admin_id, rank in outbox.take_outdated(db):
            if admin_id in admin_ids:
                outbox.tell_admin(db, (self._ids.new(), admin_id, card_id, "card", rank), now_ms())
        return alerts.watchdog_seen_ms(db)

    async def _watch(self, started_ms: int) -> None:
        """Notice the watchdog's silence."""
        while True:
            woken = self._woken
            wait_seconds = math.inf
            try:
                due_ms = await self._storage.read(
                    partial(silence_due_ms, silent_ms=self._silent_ms, not_before_ms=started_ms)
                )
                if due_ms is not None:
                    wait_seconds = (due_ms - now_ms()) / 1000
                if wait_seconds <= 0:
                    await self._storage.write(self._miss)
                    self.wake()
                    continue
            except StorageError as error:
                log.warning("the watchdog's silence is not known", extra={"error": str(error)})
                wait_seconds = POLL_SECONDS
            except Exception:  # the barrier of one look: alerts are told without a watchdog too
                log.exception("the watchdog's silence is not known")
                self._metrics.errors.labels(category="alert").inc()
                wait_seconds = POLL_SECONDS
            slept_from_ms, wait_seconds = now_ms(), min(wait_seconds, LISTEN_SECONDS)
            with trio.move_on_after(wait_seconds):
                await woken.wait()
            if now_ms() - slept_from_ms > (wait_seconds + OVERSLEPT_SECONDS) * 1000:
                # This process was stopped or its machine asleep: what came then was not heard, as before a start.
                started_ms = now_ms()

    def _miss(self, db: Connection) -> None:
        miss(db, words=self._words, new_id=self._ids.new, now_ms=now_ms())

    async def _serve(self, admin: _Admin) -> None:
        """Tell one admin, one thing after the other. The barrier of an admin's deliveries."""
        while True:
            woken = self._woken
            try:
                busy = await self._step(admin)
                admin.failures, admin.trouble = 0, None
            except TelegramError as error:
                await self._pause(admin, "telegram", error)
                continue
            except StorageError as error:
                await self._pause(admin, "storage", error)
                continue
            except Exception as error:  # the barrier named above
                log.exception("an alert was not told", extra={"admin": admin.admin_id})
                self._metrics.errors.labels(category="alert").inc()
                await self._pause(admin, "internal", error)
                continue
            if not busy:
                with trio.move_on_after(POLL_SECONDS):
                    await woken.wait()

    async def _pause(self, admin: _Admin, trouble: Trouble, error: Exception) -> None:
        admin.trouble = trouble
        admin.failures += 1
        seconds = backoff(admin.failures, draw=self._draw())
        if isinstance(error, DeadlineExceededError) and error.retry_after_seconds is not None:
            seconds = error.retry_after_seconds + 0.5
        extra = {"admin": admin.admin_id, "error": str(error), "seconds": round(seconds, 1)}
        log.warning("an alert waits to be told", extra=extra)
        await trio.sleep(seconds)

    async def _step(self, admin: _Admin) -> bool:
        """Tell an admin the next thing; False when there is nothing to tell."""
        if admin.doubt_until is not None:
            await self._probe(admin)
        # Held while something is being told, and only then: it is what a shutdown waits for.
        async with admin.calling:
            if self._leaving:
                return False
            found = await self._storage.read(lambda db: outbox.next_for(db, admin.admin_id, now_ms()))
            if found is not None:
                await self._tell(admin, found)
                return True
        if trio.current_time() >= admin.probe_at:
            await self._probe(admin)
        return False

    async def _tell(self, admin: _Admin, found: outbox.Waiting) -> None:
        """Tell one thing. Raises what concerns everything for this admin; what concerns this one alone is put off."""
        try:
            await self._telling.tell(found)
        except CHAT_CLOSED as error:
            await self._refused(admin, error)
        except BadRequestError as error:
            await self._bad(found, error)
        except TelegramError as error:
            if may_have_been_done(error):
                admin.doubt_until = trio.current_time() + DOUBT_SECONDS
            raise
        except StorageError:
            raise
        except Exception as error:  # the barrier of one alert: the others go by
            log.exception("an alert could not be told", extra={"admin": admin.admin_id, "card": found.card_id})
            self._metrics.errors.labels(category="alert").inc()
            await self._bad(found, error)
        else:
            await self._reached(admin)

    async def _probe(self, admin: _Admin) -> None:
        """Find out whether Telegram answers, and lets us write to this admin, without sending anything.

        After an answer that never came it must be found out before the message is repeated: an outage that swallows
        answers would make a heap of copies. Should Telegram answer nothing but messages, one is sent at long intervals.
        """
        admin.probe_at = trio.current_time() + PROBE_SECONDS
        try:
            await self._api.send_chat_action(admin.admin_id, priority="alert")
        except CHAT_CLOSED as error:
            await self._refused(admin, error)
        except TelegramError as error:
            if admin.doubt_until is not None and trio.current_time() < admin.doubt_until:
                raise
            log.info("an admin can't be probed", extra={"admin": admin.admin_id, "error": str(error)})
        else:
            await self._reached(admin)
        admin.doubt_until = None

    async def _refused(self, admin: _Admin, error: TelegramError) -> None:
        """Keep what this admin is to be told until they let us."""
        if not admin.fault:
            log.error("an admin can't be told alerts", extra={"admin": admin.admin_id, "error": str(error)})
            self._metrics.errors.labels(category="alert").inc()
        fault = getattr(error, "description", error.detail)
        await self._storage.write(lambda db: outbox.set_fault(db, admin.admin_id, fault, now_ms()))
        admin.fault = True
        admin.probe_at = trio.current_time() + PROBE_SECONDS

    async def _reached(self, admin: _Admin) -> None:
        if admin.fault is not False:
            await self._storage.write(lambda db: outbox.clear_fault(db, admin.admin_id))
            self.wake()
        admin.fault = False
        admin.probe_at = math.inf

    async def _bad(self, found: outbox.Waiting, error: Exception) -> None:
        """Leave what Telegram refuses in any form for later, at last for good."""
        text = str(error)
        if found.refusals + 1 < TRIES:
            await self._storage.write(
                lambda db: outbox.put_off(db, found.notice_id, now_ms() + outbox.LONGEST_PUT_OFF_MS, text)
            )
            return
        log.error("an alert can't be told", extra={"admin": found.admin_id, "card": found.card_id, "error": text})
        if isinstance(error, TelegramError):  # any other was counted where it was caught
            self._metrics.errors.labels(category="alert").inc()
        self._metrics.alert_deliveries.labels(outcome="failed").inc()
        await self._storage.write(lambda db: outbox.give_up(db, found.notice_id, text, now_ms()))

"""Sends the outbox's rows to the targets, each target on its own.

Everything that matters is in the database (rows to send, sent messages, unreachable targets), so a restarted bot goes
on where the last one stopped. A notification is tried until Telegram answers. A message whose answer was lost is sent
again once Telegram has answered something else; so is one that a kill interrupted. No other repeats can happen, and
they are counted. Neither one target's trouble nor one bad notification delays the others.
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

from doradura.alerts.notifications import CLOSED, Notifier, may_have_been_done
from doradura.alerts.rendering import AlertRenderer
from doradura.alerts.watchdog import miss, silence_due_ms
from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.settings import AlertChat
from doradura.storage import Connection, Storage, StorageError, Topic, alerts, outbox
from doradura.storage.ids import IdMaker
from doradura.telegram.client import BotApi
from doradura.telegram.errors import (
    CHAT_CLOSED,
    BadRequestError,
    DeadlineExceededError,
    TelegramError,
)
from doradura.telegram.retry import backoff

log = logging.getLogger(__name__)

PERIOD_SECONDS = 5.0
"""How often each target's outbox is checked without a wake-up, so that an alert never waits for a lost one."""
PROBE_SECONDS = 600.0
"""How often it is checked whether a closed chat accepts messages again."""
DOUBT_SECONDS = 600.0
"""How long a message whose answer was lost waits for any answer of Telegram's before it is sent again anyway."""
DRAIN_SECONDS = 2.0
"""How long calls in progress may take at shutdown: an interrupted one would be repeated at the next start."""
LISTEN_SECONDS = 30.0
"""How long to wait for the watchdog before the clocks are compared again."""
OVERSLEPT_SECONDS = 5.0
"""If a wait takes this much longer than planned, the process or its machine was asleep and could hear no watchdog."""
TRIES = 3
"""How often a notification that Telegram refuses is tried, in whatever form."""

Trouble = Literal["telegram", "storage", "internal"]


@dataclass(slots=True)
class _Target:
    """One target, and how sending to it goes."""

    target_id: int
    chat_id: int
    topic_id: int
    calling: trio.Lock = field(default_factory=trio.Lock)
    failures: int = 0
    doubt_until: float | None = None
    """Set while the answer to the last message is lost: when to send it again, even if Telegram stays silent."""
    fault: bool | None = None
    """Whether Telegram refuses messages to this chat; None until it was tried."""
    only_by_sending: bool = False
    """Whether only a real message shows that the chat accepts messages again: a closed topic, a read-only group."""
    probe_at: float = 0.0
    trouble: Trouble | None = None


class AlertDelivery:
    """Sends the outbox's notifications, and opens the incident of the watchdog's silence."""

    def __init__(
        self,
        api: BotApi,
        storage: Storage,
        metrics: Metrics,
        texts: AlertRenderer,
        ids: IdMaker,
        *,
        chats: Collection[AlertChat],
        watchdog_seconds: float,
        clock: Clock,
        draw: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._api = api
        self._storage = storage
        self._metrics = metrics
        self._texts = texts
        self._ids = ids
        self._clock = clock
        self._notifier = Notifier(api, storage, metrics, texts, clock=clock)
        self._chats = tuple(chats)
        self._targets: list[_Target] = []
        self._silent_ms = round(watchdog_seconds * 1000)
        self._draw = draw
        self._leaving = False

    @property
    def trouble(self) -> Trouble | None:
        """Return what prevents notifications from being sent at the moment; None if nothing does."""
        found = {target.trouble for target in self._targets}
        return next((kind for kind in ("internal", "storage", "telegram") if kind in found), None)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send notifications until cancelled. Calls `started()` once the targets are stored.

        Raises StorageError before that, and nothing after it. A notification that is interrupted by the cancel stays
        in the outbox and is sent again at the next start.
        """
        started_ms = self._clock()
        self._targets, seen_ms = await self._storage.write(self._take_over)
        if seen_ms is not None:
            self._metrics.watchdog_last_seen.set(seen_ms / 1000)
        async with trio.open_nursery() as nursery:
            for target in self._targets:
                nursery.start_soon(self._serve, target)
            nursery.start_soon(self._watch, started_ms)
            task_status.started()

    async def drain(self) -> None:
        """Start no new notification, and wait up to DRAIN_SECONDS for those in progress."""
        self._leaving = True
        with trio.move_on_after(DRAIN_SECONDS):
            async with AsyncExitStack() as stack:
                for target in self._targets:
                    await stack.enter_async_context(target.calling)

    def _take_over(self, db: Connection) -> tuple[list[_Target], int | None]:
        """Store the settings' chats as the targets, and queue open incidents for targets that have no message of them.

        If the bot's token was in use elsewhere meanwhile, outdated messages are queued too. Return the targets, and
        when the watchdog was last seen (ms since 1970).
        """
        places = [(chat.chat_id, chat.topic_id) for chat in self._chats]
        targets = outbox.set_targets(db, places, new_id=self._ids.new)
        for card_id, rank in alerts.open_cards(db):
            for target in targets:
                if not outbox.has_message(db, card_id, target.target_id):
                    self._notify_target(db, target.target_id, card_id, rank)
        active = {target.target_id for target in targets}
        for card_id, target_id, rank in outbox.take_outdated(db):
            if target_id in active:
                self._notify_target(db, target_id, card_id, rank)
        served = [_Target(target.target_id, target.chat_id, target.topic_id) for target in targets]
        return served, alerts.watchdog_seen_ms(db)

    def _notify_target(self, db: Connection, target_id: int, card_id: int, severity_rank: int) -> None:
        outbox.tell_target(
            db,
            target_id=target_id,
            card_id=card_id,
            kind="card",
            severity_rank=severity_rank,
            notice_id=self._ids.new(),
            now_ms=self._clock(),
        )

    async def _watch(self, started_ms: int) -> None:
        """Notice the watchdog's silence. A barrier: an error here does not stop alerts from being sent."""
        while True:
            wait_seconds = math.inf
            try:
                due_ms = await self._storage.read(
                    partial(silence_due_ms, silent_ms=self._silent_ms, not_before_ms=started_ms)
                )
                if due_ms is not None:
                    wait_seconds = (due_ms - self._clock()) / 1000
                if wait_seconds <= 0:
                    await self._storage.write(self._miss)
                    continue
            except StorageError as error:
                log.warning("can't check the watchdog", extra={"error": str(error)})
                wait_seconds = PERIOD_SECONDS
            except Exception:  # the barrier named above
                log.exception("can't check the watchdog")
                self._metrics.errors.labels(category="alert").inc()
                wait_seconds = PERIOD_SECONDS
            slept_from_ms, wait_seconds = self._clock(), min(wait_seconds, LISTEN_SECONDS)
            await trio.sleep(wait_seconds)
            if self._clock() - slept_from_ms > (wait_seconds + OVERSLEPT_SECONDS) * 1000:
                # This process or its machine was asleep and could hear no watchdog, as before a start.
                started_ms = self._clock()

    def _miss(self, db: Connection) -> None:
        miss(db, texts=self._texts, new_id=self._ids.new, now_ms=self._clock())

    async def _serve(self, target: _Target) -> None:
        """Send one target's notifications, one after the other. A barrier: errors delay only this target."""
        watch = self._storage.watch(Topic.OUTBOX, Topic.OPEN_CHATS)
        while True:
            try:
                busy = await self._step(target)
                target.failures, target.trouble = 0, None
            except TelegramError as error:
                await self._pause(target, "telegram", error)
                continue
            except StorageError as error:
                await self._pause(target, "storage", error)
                continue
            except Exception as error:  # the barrier named above
                log.exception("an alert was not sent", extra={"chat": target.chat_id})
                self._metrics.errors.labels(category="alert").inc()
                await self._pause(target, "internal", error)
                continue
            if not busy:
                await watch.next(PERIOD_SECONDS)

    async def _pause(self, target: _Target, trouble: Trouble, error: Exception) -> None:
        target.trouble = trouble
        target.failures += 1
        seconds = backoff(target.failures, draw=self._draw())
        if isinstance(error, DeadlineExceededError) and error.retry_after_seconds is not None:
            seconds = error.retry_after_seconds + 0.5
        extra = {"chat": target.chat_id, "error": str(error), "seconds": round(seconds, 1)}
        log.warning("an alert waits to be sent", extra=extra)
        await trio.sleep(seconds)

    async def _step(self, target: _Target) -> bool:
        """Send a target's next notification, or probe its chat. Return False if there was nothing to do."""
        if target.doubt_until is not None:
            await self._probe(target)
        # Held only while a notification is being sent, because a shutdown waits for it.
        async with target.calling:
            if self._leaving:
                return False
            found = await self._storage.read(lambda db: outbox.next_for(db, target.target_id, self._clock()))
            if found is not None:
                await self._send(target, found)
                return True
        if trio.current_time() >= target.probe_at or (target.fault and await self._is_reopened(target)):
            await self._probe(target)
            return True  # rows that were kept back may be due now
        return False

    async def _is_reopened(self, target: _Target) -> bool:
        """Return whether a closed chat has shown a sign of being open since. True once only, so it causes one probe."""
        if not await self._storage.read(partial(outbox.is_reopened, target_id=target.target_id)):
            return False
        await self._storage.write(partial(outbox.forget_reopened, target_id=target.target_id))
        return True

    async def _send(self, target: _Target, found: outbox.Waiting) -> None:
        """Send one notification. Raises errors that concern the whole target; others only postpone this notification.

        A barrier: an unexpected exception postpones this notification and the others overtake it.
        """
        try:
            await self._notifier.send(found)
        except CLOSED as error:
            await self._refused(target, error)
        except BadRequestError as error:
            await self._bad(found, error)
        except TelegramError as error:
            if may_have_been_done(error):
                target.doubt_until = trio.current_time() + DOUBT_SECONDS
            raise
        except StorageError:
            raise
        except Exception as error:  # the barrier named above
            log.exception("an alert could not be sent", extra={"chat": target.chat_id, "card": found.card_id})
            self._metrics.errors.labels(category="alert").inc()
            await self._bad(found, error)
        else:
            await self._reached(target)

    async def _probe(self, target: _Target) -> None:
        """Find out, without sending a message, whether Telegram answers and accepts messages to this chat.

        This comes before repeating a message whose answer was lost, because an outage that swallows answers would leave
        many copies. If the probe itself can't be answered, the message is repeated at long intervals.
        """
        target.probe_at = trio.current_time() + PROBE_SECONDS
        if target.only_by_sending and target.doubt_until is None:
            await self._storage.write(lambda db: outbox.unpark(db, target.target_id))
            return
        try:
            await self._api.send_chat_action(target.chat_id, thread_id=target.topic_id or None, priority="alert")
        except CLOSED as error:
            await self._refused(target, error)
        except TelegramError as error:
            if target.doubt_until is not None and trio.current_time() < target.doubt_until:
                raise
            log.info("a chat can't be probed", extra={"chat": target.chat_id, "error": str(error)})
        else:
            await self._reached(target)
        target.doubt_until = None

    async def _refused(self, target: _Target, error: TelegramError) -> None:
        """Store that this chat is closed; its notifications stay in the outbox until it opens."""
        if not target.fault:
            log.error("a chat accepts no alerts", extra={"chat": target.chat_id, "error": str(error)})
            self._metrics.errors.labels(category="alert").inc()
        fault = getattr(error, "description", error.detail)
        await self._storage.write(lambda db: outbox.set_fault(db, target.target_id, fault, self._clock()))
        target.fault, target.only_by_sending = True, not isinstance(error, CHAT_CLOSED)
        target.probe_at = trio.current_time() + PROBE_SECONDS

    async def _reached(self, target: _Target) -> None:
        if target.fault is not False:
            await self._storage.write(lambda db: outbox.clear_fault(db, target.target_id))
        target.fault, target.only_by_sending = False, False
        target.probe_at = math.inf

    async def _bad(self, found: outbox.Waiting, error: Exception) -> None:
        """Postpone a notification that Telegram refuses in every form; give it up after TRIES."""
        text = str(error)
        if found.refusals + 1 < TRIES:
            await self._storage.write(
                lambda db: outbox.put_off(db, found.notice_id, self._clock() + outbox.LONGEST_PUT_OFF_MS, text)
            )
            return
        log.error("an alert is given up", extra={"chat": found.chat_id, "card": found.card_id, "error": text})
        if isinstance(error, TelegramError):  # any other error was counted where it was caught
            self._metrics.errors.labels(category="alert").inc()
        # Counted only after it is stored; if storing fails, the notification is tried, and would be counted, again.
        await self._storage.write(lambda db: outbox.give_up(db, found.notice_id, text, self._clock()))
        self._metrics.alert_deliveries.labels(outcome="failed").inc()

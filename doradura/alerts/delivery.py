"""The way from the outbox to the chats that are told, each on its own.

Owns no state that matters: what waits, what stands where and who can't be reached lies in the database, so that a
restart goes on where the last one stopped. What waits is told again until Telegram answers. A message whose answer
never came is sent again, after Telegram answered something else; so is one that a kill cut off. That is the only repeat
there can be, and it is counted. One chat's trouble, and one bad notice, hold up nobody else.
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

from doradura.alerts.telling import CLOSED, Telling, may_have_been_done
from doradura.alerts.watchdog import miss, silence_due_ms
from doradura.alerts.words import AlertWords
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
"""How often each chat's outbox is looked at untold: an alert is not to wait for a lost wake."""
PROBE_SECONDS = 600.0
"""How often a chat that can't be written to is tried without a reason."""
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
class _Line:
    """What waits for one target, and how it goes there."""

    target_id: int
    chat_id: int
    topic_id: int
    calling: trio.Lock = field(default_factory=trio.Lock)
    failures: int = 0
    doubt_until: float | None = None
    """Set while the last message's answer is lost: when it is sent again, whatever Telegram does."""
    fault: bool | None = None
    """Whether Telegram refuses to write there; None until it was asked."""
    only_by_sending: bool = False
    """A topic that is gone or closed, a group that lets nobody write: only a message shows that it takes one again."""
    probe_at: float = 0.0
    trouble: Trouble | None = None


class AlertDelivery:
    """Tells the chats what the outbox holds, and that the watchdog is silent."""

    def __init__(
        self,
        api: BotApi,
        storage: Storage,
        metrics: Metrics,
        words: AlertWords,
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
        self._words = words
        self._ids = ids
        self._clock = clock
        self._telling = Telling(api, storage, metrics, words, clock=clock)
        self._chats = tuple(chats)
        self._lines: list[_Line] = []
        self._silent_ms = round(watchdog_seconds * 1000)
        self._draw = draw
        self._leaving = False

    @property
    def trouble(self) -> Trouble | None:
        """What keeps notices from being told just now, if anything does: Telegram's doing, or ours."""
        found = {line.trouble for line in self._lines}
        return next((kind for kind in ("internal", "storage", "telegram") if kind in found), None)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell until cancelled. `started()` once it is known who is told. Raises StorageError before that."""
        started_ms = self._clock()
        self._lines, seen_ms = await self._storage.write(self._take_over)
        if seen_ms is not None:
            self._metrics.watchdog_last_seen.set(seen_ms / 1000)
        async with trio.open_nursery() as nursery:
            for line in self._lines:
                nursery.start_soon(self._serve, line)
            nursery.start_soon(self._watch, started_ms)
            task_status.started()

    async def settle(self) -> None:
        """Begin no new telling, and wait a moment for those under way."""
        self._leaving = True
        with trio.move_on_after(SETTLE_SECONDS):
            async with AsyncExitStack() as stack:
                for line in self._lines:
                    await stack.enter_async_context(line.calling)

    def _take_over(self, db: Connection) -> tuple[list[_Line], int | None]:
        """Make the settings' chats those of the database; tell what fires to those whom this bot never told.

        A bot whose token is back after another's was in use brings its messages up to date. Return the chats' lines.
        """
        places = [(chat.chat_id, chat.topic_id) for chat in self._chats]
        targets = outbox.set_targets(db, places, new_id=self._ids.new)
        for card_id, rank in alerts.open_cards(db):
            for target in targets:
                if not outbox.has_message(db, card_id, target.target_id):
                    outbox.tell_target(db, (self._ids.new(), target.target_id, card_id, "card", rank), self._clock())
        active = {target.target_id for target in targets}
        for card_id, target_id, rank in outbox.take_outdated(db):
            if target_id in active:
                outbox.tell_target(db, (self._ids.new(), target_id, card_id, "card", rank), self._clock())
        lines = [_Line(target.target_id, target.chat_id, target.topic_id) for target in targets]
        return lines, alerts.watchdog_seen_ms(db)

    async def _watch(self, started_ms: int) -> None:
        """Notice the watchdog's silence. The barrier of one look: alerts are told without a watchdog too."""
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
                log.warning("the watchdog's silence is not known", extra={"error": str(error)})
                wait_seconds = PERIOD_SECONDS
            except Exception:  # the barrier named above
                log.exception("the watchdog's silence is not known")
                self._metrics.errors.labels(category="alert").inc()
                wait_seconds = PERIOD_SECONDS
            slept_from_ms, wait_seconds = self._clock(), min(wait_seconds, LISTEN_SECONDS)
            await trio.sleep(wait_seconds)
            if self._clock() - slept_from_ms > (wait_seconds + OVERSLEPT_SECONDS) * 1000:
                # This process was stopped or its machine asleep: what came then was not heard, as before a start.
                started_ms = self._clock()

    def _miss(self, db: Connection) -> None:
        miss(db, words=self._words, new_id=self._ids.new, now_ms=self._clock())

    async def _serve(self, line: _Line) -> None:
        """Tell one chat, one thing after the other. The barrier of a chat's deliveries."""
        watch = self._storage.watch(Topic.OUTBOX, Topic.OPEN_CHATS)
        while True:
            try:
                busy = await self._step(line)
                line.failures, line.trouble = 0, None
            except TelegramError as error:
                await self._pause(line, "telegram", error)
                continue
            except StorageError as error:
                await self._pause(line, "storage", error)
                continue
            except Exception as error:  # the barrier named above
                log.exception("an alert was not told", extra={"chat": line.chat_id})
                self._metrics.errors.labels(category="alert").inc()
                await self._pause(line, "internal", error)
                continue
            if not busy:
                await watch.next(PERIOD_SECONDS)

    async def _pause(self, line: _Line, trouble: Trouble, error: Exception) -> None:
        line.trouble = trouble
        line.failures += 1
        seconds = backoff(line.failures, draw=self._draw())
        if isinstance(error, DeadlineExceededError) and error.retry_after_seconds is not None:
            seconds = error.retry_after_seconds + 0.5
        extra = {"chat": line.chat_id, "error": str(error), "seconds": round(seconds, 1)}
        log.warning("an alert waits to be told", extra=extra)
        await trio.sleep(seconds)

    async def _step(self, line: _Line) -> bool:
        """Tell a chat the next thing, or try whether it takes any; False when there is nothing to do."""
        if line.doubt_until is not None:
            await self._probe(line)
        # Held while something is being told, and only then: it is what a shutdown waits for.
        async with line.calling:
            if self._leaving:
                return False
            found = await self._storage.read(lambda db: outbox.next_for(db, line.target_id, self._clock()))
            if found is not None:
                await self._tell(line, found)
                return True
        if trio.current_time() >= line.probe_at or (line.fault and await self._is_reopened(line)):
            await self._probe(line)
            return True  # what was kept for it may wait again
        return False

    async def _is_reopened(self, line: _Line) -> bool:
        """Whether a chat that refused was heard of since; given once, so that one word of it is one try."""
        if not await self._storage.read(partial(outbox.is_reopened, target_id=line.target_id)):
            return False
        await self._storage.write(partial(outbox.forget_reopened, target_id=line.target_id))
        return True

    async def _tell(self, line: _Line, found: outbox.Waiting) -> None:
        """Tell one thing. Raises what concerns everything for this chat; what concerns this one alone is put off.

        The barrier of one alert: what breaks in telling it is its own concern, and the others go by.
        """
        try:
            await self._telling.tell(found)
        except CLOSED as error:
            await self._refused(line, error)
        except BadRequestError as error:
            await self._bad(found, error)
        except TelegramError as error:
            if may_have_been_done(error):
                line.doubt_until = trio.current_time() + DOUBT_SECONDS
            raise
        except StorageError:
            raise
        except Exception as error:  # the barrier named above
            log.exception("an alert could not be told", extra={"chat": line.chat_id, "card": found.card_id})
            self._metrics.errors.labels(category="alert").inc()
            await self._bad(found, error)
        else:
            await self._reached(line)

    async def _probe(self, line: _Line) -> None:
        """Find out whether Telegram answers, and lets us write to this chat, without sending anything.

        After an answer that never came it must be found out before the message is repeated: an outage that swallows
        answers would make a heap of copies. Should Telegram answer nothing but messages, one is sent at long intervals.
        """
        line.probe_at = trio.current_time() + PROBE_SECONDS
        if line.only_by_sending and line.doubt_until is None:
            await self._storage.write(lambda db: outbox.unpark(db, line.target_id))
            return
        try:
            await self._api.send_chat_action(line.chat_id, thread_id=line.topic_id or None, priority="alert")
        except CLOSED as error:
            await self._refused(line, error)
        except TelegramError as error:
            if line.doubt_until is not None and trio.current_time() < line.doubt_until:
                raise
            log.info("a chat can't be probed", extra={"chat": line.chat_id, "error": str(error)})
        else:
            await self._reached(line)
        line.doubt_until = None

    async def _refused(self, line: _Line, error: TelegramError) -> None:
        """Keep what this chat is to be told until it lets us."""
        if not line.fault:
            log.error("a chat can't be told alerts", extra={"chat": line.chat_id, "error": str(error)})
            self._metrics.errors.labels(category="alert").inc()
        fault = getattr(error, "description", error.detail)
        await self._storage.write(lambda db: outbox.set_fault(db, line.target_id, fault, self._clock()))
        line.fault, line.only_by_sending = True, not isinstance(error, CHAT_CLOSED)
        line.probe_at = trio.current_time() + PROBE_SECONDS

    async def _reached(self, line: _Line) -> None:
        if line.fault is not False:
            await self._storage.write(lambda db: outbox.clear_fault(db, line.target_id))
        line.fault, line.only_by_sending = False, False
        line.probe_at = math.inf

    async def _bad(self, found: outbox.Waiting, error: Exception) -> None:
        """Leave what Telegram refuses in any form for later, at last for good."""
        text = str(error)
        if found.refusals + 1 < TRIES:
            await self._storage.write(
                lambda db: outbox.put_off(db, found.notice_id, self._clock() + outbox.LONGEST_PUT_OFF_MS, text)
            )
            return
        log.error("an alert can't be told", extra={"chat": found.chat_id, "card": found.card_id, "error": text})
        if isinstance(error, TelegramError):  # any other was counted where it was caught
            self._metrics.errors.labels(category="alert").inc()
        # Counted once it is stored: what is not given up yet is tried, and would be counted, once more.
        await self._storage.write(lambda db: outbox.give_up(db, found.notice_id, text, self._clock()))
        self._metrics.alert_deliveries.labels(outcome="failed").inc()

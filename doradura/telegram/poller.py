"""The long poll: gets updates, has them stored, and only then confirms them to Telegram.

An update is confirmed by the next poll's offset, so a crash before that brings it again; whoever stores knows the ones
it has by membership. Updates are never compared with those of other batches: Telegram restarts its ids at random
(https://core.telegram.org/bots/api#getting-updates).
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec
import trio

from doradura.telegram.errors import (
    ConflictError,
    DeadlineExceededError,
    NotSentError,
    RateLimitedError,
    TelegramError,
    TokenRefusedError,
)
from doradura.telegram.holds import LONGEST_HOLD_SECONDS, ActiveHold
from doradura.telegram.observer import TelegramObserver
from doradura.telegram.retry import backoff, rate_limit_wait
from doradura.telegram.types import User
from doradura.telegram.updates import Batch, RawUpdate, read_batch

__all__ = ["POLL_SECONDS", "PollState", "Poller", "PollingApi", "RawUpdate", "Store", "poll_seconds"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 45
"""The server cuts polls at 50 s; proxies on the way like to cut at 60."""
LOCAL_POLL_SECONDS = 2
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
STALL_MARGIN_SECONDS = 20.0
"""After the poll's time and this, an attempt is cut off, whatever the layers below believe."""
START_CALL_SECONDS = 15.0
LONGEST_DELAY_SECONDS = 30.0
CONFLICT_DELAY_SECONDS = 5.0
MALFORMED_DELAY_SECONDS = 5.0
SHORTEST_EMPTY_POLL_SECONDS = 1.0
LOG_SECONDS = 60.0

PollState = Literal["starting", "polling", "unreachable", "conflict", "rate_limited", "store_failing"]
Store = Callable[[Sequence[RawUpdate]], Awaitable[None]]


def poll_seconds(api_url: str) -> int:
    """How long a poll may wait. On this machine asking again costs nothing, and each end shows that the server lives.

    An idle bot beside a stack that runs at thirty times the speed would else look as if Telegram were silent.
    """
    return LOCAL_POLL_SECONDS if urlsplit(api_url).hostname in LOOPBACK_HOSTS else POLL_SECONDS


class PollingApi(Protocol):
    """What the poller needs of a BotApi."""

    async def get_me(self, *, deadline_seconds: float = ...) -> User:
        """Return the bot's own user."""

    async def delete_webhook(self, *, deadline_seconds: float = ...) -> None:
        """Remove a webhook."""

    async def get_updates(
        self, *, offset: int | None, timeout_seconds: int, allowed_updates: Sequence[str]
    ) -> list[msgspec.Raw]:
        """Poll once."""


class Poller:
    """Polls until it is cancelled. `state`, `last_poll_at` and `hold` are for whoever reports health.

    `store` gets the updates of one poll in order and returns when they are safe; what it raises leaves them
    unconfirmed, and they are asked for again. `last_poll_at` is Trio's time of the last poll that was answered
    properly; None until then.
    """

    def __init__(
        self,
        api: PollingApi,
        *,
        store: Store,
        allowed_updates: Sequence[str],
        observer: TelegramObserver,
        poll_seconds: int = POLL_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.state: PollState = "starting"
        self.last_poll_at: float | None = None
        self._api = api
        self._store = store
        self._allowed_updates = tuple(allowed_updates)
        self._observer = observer
        self._poll_seconds = poll_seconds
        self._draw = draw
        self._offset: int | None = None
        self._once = False
        """Whether the offset is to be said to Telegram in one poll alone."""
        self._failures = 0
        self._logged_at: dict[str, float] = {}
        self._held = ("", -math.inf)
        """The method that a 429 was the answer to, and until when it is not asked again."""

    def hold(self) -> ActiveHold | None:
        """Return the method that a 429 keeps from being asked just now, and for how long."""
        method, until = self._held
        left = until - trio.current_time()
        return ActiveHold(method, left) if self.state == "rate_limited" and left > 0 else None

    async def run(self, *, task_status: trio.TaskStatus[User] = trio.TASK_STATUS_IGNORED) -> None:
        """Poll for ever; started with the bot's user, once Telegram knows the token and no webhook is in the way.

        Raises TokenRefusedError, at the start or later, and nothing else of Telegram's. Cancelled, it leaves at once:
        updates that were stored but not confirmed come again at the next start.
        """
        user = await self._greet()
        task_status.started(user)
        while True:
            delay_seconds = await self._turn()
            await trio.sleep(delay_seconds)

    async def _greet(self) -> User:
        """Wait until Telegram answers: outages at start are as likely as any, and the program must not die of them."""
        while True:
            try:
                user = await self._api.get_me(deadline_seconds=START_CALL_SECONDS)
                await self._api.delete_webhook(deadline_seconds=START_CALL_SECONDS)
            except TokenRefusedError:
                raise
            except TelegramError as error:
                await trio.sleep(self._after_failure(error))
            else:
                self._failures = 0
                return user

    async def _turn(self) -> float:
        """Poll once, store what came, and return the seconds to wait before the next poll."""
        started = trio.current_time()
        first = self.last_poll_at is None
        try:
            batch = await self._poll()
        except TokenRefusedError:
            raise
        except ConflictError as error:
            return await self._after_conflict(error)
        except TelegramError as error:
            return self._after_failure(error)
        if batch is None:
            self._log("stalled", "a poll did not come back within its time and was cut off")
            return self._delay("unreachable")
        self.last_poll_at = trio.current_time()
        self._observer.poll_completed()
        # The first poll answers at once by its own wish.
        return await self._take_in(batch, poll_seconds=math.inf if first else self.last_poll_at - started)

    async def _poll(self) -> Batch | None:
        """Poll once; None when the attempt had to be cut off, which also throws its connection away.

        The first poll does not wait: it says within moments whether polling works, and brings what piled up. Nor does
        the one that tries after a 429.
        """
        at_once = self.last_poll_at is None or self.state == "rate_limited"
        timeout_seconds = 0 if at_once else self._poll_seconds
        with trio.move_on_after(self._poll_seconds + STALL_MARGIN_SECONDS):
            items = await self._api.get_updates(
                offset=self._offset, timeout_seconds=timeout_seconds, allowed_updates=self._allowed_updates
            )
            return read_batch(items)
        return None

    async def _take_in(self, batch: Batch, *, poll_seconds: float) -> float:
        """Store a batch, then let the next poll confirm it.

        The barrier for whatever `store` raises: without it a full disk would end the program, and with it the updates
        wait at Telegram. It is logged with its traceback, shown in `state`, and tried again for ever.
        """
        for _ in range(batch.malformed):
            self._observer.update_malformed()
        if batch.malformed:
            self._log("malformed", f"passed over {batch.malformed} updates without a readable update_id")
        if not batch.updates and batch.oversized is not None:
            # Confirmed alone and once: no later update is compared with such a number.
            self._log("malformed", "passed over updates whose numbers are too large")
            self._offset, self._once = batch.oversized + 1, True
            self._progressed()
            return MALFORMED_DELAY_SECONDS
        if self._once:
            self._offset, self._once = None, False
        if not batch.updates:
            # Nothing to confirm. A malformed update alone comes again at once, and a broken proxy may answer at once
            # with nothing: neither may spin.
            self._progressed()
            if batch.malformed:
                return MALFORMED_DELAY_SECONDS
            return max(0.0, SHORTEST_EMPTY_POLL_SECONDS - poll_seconds)
        try:
            await self._store(batch.updates)
        except Exception:
            logger.exception("%d updates could not be stored; they stay at Telegram", len(batch.updates))
            return self._delay("store_failing")
        self._offset = batch.next_offset
        self._progressed()
        return 0.0

    async def _after_conflict(self, error: ConflictError) -> float:
        """Another getUpdates took over (a second instance, or one that is just leaving), or a webhook was set."""
        self._observer.poll_conflict()
        self._log("conflict", f"{error.description} (is a second instance running?)")
        if "webhook" in error.description.lower():
            try:
                await self._api.delete_webhook(deadline_seconds=START_CALL_SECONDS)
            except TokenRefusedError:
                raise
            except TelegramError as failure:
                return self._after_failure(failure)
        return self._delay("conflict", first_seconds=CONFLICT_DELAY_SECONDS)

    def _after_failure(self, error: TelegramError) -> float:
        limit = error.__cause__ if isinstance(error, DeadlineExceededError) else error
        if not isinstance(limit, NotSentError) or limit.unreachable is None:  # that was said in better words
            self._log("failed", str(error))
        if isinstance(limit, RateLimitedError):
            self._failures = self._failures + 1 if self.state == "rate_limited" else 1
            self.state = "rate_limited"
            # A poll that comes too early costs one more 429; a bot that is deaf for a day, the day.
            seconds = rate_limit_wait(limit, attempt=self._failures, draw=self._draw())
            seconds = min(seconds, LONGEST_HOLD_SECONDS)
            self._held = (error.method, trio.current_time() + seconds)
            return seconds
        return self._delay("unreachable")

    def _delay(self, state: PollState, *, first_seconds: float = 1.0) -> float:
        """Note a failure and return the wait after it, longer after each of its sort in a row."""
        self._failures = self._failures + 1 if state == self.state else 1
        self.state = state
        return backoff(
            self._failures, draw=self._draw(), first_seconds=first_seconds, longest_seconds=LONGEST_DELAY_SECONDS
        )

    def _progressed(self) -> None:
        if self.state not in {"starting", "polling"}:
            logger.info("polling again, after %d failures", self._failures)
        self.state = "polling"
        self._failures = 0

    def _log(self, about: Literal["stalled", "malformed", "conflict", "failed"], text: str) -> None:
        """Warn, but not more than once a minute about the same thing: an outage lasts for thousands of polls."""
        now = trio.current_time()
        if now - self._logged_at.get(about, -math.inf) >= LOG_SECONDS:
            self._logged_at[about] = now
            logger.warning("getUpdates: %s", text)

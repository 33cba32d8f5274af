"""The long poll: fetches updates, has them stored, and only then confirms them to Telegram.

The next poll's offset confirms an update, so after an earlier crash it comes again; the store recognises known ids by
membership. Updates are never compared with those of other batches: Telegram restarts its ids at random
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

__all__ = [
    "POLL_SECONDS",
    "PollState",
    "Poller",
    "PollingApi",
    "RawUpdate",
    "Store",
    "UpdatesNotStoredError",
    "poll_seconds",
]

logger = logging.getLogger(__name__)

POLL_SECONDS = 45
"""The server ends polls at 50 s; proxies in between often do at 60."""
LOCAL_POLL_SECONDS = 2
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
STALL_MARGIN_SECONDS = 20.0
"""An attempt is cancelled this long after the poll's own time, whatever the layers below believe."""
OVERSLEPT_SECONDS = 2.0
"""If a poll is cancelled this much later than it should have been, this process was stopped meanwhile."""
START_CALL_SECONDS = 15.0
LONGEST_DELAY_SECONDS = 30.0
CONFLICT_DELAY_SECONDS = 5.0
MALFORMED_DELAY_SECONDS = 5.0
SHORTEST_EMPTY_POLL_SECONDS = 1.0
LOG_SECONDS = 60.0

PollState = Literal["starting", "polling", "unreachable", "conflict", "rate_limited", "store_failing"]
Store = Callable[[Sequence[RawUpdate]], Awaitable[None]]


class UpdatesNotStoredError(Exception):
    """Raised by a `Store` that is not able to store now; the message says why. Telegram sends the updates again."""


def poll_seconds(api_url: str) -> int:
    """Return how long a poll may wait.

    On this machine polls cost nothing, and each answer shows that the server is alive. Otherwise an idle bot beside a
    stack that runs at thirty times the speed would look as if Telegram were silent.
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
    """Polls until it is cancelled. `state`, `last_poll_at` and `hold` are for health checks.

    `store` receives the updates of one poll in order and returns once they are safe; if it raises, they stay
    unconfirmed and are fetched again. `last_poll_at` is Trio's time of the last proper answer to a poll; None until
    then.
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
        """Whether the offset is sent to Telegram in one poll only."""
        self._failures = 0
        self._logged_at: dict[str, float] = {}
        self._held = ("", -math.inf)
        """The method that got a 429, and until when it is not called again."""

    def hold(self) -> ActiveHold | None:
        """Return the method that a 429 holds at the moment, and for how long; None if it holds none."""
        method, until = self._held
        left = until - trio.current_time()
        return ActiveHold(method, left) if self.state == "rate_limited" and left > 0 else None

    async def run(self, *, task_status: trio.TaskStatus[User] = trio.TASK_STATUS_IGNORED) -> None:
        """Poll for ever; `started` gets the bot's user once Telegram accepts the token and no webhook is in the way.

        Raises TokenRefusedError, at the start or later, and no other error of Telegram's. When cancelled it ends at
        once; updates that were stored but not confirmed come again at the next start.
        """
        user = await self._greet()
        task_status.started(user)
        while True:
            delay_seconds = await self._turn()
            await trio.sleep(delay_seconds)

    async def _greet(self) -> User:
        """Wait until Telegram answers: an outage at start is as likely as at any time and must not end the program."""
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
        """Poll once, store the updates, and return the seconds to wait before the next poll."""
        started = trio.current_time()
        first = self.last_poll_at is None
        try:
            batch = await self._poll()
        except TokenRefusedError:
            raise
        except ConflictError as error:
            return await self._after_conflict(error)
        except TelegramError as error:
            return 0.0 if self._overslept(started) else self._after_failure(error)
        if batch is None:
            if self._overslept(started):
                return 0.0
            self._log("stalled", "a poll did not come back within its time and was cut off")
            return self._delay("unreachable")
        self.last_poll_at = trio.current_time()
        self._observer.poll_completed()
        # the first poll was asked to return at once
        return await self._take_in(batch, poll_seconds=math.inf if first else self.last_poll_at - started)

    def _overslept(self, started: float) -> bool:
        """Whether a poll took longer than any can: then its end says nothing of Telegram, and it is made anew."""
        longest = self._poll_seconds + STALL_MARGIN_SECONDS + OVERSLEPT_SECONDS
        return trio.current_time() - started > longest

    async def _poll(self) -> Batch | None:
        """Poll once; None if the attempt had to be cancelled, which also discards its connection.

        The first poll does not wait: it shows within moments whether polling works, and fetches what piled up. Neither
        does the one that tries after a 429.
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

        This is the barrier for whatever `store` raises: without it a full disk would end the program; with it the
        updates wait at Telegram. The error is logged with its traceback, shown in `state`, and storing is tried again
        for ever.
        """
        for _ in range(batch.malformed):
            self._observer.update_malformed()
        if batch.malformed:
            self._log("malformed", f"passed over {batch.malformed} updates without a readable update_id")
        if not batch.updates and batch.oversized is not None:
            # Confirmed once, in a poll of its own: no later update is compared with such a number.
            self._log("malformed", "passed over updates whose numbers are too large")
            self._offset, self._once = batch.oversized + 1, True
            self._progressed()
            return MALFORMED_DELAY_SECONDS
        if self._once:
            self._offset, self._once = None, False
        if not batch.updates:
            # There is nothing to confirm. A malformed update alone would come again at once, and a broken proxy may
            # answer at once with nothing: neither may cause a busy loop.
            self._progressed()
            if batch.malformed:
                return MALFORMED_DELAY_SECONDS
            return max(0.0, SHORTEST_EMPTY_POLL_SECONDS - poll_seconds)
        try:
            await self._store(batch.updates)
        except UpdatesNotStoredError as error:
            self._log("not stored", f"{len(batch.updates)} updates could not be stored, they stay at Telegram: {error}")
            return self._delay("store_failing")
        except Exception:
            logger.exception("%d updates could not be stored; they stay at Telegram", len(batch.updates))
            return self._delay("store_failing")
        self._offset = batch.next_offset
        self._progressed()
        return 0.0

    async def _after_conflict(self, error: ConflictError) -> float:
        """Handle a 409.

        Another getUpdates took over (a second instance, or one that is just stopping), or a webhook was set.
        """
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
        if not isinstance(limit, NotSentError) or limit.unreachable is None:  # logged in better words already
            self._log("failed", str(error))
        if isinstance(limit, RateLimitedError):
            self._failures = self._failures + 1 if self.state == "rate_limited" else 1
            self.state = "rate_limited"
            # A poll that comes too early costs one more 429; a day's wait would cost a day of silence.
            seconds = rate_limit_wait(limit, attempt=self._failures, draw=self._draw())
            seconds = min(seconds, LONGEST_HOLD_SECONDS)
            self._held = (error.method, trio.current_time() + seconds)
            return seconds
        return self._delay("unreachable")

    def _delay(self, state: PollState, *, first_seconds: float = 1.0) -> float:
        """Record a failure and return the wait after it, which grows with each failure of the same kind in a row."""
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

    def _log(self, about: Literal["stalled", "malformed", "conflict", "failed", "not stored"], text: str) -> None:
        """Warn, but at most once a minute about the same thing: an outage lasts for thousands of polls."""
        now = trio.current_time()
        if now - self._logged_at.get(about, -math.inf) >= LOG_SECONDS:
            self._logged_at[about] = now
            logger.warning("getUpdates: %s", text)

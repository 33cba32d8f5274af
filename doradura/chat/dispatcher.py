"""Handles the inbox's updates: each chat's in order, payment questions first.

The dispatcher owns the stored updates that wait. Each of them is handled, even after a restart, and never two of one
chat at once. An update that fails three times is marked as failed, its sender is told, and the chat's next one follows.
If Telegram or the database doesn't answer, the update waits and no try is counted. If the database is damaged and can't
store the result, the update is skipped after three tries, but only in memory. An answer that was sent is not sent again
because storing failed. Memory is bounded: updates that don't fit wait in the database.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from doradura.accounts.account import Account, account_of, read_account
from doradura.chat.handling import AlreadyHandledError, Handling, Said
from doradura.chat.texts import Catalogues
from doradura.clock import Clock
from doradura.downloads.closed_chats import note_closed
from doradura.metrics import Metrics
from doradura.storage import DAMAGE, Change, Storage, StorageError, Topic, inbox
from doradura.storage.ids import IdMaker
from doradura.storage.inbox import NewUpdate, StoredUpdate
from doradura.telegram.client import BotApi
from doradura.telegram.errors import (
    CHAT_CLOSED,
    DeadlineExceededError,
    MalformedUpdateError,
    NotAllowedError,
    RateLimitedError,
    ServerError,
    TelegramError,
    TokenRefusedError,
    UnconfirmedError,
    UnexpectedResultError,
)
from doradura.telegram.poller import RawUpdate, UpdatesNotStoredError
from doradura.telegram.types import Update, User, decode_update

CONCURRENT_CHATS = 200
"""More than the client has connections, because a chat on hold occupies one of these until the hold ends."""
IN_MEMORY = 500
IN_HAND_OF_A_CHAT = 20
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
LOOK_SECONDS = 30.0
URGENT_KIND = "pre_checkout_query"
"""Telegram wants its answer within ten seconds, so it does not wait for other updates of its chat."""
GIVE_UP_SECONDS = 24 * 3600.0
"""After this time an update is not tried again, as nobody waits for its answer any more. It is measured with the
monotonic clock, because a system time that jumps ahead would discard new updates."""

_OUTSIDE = (DeadlineExceededError, UnconfirmedError, RateLimitedError, ServerError, StorageError)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Past:
    """What earlier tries of an update achieved."""

    said: Said = field(default_factory=Said)
    routed: Handling | None = None
    """The handling whose conversation has finished; the update only needs to be marked as handled."""
    damaged: int = 0
    """How many tries failed because the database is damaged."""


class Dispatcher:
    """Stores updates and passes them to `route`, which finds their conversation."""

    def __init__(
        self,
        route: Callable[[Handling], Awaitable[None]],
        *,
        api: BotApi,
        storage: Storage,
        metrics: Metrics,
        ids: IdMaker,
        clock: Clock,
        catalogues: Catalogues,
        admin_ids: frozenset[int],
    ) -> None:
        self._route = route
        self._api = api
        self._storage = storage
        self._metrics = metrics
        self._ids = ids
        self._clock = clock
        self._catalogues = catalogues
        self._admin_ids = admin_ids
        self._lanes: dict[object, deque[StoredUpdate]] = {}
        self._accounts = storage.watch(Topic.ACCOUNTS)
        self._held: dict[int, int] = {}
        """The ids of the updates in memory, each with the number of changes to accounts when it was read."""
        self._passed: set[int] = set()
        """Updates that a damaged database can't mark as handled. They must not be handled again."""
        self._more = False
        """Whether the database may hold updates that had no room in memory."""
        self._wake = trio.Event()
        self._reading = trio.CancelScope()
        self._stopping = trio.Event()
        self._limit = trio.CapacityLimiter(CONCURRENT_CHATS)

    async def store(self, updates: Sequence[RawUpdate]) -> None:
        """Put a poll's batch into the inbox in one transaction. Raises UpdatesNotStoredError.

        The batch may be confirmed to Telegram only after this returned; a batch that comes again is not stored twice.
        """
        now = self._clock()
        new = [
            NewUpdate(
                update_id=update.update_id,
                arrival=self._ids.new(),
                kind=update.kind,
                chat_id=_lane(update),
                user_id=_storable(update.user_id),
                raw=_text(update.raw),
            )
            for update in updates
        ]
        try:
            await self._storage.write(lambda db: inbox.add(db, new, now))
        except StorageError as error:
            raise UpdatesNotStoredError(str(error)) from error
        self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Handle updates until `stop` is called and those in progress are handled.

        Raises StorageError before `started()`, and TokenRefusedError at any time. After a cancel, the updates in
        progress are still in the inbox and are handled at the next start.
        """
        self._ids.go_on_after(await self._storage.read(inbox.last_arrival))
        async with trio.open_nursery() as nursery:
            task_status.started()
            with self._reading:
                await self._read_forever(nursery)

    def stop(self) -> None:
        """Start no new update. Those that wait stay in the database for the next start."""
        self._stopping.set()
        self._reading.cancel()

    async def _read_forever(self, nursery: trio.Nursery) -> None:
        while True:
            self._wake = trio.Event()
            full = self._full_chats()
            # Decided before the query, because there may be room again by the time it returns.
            self._more = bool(full) or len(self._held) >= IN_MEMORY
            changes = self._accounts.touches
            try:
                found = await self._storage.read(self._query(full))
            except StorageError as error:
                log.error("can't read the inbox", extra={"error": str(error)})  # noqa: TRY400 - no surprise
                await trio.sleep(FIRST_PAUSE_SECONDS)
                continue
            for stored in found:
                self._held[stored.update_id] = changes
                self._put(stored, nursery)
            if not found:
                with trio.move_on_after(LOOK_SECONDS):
                    await self._wake.wait()

    def _full_chats(self) -> list[int]:
        return [chat for chat, lane in self._lanes.items() if isinstance(chat, int) and len(lane) >= IN_HAND_OF_A_CHAT]

    def _query(self, full: list[int]) -> Change[list[StoredUpdate]]:
        """Return the query for updates that are not in memory, limited per chat so that none crowds out the others."""
        return partial(
            inbox.waiting,
            held=tuple(self._held.keys() | self._passed),
            full_chats=full,
            urgent_kind=URGENT_KIND,
            limit_of_a_chat=IN_HAND_OF_A_CHAT,
            limit=max(0, IN_MEMORY - len(self._held)),
        )

    def _put(self, stored: StoredUpdate, nursery: trio.Nursery) -> None:
        urgent = stored.kind == URGENT_KIND
        key: object = (URGENT_KIND, stored.update_id) if urgent else stored.chat_id
        if key in self._lanes:
            self._lanes[key].append(stored)
        else:
            self._lanes[key] = deque([stored])
            nursery.start_soon(self._work, key, urgent)

    async def _work(self, key: object, urgent: bool) -> None:  # noqa: FBT001 - nursery.start_soon takes no keywords
        lane = self._lanes[key]
        try:
            while lane and not self._stopping.is_set():
                await self._handle_until_done(lane[0], urgent=urgent)
                del self._held[lane.popleft().update_id]
                if self._more and (len(lane) in {0, IN_HAND_OF_A_CHAT // 2} or len(self._held) == IN_MEMORY // 2):
                    self._wake.set()
        finally:
            del self._lanes[key]

    async def _handle_until_done(self, stored: StoredUpdate, *, urgent: bool) -> None:
        pause = FIRST_PAUSE_SECONDS
        give_up_at = trio.current_time() + GIVE_UP_SECONDS
        past = _Past()
        while True:
            if urgent:
                done = await self._handle(stored, past, give_up_at)
            else:
                async with self._limit:
                    done = await self._handle(stored, past, give_up_at)
            if done:
                return
            with trio.move_on_after(pause):
                await self._stopping.wait()
            if self._stopping.is_set():
                return
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _handle(self, stored: StoredUpdate, past: _Past, give_up_at: float) -> bool:
        """Handle one update. Return False if it must be tried again. A barrier: exceptions concern this update only."""
        try:
            handling = past.routed or await self._begin(stored, decode_update(stored.raw), past)
        except (MalformedUpdateError, RecursionError) as error:
            log.warning("update not understood", extra={"update": stored.update_id, "error": str(error)})
            self._metrics.errors.labels(category="telegram").inc()
            return await self._failed(stored, None, error, tries=inbox.TRIES)
        try:
            await self._converse(handling, past)
        except TokenRefusedError:
            raise  # this ends the program, and the update waits for the next start
        except (*CHAT_CLOSED, NotAllowedError, UnexpectedResultError) as error:
            # The user blocked the bot before the answer, or the bot is muted in the group: nobody can be answered, and
            # it is not our fault. After an unexpected result, the call did take effect.
            log.warning("update answered in vain", extra={"update": stored.update_id, "error": str(error)})
            await self._in_vain(handling, error)
        except _OUTSIDE as error:
            log.warning("update waits", extra={"update": stored.update_id, "error": str(error)})
            if trio.current_time() > give_up_at:
                await self._done(handling)
            elif not handling.committed and not await self._is_hopeless(handling, past, error):
                return False
        except Exception as error:  # the barrier of one update
            log.exception("update failed", extra={"update": stored.update_id, "kind": stored.kind})
            self._metrics.errors.labels(category="internal").inc()
            if not handling.committed:
                return await self._failed(stored, handling, error)
            await self._stop_turning(handling)
        self._count(handling, stored.kind)
        return True

    async def _converse(self, handling: Handling, past: _Past) -> None:
        """Run the conversation unless an earlier try finished it, and mark the update as handled."""
        try:
            if past.routed is None:
                await self._route(handling)
                past.routed = handling
            await self._committed(handling)
        except AlreadyHandledError:
            log.warning("update was stored before", extra={"update": handling.update_id})

    @staticmethod
    async def _committed(handling: Handling) -> None:
        if not handling.committed:
            await handling.mark_handled()

    async def _in_vain(self, handling: Handling, error: TelegramError) -> None:
        """Mark an update as handled although its answer failed, and then store that the chat is closed, if it is.

        The order matters: marking an update counts as a sign that its chat is open.
        """
        await self._done(handling)
        if isinstance(error, CHAT_CLOSED):
            await note_closed(self._storage, handling.chat_id, self._clock)

    async def _is_hopeless(self, handling: Handling, past: _Past, error: Exception) -> bool:
        """Return whether further tries are pointless because the database is damaged. If so, tell the sender once."""
        past.damaged += isinstance(error, StorageError) and error.reason in DAMAGE
        if past.damaged < inbox.TRIES:
            return False
        log.error("update not stored: the database is damaged", extra={"update": handling.update_id})
        self._passed.add(handling.update_id)
        if not past.said.anything:
            await self._tell_trouble(handling)
        return True

    def _count(self, handling: Handling, kind: str) -> None:
        self._metrics.updates.labels(type=kind).inc()
        if handling.command is not None:
            self._metrics.command_usage.labels(command=handling.command).inc()

    @staticmethod
    async def _stop_turning(handling: Handling) -> None:
        """Answer a callback query whose effect is stored but whose answer failed, so that its button stops spinning."""
        if handling.update.callback_query is not None:
            try:
                await handling.answer()
            except TelegramError as error:
                log.info("callback query not answered", extra={"update": handling.update_id, "error": str(error)})

    async def _begin(self, stored: StoredUpdate, update: Update, past: _Past) -> Handling:
        past.said.begin_again()
        user = _from_whom(update)
        return Handling(
            update_id=stored.update_id,
            update=update,
            account=None if user is None else await self._account(user, stored),
            chat_id=stored.chat_id,
            received_ms=stored.received_ms,
            api=self._api,
            storage=self._storage,
            catalogues=self._catalogues,
            clock=self._clock,
            observe_seconds=self._metrics.update_handling.observe,
            said=past.said,
        )

    async def _account(self, user: User, stored: StoredUpdate) -> Account:
        """Return the sender's account: what was read with the update, or what is stored now if accounts changed since.

        If the database fails, the account is made from the update alone.
        """
        if stored.user_id == user.id and self._held[stored.update_id] == self._accounts.touches:
            return account_of(user, self._admin_ids, chosen_language=stored.chosen_language)
        try:
            return await self._storage.read(lambda db: read_account(db, user, self._admin_ids))
        except StorageError as error:
            log.warning("an account is not read", extra={"user": user.id, "error": str(error)})
            return account_of(user, self._admin_ids)

    async def _done(self, handling: Handling) -> None:
        try:
            await self._committed(handling)
        except AlreadyHandledError:
            pass  # the update is marked already
        except StorageError as error:
            log.warning("update not marked", extra={"update": handling.update_id, "error": str(error)})

    async def _failed(
        self, stored: StoredUpdate, handling: Handling | None, error: Exception, *, tries: int = 1
    ) -> bool:
        """Count a failed try, and tell the sender after the last one. Return whether it was the last."""
        try:
            for _ in range(tries):
                count = await self._storage.write(lambda db: inbox.tried(db, stored.update_id, repr(error)))
        except StorageError:
            return False
        if count < inbox.TRIES:
            return False
        if handling is not None:
            await self._tell_trouble(handling)
        return True

    @staticmethod
    async def _tell_trouble(handling: Handling) -> None:
        handling.said.go_on()
        try:
            if handling.update.message is not None or handling.update.edited_message is not None:
                await handling.reply(handling.texts("trouble"))
            elif handling.update.callback_query is not None:
                await handling.answer(handling.texts.plain("trouble"), alert=True)
        except TelegramError as problem:
            log.info(
                "the sender of a failed update is not answered",
                extra={"update": handling.update_id, "error": str(problem)},
            )


def _from_whom(update: Update) -> User | None:
    """Return the user whom an update is from; None for a chat that writes in its own name."""
    message = update.message or update.edited_message
    if message is not None and message.sender_chat is not None:
        return None  # `from` is a stand-in for a chat: GroupAnonymousBot, or the account "Telegram"
    if update.subscription is not None:
        return update.subscription.user
    parts = (message, update.callback_query, update.my_chat_member, update.pre_checkout_query)
    return next((part.from_user for part in parts if part is not None), None)


def _lane(update: RawUpdate) -> int:
    """Return the chat whose updates this one is ordered with; 0 for an id that no column of the database holds."""
    return _storable(update.chat_id) or 0


def _storable(number: int | None) -> int | None:
    """Return an id; None for one that no column of the database holds."""
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _text(raw: bytes) -> str:
    """Return an update as text. One that is not UTF-8 is stored too, and is found to be malformed when handled."""
    return raw.decode(errors="replace")

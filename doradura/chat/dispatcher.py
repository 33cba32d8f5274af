"""The inbox at work: every stored update is handled, per chat in order, money questions first.

Owns the waiting updates of the inbox. Guarantees: an update that was stored is handled once its turn comes, over
restarts; two updates of one chat are never handled at once; one that fails three times is marked failed, its sender is
told, and it goes by. What is not the update's fault (Telegram or the database does not answer) is waited out and counts
as no try; what a damaged database can't store goes by after three tries too, in memory alone. An answer that was sent
is not sent again because it could not be stored. Memory is bounded: what does not fit waits in the database.
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
from doradura.storage import DAMAGE, Change, Storage, StorageError, inbox
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
"""More than the client has connections: a chat that Telegram told to wait keeps its place here while it waits."""
IN_MEMORY = 500
IN_HAND_OF_A_CHAT = 20
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
LOOK_SECONDS = 30.0
URGENT_KIND = "pre_checkout_query"
"""Telegram gives ten seconds for its answer: it waits for no other update of its chat."""
GIVE_UP_SECONDS = 24 * 3600.0
"""An update that was tried in vain for a day is not answered any more: nobody waits for it. By the time this process
ran, as a wall clock that jumps ahead would throw away what has just come."""

_OUTSIDE = (DeadlineExceededError, UnconfirmedError, RateLimitedError, ServerError, StorageError)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Past:
    """What the tries before came to, of an update that is tried again."""

    said: Said = field(default_factory=Said)
    routed: Handling | None = None
    """The handling whose conversation came to its end: only its mark is missing."""
    damaged: int = 0
    """How many tries met a damaged database."""


class Dispatcher:
    """Hands updates to their conversations."""

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
        self._held: set[int] = set()
        self._passed: set[int] = set()
        """Updates that can't be marked as handled in a damaged database, and are not to be handled again."""
        self._more = False
        """Updates may wait in the database that there was no room for."""
        self._wake = trio.Event()
        self._reading = trio.CancelScope()
        self._stopping = trio.Event()
        self._limit = trio.CapacityLimiter(CONCURRENT_CHATS)

    async def store(self, updates: Sequence[RawUpdate]) -> None:
        """Put a poll's batch into the inbox in one commit; only then may it be confirmed.

        Raises UpdatesNotStoredError.
        """
        now = self._clock()
        new = [
            NewUpdate(
                update_id=update.update_id,
                arrival=self._ids.new(),
                kind=update.kind,
                chat_id=_lane(update),
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
        """Handle updates until `stop`, then leave when those in hand are handled. Raises StorageError at start."""
        self._ids.go_on_after(await self._storage.read(inbox.last_arrival))
        async with trio.open_nursery() as nursery:
            task_status.started()
            with self._reading:
                await self._read_forever(nursery)

    def stop(self) -> None:
        """Take up no update that is not in hand; the others wait in the database for the next start."""
        self._stopping.set()
        self._reading.cancel()

    async def _read_forever(self, nursery: trio.Nursery) -> None:
        while True:
            self._wake = trio.Event()
            full = self._full_chats()
            # By what is asked for, not by what is in hand when the answer comes: there may be room again by then.
            self._more = bool(full) or len(self._held) >= IN_MEMORY
            try:
                found = await self._storage.read(self._query(full))
            except StorageError as error:
                log.error("can't read the inbox", extra={"error": str(error)})  # noqa: TRY400 - no surprise
                await trio.sleep(FIRST_PAUSE_SECONDS)
                continue
            for stored in found:
                self._put(stored, nursery)
            if not found:
                with trio.move_on_after(LOOK_SECONDS):
                    await self._wake.wait()

    def _full_chats(self) -> list[int]:
        return [chat for chat, lane in self._lanes.items() if isinstance(chat, int) and len(lane) >= IN_HAND_OF_A_CHAT]

    def _query(self, full: list[int]) -> Change[list[StoredUpdate]]:
        """Ask for what is not in hand; one chat's flood must not keep the others' updates out of memory."""
        return partial(
            inbox.waiting,
            held=tuple(self._held | self._passed),
            full_chats=full,
            urgent_kind=URGENT_KIND,
            limit_of_a_chat=IN_HAND_OF_A_CHAT,
            limit=max(0, IN_MEMORY - len(self._held)),
        )

    def _put(self, stored: StoredUpdate, nursery: trio.Nursery) -> None:
        urgent = stored.kind == URGENT_KIND
        key: object = (URGENT_KIND, stored.update_id) if urgent else stored.chat_id
        self._held.add(stored.update_id)
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
                self._held.discard(lane.popleft().update_id)
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
        """Handle one update; False when it is to be tried again. The barrier of one update."""
        try:
            handling = past.routed or await self._begin(stored, decode_update(stored.raw), past)
        except (MalformedUpdateError, RecursionError) as error:
            log.warning("update not understood", extra={"update": stored.update_id, "error": str(error)})
            self._metrics.errors.labels(category="telegram").inc()
            return await self._failed(stored, None, error, tries=inbox.TRIES)
        try:
            await self._converse(handling, past)
        except TokenRefusedError:
            raise  # that ends the program, and the update waits for the next start
        except (*CHAT_CLOSED, NotAllowedError, UnexpectedResultError) as error:
            # Blocked between writing and our answer, or muted in a group: nobody is there to tell, no fault of ours. An
            # odd answer: it was done all the same.
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
        """Let the conversation come to its end, if it did not in a try before, and mark its update handled."""
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
        """Mark an update whose answer nobody got; a chat that refused it is closed after: the update told of life."""
        await self._done(handling)
        if isinstance(error, CHAT_CLOSED):
            await note_closed(self._storage, handling.chat_id, self._clock)

    async def _is_hopeless(self, handling: Handling, past: _Past, error: Exception) -> bool:
        """Whether no further try would store anything; whoever was not answered is told so, once."""
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
        """Answer a callback query whose effect is stored and whose answer failed: no button must turn for ever."""
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
            account=None if user is None else await self._account(user),
            chat_id=stored.chat_id,
            received_ms=stored.received_ms,
            api=self._api,
            storage=self._storage,
            catalogues=self._catalogues,
            clock=self._clock,
            observe_seconds=self._metrics.update_handling.observe,
            said=past.said,
        )

    async def _account(self, user: User) -> Account:
        """Read who somebody is; where the database can't say it, what the update does: nothing can be stored then."""
        try:
            return await self._storage.read(lambda db: read_account(db, user, self._admin_ids))
        except StorageError as error:
            log.warning("an account is not read", extra={"user": user.id, "error": str(error)})
            return account_of(user, self._admin_ids)

    async def _done(self, handling: Handling) -> None:
        try:
            await self._committed(handling)
        except AlreadyHandledError:
            pass  # what is to be marked is marked
        except StorageError as error:
            log.warning("update not marked", extra={"update": handling.update_id, "error": str(error)})

    async def _failed(
        self, stored: StoredUpdate, handling: Handling | None, error: Exception, *, tries: int = 1
    ) -> bool:
        """Count a failed try; at the last one tell the sender. True when the update is over."""
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
            log.info("trouble not told", extra={"update": handling.update_id, "error": str(problem)})


def _from_whom(update: Update) -> User | None:
    """Return the person an update is from."""
    message = update.message or update.edited_message
    if message is not None and message.sender_chat is not None:
        return None  # `from` is a stand-in for a chat: GroupAnonymousBot, or the account "Telegram"
    if update.subscription is not None:
        return update.subscription.user
    parts = (message, update.callback_query, update.my_chat_member, update.pre_checkout_query)
    return next((part.from_user for part in parts if part is not None), None)


def _lane(update: RawUpdate) -> int:
    """Return the chat whose order an update keeps. An id that is none must not keep its batch from being stored."""
    chat_id = update.chat_id or 0
    return chat_id if -(2**63) <= chat_id < 2**63 else 0


def _text(raw: bytes) -> str:
    """Return an update as text. One that is not UTF-8 is stored too, and found malformed when its turn comes."""
    return raw.decode(errors="replace")

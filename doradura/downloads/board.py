"""The progress messages: one card a job, edited at most every three seconds and only when its text changes.

Owns the message of every job that was shown something by this process. Showing is never waited for by the work: a card
keeps the latest stage and a task of its own tells Telegram; what it can't tell is logged and told with the next change.
The end of a job is told in any case: by `end`, which sends a new message where the old one is gone.

A kill between the sending of a message and the storing of its id leaves a message that nobody can find any more: the
Bot API has no search. So a first message says only what stays true whatever comes, and what may change is edited into
it once its id is stored. A job without a stored message gets a new one at the next start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import trio

from doradura.clock import Clock
from doradura.downloads.closed_chats import note_closed
from doradura.downloads.stages import Accepted, Stage, Starting, Waiting
from doradura.storage import Storage, StorageError, jobs
from doradura.telegram.client import BotApi
from doradura.telegram.errors import CHAT_CLOSED, MessageNotFoundError, TelegramError
from doradura.telegram.pacing import Priority
from doradura.telegram.types import Keyboard

EDIT_INTERVAL_SECONDS = 3.0
"""Telegram allows about one message a second in a chat and counts edits; 3 s leaves room for replies."""

log = logging.getLogger(__name__)


class Presenter(Protocol):
    """Words for stages; the chat's part."""

    def stage(self, job: jobs.Job, stage: Stage) -> tuple[str, Keyboard | None]:
        """Return the HTML text and the buttons for a job's stage."""
        ...


class Card:
    """The progress message of one job."""

    def __init__(self, job: jobs.Job, board: Board) -> None:
        self._job = job
        self._board = board
        self._stage: Stage | None = None
        self._changed = trio.Event()
        self._calling = trio.Lock()
        self._shown: tuple[str, Keyboard | None] | None = None
        self._gone = False
        self._next_call_at = 0.0
        self._waiting = trio.CancelScope()
        self._over = False
        self._unstored = False
        """The message's id is not in the database yet."""
        self.message_id = job.message_id

    def show(self, stage: Stage) -> None:
        """Show a stage as soon as the pace allows; a later one takes its place."""
        self._stage = stage
        self._changed.set()

    async def run(self) -> None:
        """Tell Telegram what changed, until `close` or cancelled. The barrier of one card's showing."""
        while True:
            with self._waiting:
                await self._changed.wait()
                await trio.sleep_until(self._next_call_at)
                self._changed = trio.Event()
            if self._over:
                return
            self._waiting = trio.CancelScope()
            if self._stage is not None:
                try:
                    await self._tell(self._stage)
                except CHAT_CLOSED as error:
                    log.info("progress not wanted", extra={"job": self._job.job_id, "error": str(error)})
                    await self._board.note_closed(self._job.chat_id)
                except TelegramError as error:
                    log.info("progress not shown", extra={"job": self._job.job_id, "error": str(error)})
                except Exception:  # the barrier named above
                    log.exception("progress not shown", extra={"job": self._job.job_id})
                    self._board.broke()
            self._next_call_at = trio.current_time() + EDIT_INTERVAL_SECONDS

    @property
    def is_there(self) -> bool:
        """Whether there is a message to edit, as far as we know."""
        return self.message_id is not None and not self._gone

    def move_up(self, before: int, places_free: int | None = None) -> None:
        """Show a waiting job's new place; a job that has started shows more than that.

        One that was to start at once and still waits, while no place is free for it, is told that it waits.
        """
        if isinstance(self._stage, Starting) and places_free is not None and before >= places_free:
            self.show(Waiting(before))
        if isinstance(self._stage, Waiting) and self._stage.before != before:
            self.show(replace(self._stage, before=before))

    def close(self) -> None:
        """Show nothing more. A call on its way is not cut off: a message nobody knows of would stay for ever."""
        self._over = True
        self._waiting.cancel()

    async def settle(self) -> int | None:
        """Show nothing more; wait until no call is on its way, then return the message's id if there is one."""
        self.close()
        async with self._calling:
            return None if self._gone else self.message_id

    async def end(self, stage: Stage) -> None:
        """Show how it ended, in a new message if the old one is gone. Raises TelegramError."""
        await self.settle()
        await self._tell(stage, again=True)

    async def remove(self) -> None:
        """Take the message away. Raises TelegramError."""
        message_id = await self.settle()
        if message_id is not None:
            await self._board.api.delete_message(self._job.chat_id, message_id)

    async def _tell(self, stage: Stage, *, again: bool = False) -> None:
        """Show a stage. `again`: the last one, which may not be lost, nor wait behind everybody's progress."""
        priority: Priority = "reply" if again else "progress"
        async with self._calling:
            if self._unstored:
                await self._store()
            first = Accepted() if self.message_id is None and not again else stage
            text, keyboard = self._board.presenter.stage(self._job, first)
            if self._shown == (text, keyboard) or (self._gone and not again):
                return
            if self.message_id is not None and not self._gone:
                try:
                    await self._board.api.edit_message_text(
                        self._job.chat_id, self.message_id, text, keyboard=keyboard, priority=priority
                    )
                except MessageNotFoundError:
                    self._gone = True
                    if not again:
                        return
            if self.message_id is None or self._gone:
                await self._send(text, keyboard)
            self._shown = (text, keyboard)
            if first != stage:
                self._changed.set()  # edited into it after the pause

    async def _send(self, text: str, keyboard: Keyboard | None) -> None:
        message = await self._board.api.send_message(
            self._job.chat_id, text, keyboard=keyboard, reply_to=self._job.reply_to, thread_id=self._job.thread_id
        )
        self.message_id = message.message_id
        self._gone = False
        await self._store()

    async def _store(self) -> None:
        """Store which message it is; what can't be stored now is stored after the next pause."""
        assert self.message_id is not None
        self._unstored = not await self._board.remember(self._job.job_id, self.message_id)
        if self._unstored:
            self._changed.set()


class Board:
    """All cards of this process."""

    def __init__(
        self,
        api: BotApi,
        storage: Storage,
        presenter: Presenter,
        *,
        clock: Clock,
        broke: Callable[[], None] = lambda: None,
    ) -> None:
        """`broke` is called once for each showing that ended in a fault of ours."""
        self.api = api
        self.presenter = presenter
        self.broke = broke
        self._storage = storage
        self._clock = clock
        self._cards: dict[int, Card] = {}
        self._start: Callable[[Card], None] | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the cards' tasks until cancelled."""
        async with trio.open_nursery() as nursery:
            self._start = lambda card: nursery.start_soon(card.run)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._start = None  # a job's task may take its first step when this nursery is closed already

    async def note_closed(self, chat_id: int) -> None:
        """Note that a chat takes nothing any more."""
        await note_closed(self._storage, chat_id, self._clock)

    def has(self, job_id: int) -> bool:
        """Whether this process has shown anything of a job that has not ended."""
        return job_id in self._cards

    def card(self, job: jobs.Job) -> Card:
        """Return the job's card, a new one where there is none."""
        card = self._cards.get(job.job_id)
        if card is None:
            card = self._cards[job.job_id] = Card(job, self)
            if self._start is not None:
                self._start(card)
        return card

    def show_places(self, waiting: Sequence[int], places_free: int | None = None) -> list[tuple[int, int]]:
        """Show to those who wait where they stand now, given the first job ids in the queue's order.

        `places_free`: how many of them have a place waiting for them, where that is known.

        Return (job id, jobs before it) of those that this process has shown nothing of: a start before this one did.
        """
        unknown = []
        for before, job_id in enumerate(waiting):
            card = self._cards.get(job_id)
            if card is None:
                unknown.append((job_id, before))
            else:
                card.move_up(before, places_free)
        return unknown

    def drop(self, job_id: int) -> None:
        """Forget the card of a job that ended."""
        card = self._cards.pop(job_id, None)
        if card is not None:
            card.close()

    async def remember(self, job_id: int, message_id: int) -> bool:
        """Store which message shows a job; False when it could not be stored."""
        try:
            await self._storage.write(lambda db: jobs.set_message(db, job_id, message_id))
        except StorageError as error:
            log.warning("progress message not stored", extra={"job": job_id, "error": str(error)})
            return False
        return True

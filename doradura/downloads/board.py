"""The progress messages: one for each job, edited at most every three seconds and only when its text changes.

Owns the progress message of every job that this process has shown. The work never waits for Telegram: `show` keeps the
latest stage, and the message's own task sends it. A failed edit is logged, and the next change is sent as usual. How
the job ended must reach the user, so `show_outcome` sends a new message if the old one was deleted.

If the process is killed after it sent a message and before it stored the message's id, the message can't be found any
more, since the Bot API has no search. So the first text of a message says only what stays true whatever happens; what
may change is edited in once the id is stored. A job without a stored message gets a new one at the next start.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import trio

from doradura.clock import Clock
from doradura.downloads.closed_chats import note_closed
from doradura.downloads.stages import Accepted, Paced, Stage, Starting, Waiting
from doradura.storage import Storage, StorageError, jobs
from doradura.telegram.client import BotApi
from doradura.telegram.errors import CHAT_CLOSED, MessageNotFoundError, TelegramError
from doradura.telegram.pacing import Priority
from doradura.telegram.types import Keyboard

EDIT_INTERVAL_SECONDS = 3.0
"""The shortest time between two edits of a message. Telegram allows about one message a second in a chat and counts
edits; 3 s leave room for replies."""

log = logging.getLogger(__name__)


def rounded(seconds: float) -> int:
    """Return a wait that is shown, rounded up so that a message does not change all the time."""
    step = 10 if seconds <= 60 else 60
    return math.ceil(seconds / step) * step


class Presenter(Protocol):
    """Interface for rendering stages; chat/progress.py implements it."""

    def stage(self, job: jobs.Job, stage: Stage) -> tuple[str, Keyboard | None]:
        """Return the HTML text and the buttons for a stage of a job."""
        ...


class ProgressMessage:
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
        """Whether the message's id is still to be stored in the database."""
        self.message_id = job.message_id

    def show(self, stage: Stage) -> None:
        """Show a stage at the next edit. A later stage replaces one that has not been sent yet."""
        self._stage = stage
        self._changed.set()

    async def run(self) -> None:
        """Send or edit the message whenever its stage changes, until `close` is called or until cancelled.

        A barrier: an error in showing a stage is logged and does not end the job.
        """
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
                    await self._update(self._stage)
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
        """Whether the message was sent and, as far as we know, not deleted."""
        return self.message_id is not None and not self._gone

    def move_up(self, before: int, slots_free: int) -> None:
        """Show how many jobs are before a waiting job; do nothing for a job that has started.

        A job that was about to start and now has no free worker slot is shown as waiting.
        """
        if isinstance(self._stage, Starting) and before >= slots_free:
            self.show(Waiting(before))
        if isinstance(self._stage, Waiting) and self._stage.before != before:
            self.show(replace(self._stage, before=before))

    def show_paced(self, before: int, seconds: float | None) -> None:
        """Show a waiting job for about how long its site's pace holds it; None shows its position instead, if it did.

        Does nothing for a job that has started.
        """
        if seconds is not None and isinstance(self._stage, Starting | Waiting | Paced):
            paced = Paced(self._job.site, rounded(seconds))
            if self._stage != paced:
                self.show(paced)
        elif seconds is None and isinstance(self._stage, Paced):
            self.show(Waiting(before))

    def close(self) -> None:
        """Show nothing more. A call in progress is not cancelled, since its message would stay without a known id."""
        self._over = True
        self._waiting.cancel()

    async def hand_over(self) -> int | None:
        """Stop editing the message and return its id, or None if there is no message. Waits for a call in progress."""
        self.close()
        async with self._calling:
            return None if self._gone else self.message_id

    async def show_outcome(self, stage: Stage) -> None:
        """Show how the job ended, in a new message if the old one was deleted. Raises TelegramError."""
        await self.hand_over()
        await self._update(stage, final=True)

    async def remove(self) -> None:
        """Delete the message. Raises TelegramError."""
        message_id = await self.hand_over()
        if message_id is not None:
            await self._board.api.delete_message(self._job.chat_id, message_id)

    async def _update(self, stage: Stage, *, final: bool = False) -> None:
        """Send or edit the message. A `final` stage must not be lost and does not wait behind other jobs' progress."""
        priority: Priority = "reply" if final else "progress"
        async with self._calling:
            if self._unstored:
                await self._store()
            first = Accepted() if self.message_id is None and not final else stage
            text, keyboard = self._board.presenter.stage(self._job, first)
            if self._shown == (text, keyboard) or (self._gone and not final):
                return
            if self.message_id is not None and not self._gone:
                try:
                    await self._board.api.edit_message_text(
                        self._job.chat_id, self.message_id, text, keyboard=keyboard, priority=priority
                    )
                except MessageNotFoundError:
                    self._gone = True
                    if not final:
                        return
            if self.message_id is None or self._gone:
                await self._send(text, keyboard)
            self._shown = (text, keyboard)
            if first != stage:
                self._changed.set()  # the stage itself is edited in after the pause

    async def _send(self, text: str, keyboard: Keyboard | None) -> None:
        message = await self._board.api.send_message(
            self._job.chat_id, text, keyboard=keyboard, reply_to=self._job.reply_to, thread_id=self._job.thread_id
        )
        self.message_id = message.message_id
        self._gone = False
        await self._store()

    async def _store(self) -> None:
        """Store the message's id. If that fails, it is tried again after the next pause."""
        assert self.message_id is not None
        self._unstored = not await self._board.remember(self._job.job_id, self.message_id)
        if self._unstored:
            self._changed.set()


class Board:
    """The progress messages of this process."""

    def __init__(
        self,
        api: BotApi,
        storage: Storage,
        presenter: Presenter,
        *,
        clock: Clock,
        broke: Callable[[], None] = lambda: None,
    ) -> None:
        """`broke` is called for each stage that could not be shown because of an unexpected exception."""
        self.api = api
        self.presenter = presenter
        self.broke = broke
        self._storage = storage
        self._clock = clock
        self._messages: dict[int, ProgressMessage] = {}
        self._start: Callable[[ProgressMessage], None] | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the messages' tasks until cancelled. A stage that was not sent by then is lost."""
        async with trio.open_nursery() as nursery:
            self._start = lambda message: nursery.start_soon(message.run)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._start = None  # a job's task may run its first step after this nursery is closed

    async def note_closed(self, chat_id: int) -> None:
        """Record that the bot can no longer write to a chat."""
        await note_closed(self._storage, chat_id, self._clock)

    def has(self, job_id: int) -> bool:
        """Return whether this process has a progress message for a job that has not ended."""
        return job_id in self._messages

    def progress_message(self, job: jobs.Job) -> ProgressMessage:
        """Return the job's progress message. A new one is made if there is none."""
        message = self._messages.get(job.job_id)
        if message is None:
            message = self._messages[job.job_id] = ProgressMessage(job, self)
            if self._start is not None:
                self._start(message)
        return message

    def show_positions(self, waiting: Sequence[int], slots_free: int) -> list[tuple[int, int]]:
        """Show waiting jobs their positions; `waiting` has the first job ids in the queue's order.

        `slots_free` is the number of free worker slots. Return (job id, number of jobs before it) of the jobs that this
        process has not shown yet, because they were queued before it started.
        """
        unknown = []
        for before, job_id in enumerate(waiting):
            message = self._messages.get(job_id)
            if message is None:
                unknown.append((job_id, before))
            else:
                message.move_up(before, slots_free)
        return unknown

    def show_paced(self, job_id: int, before: int, seconds: float | None) -> None:
        """Show a waiting job for about how long its site's pace holds it; None for one that it doesn't."""
        message = self._messages.get(job_id)
        if message is not None:
            message.show_paced(before, seconds)

    def drop(self, job_id: int) -> None:
        """Close and forget the progress message of a job that ended."""
        message = self._messages.pop(job_id, None)
        if message is not None:
            message.close()

    async def remember(self, job_id: int, message_id: int) -> bool:
        """Store the id of a job's progress message. Return False if it could not be stored."""
        try:
            await self._storage.write(lambda db: jobs.set_message(db, job_id, message_id))
        except StorageError as error:
            log.warning("progress message not stored", extra={"job": job_id, "error": str(error)})
            return False
        return True

"""/queue, /cancel and the cancel buttons."""

from __future__ import annotations

import logging

from doradura.chat.conversation import Command, Conversation, buttons
from doradura.chat.handling import Handling
from doradura.chat.job_buttons import CancelInList, CancelJob
from doradura.chat.texts import Texts
from doradura.clock import Clock
from doradura.storage import Connection, Storage, jobs
from doradura.telegram.errors import TelegramError, TokenRefusedError
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

SHOWN = 10
TITLE_UNITS = 60
BUTTON_UNITS = 32
"""The longest title on a button, as Telegram shows only one line."""

log = logging.getLogger(__name__)


class QueueConversation(Conversation):
    """Shows users their unfinished downloads, and cancels them."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def show(self, handling: Handling, _rest: str) -> None:
        """Answer /queue: the user's unfinished downloads, each with a button that cancels it.

        Raises TelegramError and StorageError.
        """
        await handling.reply(*await self._shown(handling))

    async def _shown(self, handling: Handling) -> tuple[str, Keyboard | None]:
        """Return the current list with its buttons, one in a row; each is labelled like its line."""
        t = handling.texts

        def look(db: Connection) -> list[tuple[jobs.Job, int]]:
            return [(job, jobs.before(db, job)) for job in jobs.of_user(db, handling.user_id, shown_chat(handling))]

        found = await self._storage.read(look)
        if not found:
            return t("queue.empty"), None
        lines = [_line(t, number, job, before) for number, (job, before) in enumerate(found[:SHOWN], 1)]
        if len(found) > SHOWN:
            lines.append(t("queue.more", count=len(found) - SHOWN))
        keyboard: Keyboard = tuple(
            (
                Button(
                    text=t.plain("queue.cancel", number=number, title=shorten(job.title or job.url, BUTTON_UNITS)),
                    callback_data=CancelInList(job.job_id).encode(),
                ),
            )
            for number, (job, _) in enumerate(found[:SHOWN], 1)
        )
        return "\n".join(lines), keyboard

    async def cancel_in_list(self, handling: Handling, data: CancelInList) -> None:
        """Cancel the job of a button under /queue, then show the new list in the same message.

        Raises TelegramError and StorageError.
        """
        await self.cancel_job(handling, CancelJob(data.job_id))
        job = await self._storage.read(lambda db: jobs.get(db, data.job_id))
        # In a group, only the job says whose list this is; if the job was deleted, it can't be known.
        owner_id = job.user_id if job is not None else handling.chat_id
        if owner_id != handling.user_id:
            return
        text, keyboard = await self._shown(handling)
        try:
            await handling.edit_pressed(text, keyboard)
        except TokenRefusedError:
            raise
        except TelegramError as error:  # the callback query was answered already, which matters more
            log.info("a list is not shown anew", extra={"chat": handling.chat_id, "error": str(error)})

    async def cancel(self, handling: Handling, _rest: str) -> None:
        """Answer /cancel: cancel all of the user's downloads, in a group only those of that group.

        Raises TelegramError and StorageError.
        """
        t = handling.texts
        cancelled = await handling.commit(
            lambda db: jobs.cancel(db, handling.user_id, self._clock(), chat_id=shown_chat(handling))
        )
        if cancelled:
            await handling.reply(t.counted("cancel.done", len(cancelled)))
        else:
            await handling.reply(t("cancel.nothing"))

    async def cancel_job(self, handling: Handling, data: CancelJob) -> None:
        """Cancel the job of a cancel button, if it is the user's own. Raises TelegramError and StorageError."""
        t = handling.texts
        user_id = handling.user_id

        def change(db: Connection) -> tuple[list[jobs.Job], jobs.Job | None]:
            return jobs.cancel(db, user_id, self._clock(), job_id=data.job_id), jobs.get(db, data.job_id)

        cancelled, job = await handling.commit(change)
        if cancelled:
            await handling.answer(t.plain("press.cancelled"))
        elif job is not None and job.user_id != user_id:
            await handling.answer(t.plain("press.not_yours"), alert=True)
        elif job is not None and job.state == "sending":
            await handling.answer(t.plain("press.sending"))
        else:
            await handling.answer(t.plain("press.ended"))

    COMMANDS = (Command("queue", show), Command("cancel", cancel))
    BUTTONS = (
        buttons("c", CancelJob.decode, cancel_job, too_old="press.ended"),
        buttons("q", CancelInList.decode, cancel_in_list, too_old="press.ended"),
    )


def shown_chat(handling: Handling) -> int | None:
    """Return the chat whose downloads may be shown and cancelled here: a group's own, or None for all in private."""
    return handling.chat_id if handling.chat_id < 0 else None


def _line(t: Texts, number: int, job: jobs.Job, before: int) -> str:
    if job.state == "waiting":
        state = t.plain("queue.waiting_next") if before == 0 else t.counted("queue.waiting", before)
    else:
        state = t.plain(f"queue.{job.state}")
    title = shorten(job.title or job.url, TITLE_UNITS)
    return t("queue.line", number=number, title=title, choice=job.variant.words, state=state)

"""The delivery of one job's file: its upload slot, what is stored before and after, and what Telegram's answer means.

Owns the job's upload slot, and whether its file may have been sent although no answer came. The row that says that the
file is being sent is written until it is stored: without it, a file could be sent twice after a kill. A cancel releases
the upload slot, and the job's row tells the next start how far the delivery was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import msgspec
import trio

from doradura.downloads.board import ProgressMessage
from doradura.downloads.delivery import Delivery
from doradura.downloads.outgoing import caption_of, media_of
from doradura.downloads.stages import Cancelled, Delivered, Failed, Outcome, Sending
from doradura.downloads.worker_slots import Slot
from doradura.media.protocol import Result
from doradura.media.reasons import Reason
from doradura.storage import Storage, StorageError, jobs
from doradura.storage.files import SentFile
from doradura.storage.persistence import write_until_stored
from doradura.telegram.errors import CHAT_CLOSED, TelegramError, TokenRefusedError, TooLargeError, WrongFileIdError
from doradura.telegram.media import Media

log = logging.getLogger(__name__)


class JobDelivery:
    """Delivers one job's file."""

    def __init__(
        self,
        delivery: Delivery,
        storage: Storage,
        job: jobs.Job,
        progress_message: ProgressMessage,
        uploads: trio.CapacityLimiter,
        *,
        prolong: Callable[[float], None],
    ) -> None:
        """`uploads` limits the uploads of all jobs; `prolong` moves the job's deadline by a number of seconds."""
        self._delivery = delivery
        self._storage = storage
        self._job = job
        self._progress_message = progress_message
        self._uploads = uploads
        self._prolong = prolong
        self._holds_upload_slot = False
        self.has_begun = False
        """Whether the file is ready, so that only Telegram can take long from here on."""
        self.maybe_sent = bool(job.maybe_sent)
        """Whether the user may have the file although Telegram did not confirm it."""

    async def deliver(self, result: Result, slot: Slot, *, maybe_sent: bool) -> Outcome:
        """Send the file that a worker made and return the job's outcome. Raises TokenRefusedError.

        The upload slot is taken before the worker slot is released, so that finished files don't pile up.
        """
        job = self._job
        await self._take_upload_slot()
        try:
            slot.release()
            product = msgspec.json.encode(result).decode()
            if not await self._note_sending(product):
                return Cancelled()
            return await self._through_telegram(
                media_of(job, result), result.size_bytes, result.title, maybe_sent=maybe_sent
            )
        finally:
            self._release_upload_slot()

    async def deliver_again(self, known: SentFile) -> Outcome:
        """Send a file again by its file_id. Raises WrongFileIdError if Telegram no longer has it."""
        job = self._job
        if not await self._note_sending(""):
            return Cancelled()
        sent_as = job.variant.row.sent_as
        media = Media(
            kind=sent_as, file=known.file_id, caption=caption_of(sent_as, known.title, job, height=known.lines)
        )
        outcome = await self._through_telegram(media, known.size_bytes, known.title, maybe_sent=bool(job.maybe_sent))
        return replace(outcome, lines=known.lines) if isinstance(outcome, Delivered) else outcome

    async def _note_sending(self, product: str) -> bool:
        """Store that the file is being sent now. Return False if the job was cancelled in the meantime."""
        job_id = self._job.job_id
        return await write_until_stored(
            self._storage, lambda db: jobs.sending(db, job_id, product), what="that a file is being sent"
        )

    async def _take_upload_slot(self) -> None:
        await self._uploads.acquire()
        self._holds_upload_slot = True

    def _release_upload_slot(self) -> bool:
        """Release the upload slot and return whether it was held."""
        held, self._holds_upload_slot = self._holds_upload_slot, False
        if held:
            self._uploads.release()
        return held

    async def _wait_as_told(self, seconds: float) -> None:
        """Sleep for as long as Telegram told this chat to wait. Other chats use the upload slot meanwhile.

        The job's deadline is moved by the time this takes. The file is kept; until the wait is over, the supervisor
        claims no other job of the chat.
        """
        held, began = self._release_upload_slot(), trio.current_time()
        self._prolong(seconds)
        await trio.sleep(seconds)
        if held:
            await self._take_upload_slot()
        self._prolong(trio.current_time() - began - seconds)

    async def _in_doubt(self) -> int | None:
        """Store that the user may have the file, and return the id of the progress message to put it into, if any."""
        self.maybe_sent = True
        try:
            await self._storage.write(lambda db: jobs.set_maybe_sent(db, self._job.job_id))
        except StorageError as error:
            log.warning(
                "not stored that a file may have been sent", extra={"job": self._job.job_id, "error": str(error)}
            )
        return await self._progress_message.hand_over()

    async def _through_telegram(self, media: Media, size_bytes: int, title: str, *, maybe_sent: bool) -> Outcome:
        self._progress_message.show(Sending(title))
        self.has_begun = True
        try:
            sent = await self._delivery.send(
                self._job.chat_id,
                media,
                reply_to=self._job.reply_to,
                thread_id=self._job.thread_id,
                hand_over=self._in_doubt,
                maybe_sent=maybe_sent,
                size_bytes=size_bytes,
                wait=self._wait_as_told,
            )
        except TokenRefusedError:
            raise
        except WrongFileIdError as error:
            if isinstance(media.file, str):
                raise  # the file_id is no longer valid, so the caller downloads the link again
            return Failed(Reason.TELEGRAM, str(error))
        except CHAT_CLOSED as error:
            return Failed(Reason.USER_BLOCKED, str(error))
        except TooLargeError as error:
            return Failed(Reason.TOO_LARGE, str(error))
        except TelegramError as error:
            return Failed(Reason.TELEGRAM, str(error))
        return Delivered(
            kind=media.kind,
            size_bytes=size_bytes,
            file_id=sent.file_id,
            title=title,
            in_progress_message=sent.in_progress_message,
            lines=min(media.width, media.height) if media.width and media.height else None,
        )

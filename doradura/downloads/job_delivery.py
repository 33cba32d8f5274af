"""The delivery of one job's file: its place among those on their way, what is stored around it, what an answer means.

Owns the job's place among the files on their way to Telegram, and whether its file may have gone out unconfirmed. What
has to stand in the database before a file goes out is written until it is stored: without it a kill would let the file
go out twice. A cancel gives the place back; the job's row tells the next start how far it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import msgspec
import trio

from doradura.downloads.board import Card
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
        card: Card,
        places: trio.CapacityLimiter,
        *,
        prolong: Callable[[float], None],
    ) -> None:
        """`places` are those of all files on their way; `prolong` puts the job's deadline off by so many seconds."""
        self._delivery = delivery
        self._storage = storage
        self._job = job
        self._card = card
        self._places = places
        self._prolong = prolong
        self._holds_place = False
        self.has_begun = False
        """Whether the file is there, so that what takes long from here on is Telegram."""
        self.maybe_sent = bool(job.maybe_sent)
        """Whether the file may be with the user though nobody said so."""

    async def deliver(self, result: Result, slot: Slot, *, maybe_sent: bool) -> Outcome:
        """Send the file that a worker made.

        It takes a place for sending before it gives the worker's slot back, so that finished files don't pile up.
        """
        job = self._job
        await self._take_place()
        try:
            slot.release()
            product = msgspec.json.encode(result).decode()
            if not await self._note_sending(product):
                return Cancelled()
            return await self._through_telegram(
                media_of(job, result), result.size_bytes, result.title, maybe_sent=maybe_sent
            )
        finally:
            self._give_place_back()

    async def deliver_again(self, known: SentFile) -> Outcome:
        """Send what was sent before by its file_id. Raises WrongFileIdError where Telegram knows it no more."""
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
        """Store that the file goes out now; False where the job was cancelled meanwhile."""
        job_id = self._job.job_id
        return await write_until_stored(
            self._storage, lambda db: jobs.sending(db, job_id, product), what="that a file goes out"
        )

    async def _take_place(self) -> None:
        await self._places.acquire()
        self._holds_place = True

    def _give_place_back(self) -> bool:
        """Give the place for sending back; return whether it was held."""
        held, self._holds_place = self._holds_place, False
        if held:
            self._places.release()
        return held

    async def _wait_as_told(self, seconds: float) -> None:
        """Wait for as long as Telegram told this chat to: other chats send meanwhile, and the job's time stands still.

        The file is kept: no more jobs of the chat are taken from the queue before that (`Supervisor`).
        """
        held, began = self._give_place_back(), trio.current_time()
        self._prolong(seconds)
        await trio.sleep(seconds)
        if held:
            await self._take_place()
        self._prolong(trio.current_time() - began - seconds)

    async def _in_doubt(self) -> int | None:
        """Note that a file may be there though nobody said so, and return the progress message to put it into."""
        self.maybe_sent = True
        try:
            await self._storage.write(lambda db: jobs.set_maybe_sent(db, self._job.job_id))
        except StorageError as error:
            log.warning("not noted", extra={"job": self._job.job_id, "error": str(error)})
        return await self._card.settle()

    async def _through_telegram(self, media: Media, size_bytes: int, title: str, *, maybe_sent: bool) -> Outcome:
        self._card.show(Sending(title))
        self.has_begun = True
        try:
            sent = await self._delivery.send(
                self._job.chat_id,
                media,
                reply_to=self._job.reply_to,
                thread_id=self._job.thread_id,
                settle=self._in_doubt,
                maybe_sent=maybe_sent,
                size_bytes=size_bytes,
                wait=self._wait_as_told,
            )
        except TokenRefusedError:
            raise
        except WrongFileIdError as error:
            if isinstance(media.file, str):
                raise  # what was sent once is not known any more: it is fetched anew
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

"""Requests for downloads: a link alone, /download, and the buttons of formats.

All three end in `_queue`, so they reject and count in the same way. A rejected /download counts as a failure of its
format, a rejected link alone as one of the format "none"; text without a link isn't counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from doradura.chat.conversation import Command, Conversation, buttons
from doradura.chat.handling import Handling
from doradura.chat.job_buttons import PickFormat, PickInstead, ProbeAgain, TryAgain
from doradura.chat.texts import Texts
from doradura.clock import Clock
from doradura.downloads.admission import AlreadyThere, Answer, Queued, Refused, enqueue
from doradura.downloads.workspace import SPACE_BYTES
from doradura.media.formats import FORMATS
from doradura.media.links import Found, Link, LinkError, canonical, check_link, read_links
from doradura.media.reasons import Reason
from doradura.media.variant import Variant, VariantError, parse_variant
from doradura.metrics import Metrics
from doradura.storage import Connection, Storage, chats, jobs, offers
from doradura.storage.ids import IdMaker
from doradura.storage.jobs import Job, NewJob
from doradura.storage.offers import Offer
from doradura.telegram.types import Message, MessageEntity
from doradura.telegram.units import shorten

LINKS_A_MESSAGE = 3
"""How many links of a message get a card. Each card is a message, and a chat accepts about one a second."""
SHOWN_LINK_UNITS = 80

S = TypeVar("S", bound=Offer | Job)


class DownloadConversation(Conversation):
    """Accepts links. Each becomes a card, a job or a rejection."""

    def __init__(
        self,
        *,
        storage: Storage,
        metrics: Metrics,
        ids: IdMaker,
        clock: Clock,
        username: Callable[[], str],
        free_bytes: Callable[[], Awaitable[int]],
        queue_limit: int,
        allowed_private: Sequence[str],
    ) -> None:
        self._storage = storage
        self._metrics = metrics
        self._ids = ids
        self._clock = clock
        self._username = username
        self._free_bytes = free_bytes
        self._queue_limit = queue_limit
        self._allowed_private = allowed_private

    async def links_alone(self, handling: Handling, message: Message, *, edited: bool) -> None:
        """Answer a message that is not a command: queue a card for each of its first links.

        A link with nothing but a format beside it ("LINK mp3") becomes a job without a card. An edit without a new link
        is ignored, as the earlier text was answered. Raises TelegramError and StorageError.
        """
        found, words = read_links(*_text_of(message))
        if edited:
            begun_links = await self._begun_links(handling)
            found = [each for each in found if each.url not in begun_links]
            if not found:
                return
        if not found:
            await handling.reply(handling.texts("nolink"))
            return
        variant = self._variant_of(words) if len(found) == 1 and message is handling.message else None
        if variant is not None:
            await self._request(handling, found[0], variant)
            return
        shown = found[:LINKS_A_MESSAGE]
        # If there are several links, each card says which one it is about.
        numbers = range(1, len(shown) + 1) if len(shown) > 1 else (0,)
        checked = [
            (number, await self._checked(handling, each, fmt="none", named=number > 0))
            for number, each in zip(numbers, shown, strict=True)
        ]
        new = [self._offer(handling, link, number) for number, link in checked if link is not None]

        def change(db: Connection) -> None:
            for offer in new:
                offers.add(db, offer, self._clock())

        if new:
            await handling.commit(change)
        if len(found) > LINKS_A_MESSAGE:
            await handling.reply(
                handling.texts.counted("links.left", len(found) - LINKS_A_MESSAGE, most=LINKS_A_MESSAGE)
            )

    def _variant_of(self, words: Sequence[str]) -> Variant | None:
        """Return the variant named beside a link; None if there is other text too, except for the bot's name."""
        named = [word for word in words if word.lower() != f"@{self._username().lower()}"]
        if not named:
            return None
        try:
            return parse_variant(named)
        except VariantError:
            return None

    def _offer(self, handling: Handling, link: Link, number: int) -> Offer:
        return Offer(
            offer_id=self._ids.new(),
            user_id=handling.user_id,
            chat_id=handling.chat_id,
            reply_to=handling.message.message_id,
            url=link.url,
            message_id=None,
            state="new",
            tries=0,
            thread_id=handling.topic_id,
            site=link.site,
            number=number,
            guessed=int(link.guessed),
        )

    async def begun(self, handling: Handling) -> bool:
        """Return whether a link of an edited command already has a job or a card. Raises StorageError."""
        links = {found.url for found in read_links(*_text_of(handling.message), bare=True)[0]}
        return bool(links) and not (await self._begun_links(handling)).isdisjoint(links)

    async def _begun_links(self, handling: Handling) -> set[str]:
        message_id = handling.message.message_id
        return await self._storage.read(lambda db: chats.begun_by(db, handling.chat_id, message_id))

    async def download(self, handling: Handling, _rest: str) -> None:
        """Answer /download LINK [FORMAT] [QUALITY]. Raises TelegramError and StorageError."""
        t = handling.texts
        found, words = read_links(*_text_of(handling.message), bare=True)
        if not found:
            await handling.reply(t("download.usage", formats=", ".join(FORMATS)))
            return
        if len(found) > 1:
            await handling.reply(t("download.one_link"))
            return
        try:
            variant = parse_variant(words[1:])  # the first one is the command
        except VariantError as error:
            await handling.reply(_variant_error_text(handling, error))
            self._refused(error.format or "none", Reason.UNSUPPORTED)
            return
        await self._request(handling, found[0], variant)

    async def _request(self, handling: Handling, found: Found, variant: Variant) -> None:
        """Queue a message's link, or answer why not."""
        link = await self._checked(handling, found, fmt=variant.format)
        if link is None:
            return
        answer = await self._queue(handling, link, variant, reply_to=handling.message.message_id)
        if isinstance(answer, Refused):
            await handling.reply(_refusal(handling, answer))
        elif not isinstance(answer, Queued):
            await handling.reply(handling.texts("already"))
        self._count(handling, variant, answer)

    async def pick_format(self, handling: Handling, data: PickFormat) -> None:
        """Queue the variant of a button on a card. Raises TelegramError and StorageError."""
        offer = await self._own(handling, data.offer_id, offers.get)
        if offer is not None:
            await self._queue_stored(handling, offer, data.variant)

    async def pick_instead(self, handling: Handling, data: PickInstead) -> None:
        """Queue the variant of a button under a failed job. Raises TelegramError and StorageError."""
        job = await self._own(handling, data.job_id, jobs.get)
        if job is not None:
            await self._queue_stored(handling, job, data.variant)

    async def _own(self, handling: Handling, stored_id: int, get: Callable[[Connection, int], S | None]) -> S | None:
        """Return the offer or job of a button if it is the presser's own; otherwise answer why not and return None."""
        stored = await self._storage.read(lambda db: get(db, stored_id))
        if stored is None:
            await handling.answer(handling.texts.plain("offer.stale"), alert=True)
        elif stored.user_id != handling.user_id:
            await handling.answer(handling.texts.plain("offer.not_yours"), alert=True)
        else:
            return stored
        return None

    async def try_again(self, handling: Handling, data: TryAgain) -> None:
        """Queue a failed job again, once, if its own user pressed the button. Raises TelegramError and StorageError.

        The message of the failed job becomes the new job's progress message. The button is used up once the database
        has a newer job for the same variant of the link.
        """
        failed = await self._own(handling, data.job_id, _failed_job)
        if failed is None:
            return
        if await self._storage.read(lambda db: jobs.newer_same(db, failed)) is not None:
            await handling.answer(handling.texts.plain("press.again_used"))
        else:
            await self._queue_stored(handling, failed, failed.variant, of=failed)

    async def probe_again(self, handling: Handling, data: ProbeAgain) -> None:
        """Probe a link again whose probe failed; the result goes to the same card.

        Raises TelegramError and StorageError.
        """
        t, offer = handling.texts, await self._own(handling, data.offer_id, offers.get)
        if offer is None:
            return
        try:
            check_link(offer.url, self._allowed_private)
        except LinkError as error:  # it was allowed when it was stored
            await handling.answer(_fault_text(t, error), alert=True)
            return
        message_id = handling.pressed_id or offer.message_id
        await handling.commit(lambda db: offers.again(db, offer.offer_id, message_id))
        await handling.answer(t.plain("press.looking"))

    async def _queue_stored(
        self, handling: Handling, stored: Offer | Job, variant: Variant, *, of: Job | None = None
    ) -> None:
        """Queue the link of a stored offer or job, and answer the callback query with the result."""
        t = handling.texts
        try:
            link = replace(check_link(stored.url, self._allowed_private), guessed=bool(stored.guessed))
        except LinkError as error:  # it was allowed when it was stored
            await handling.answer(_fault_text(t, error), alert=True)
            self._refused(variant.format, error.reason)
            return
        # If the message had several links, reply to the card, which says which of them this is.
        numbered = isinstance(stored, Offer) and stored.number and stored.message_id
        answer = await self._queue(
            handling,
            link,
            variant,
            reply_to=stored.message_id if numbered else stored.reply_to,
            of=of,
            offer_id=None if of else stored.offer_id,  # a job that failed once looks at its link itself
        )
        if isinstance(answer, Refused):
            await handling.answer(t.plain(f"refused.{answer.reason}", count=answer.count), alert=True)
        elif isinstance(answer, Queued):
            await handling.answer(t.plain("press.again" if of else "press.queued", choice=variant.words))
        else:
            await handling.answer(t.plain("already"))
        self._count(handling, variant, answer)

    async def _queue(
        self,
        handling: Handling,
        link: Link,
        variant: Variant,
        *,
        reply_to: int | None,
        of: Job | None = None,
        offer_id: int | None = None,
    ) -> Answer:
        """Store the job and mark the update as handled; return why not if it isn't admitted. Raises StorageError.

        `of` is the failed job that is tried again; the new job takes over its message. `offer_id` is the card's.
        """
        job = NewJob(
            job_id=self._ids.new(),
            user_id=handling.user_id,
            chat_id=handling.chat_id,
            reply_to=reply_to,
            url=link.url,
            cache_key=canonical(link.url).removeprefix("https:" if link.guessed else ""),
            site=link.site,
            variant=variant,
            plan=handling.plan,
            language=handling.language,
            thread_id=handling.topic_id,
            offer_id=offer_id,
        )
        free = await self._free_bytes()

        def change(db: Connection) -> Answer:
            if free < SPACE_BYTES:
                raise _NotQueuedError(Refused("space", 0))
            newer = None if of is None else jobs.newer_same(db, of)
            if newer is not None:  # two callback queries at once
                raise _NotQueuedError(AlreadyThere(newer))
            answer = enqueue(db, job, queue_limit=self._queue_limit, now_ms=self._clock())
            if not isinstance(answer, Queued):
                raise _NotQueuedError(answer)
            if of is not None and of.message_id is not None:
                jobs.set_told(db, of.job_id)  # from now on, only the new job edits the message
                jobs.set_message(db, answer.job.job_id, of.message_id)
                return Queued(replace(answer.job, message_id=of.message_id), answer.before)
            return answer

        try:
            return await handling.commit(change)
        except _NotQueuedError as refused:
            return refused.answer

    def _count(self, handling: Handling, variant: Variant, answer: Answer) -> None:
        """Count a request and its answer, after the sender was answered."""
        self._metrics.format_requests.labels(format=variant.format, plan=handling.plan).inc()
        if isinstance(answer, Refused):
            self._metrics.queue_rejected.labels(reason=answer.reason).inc()

    async def _checked(self, handling: Handling, found: Found, *, fmt: str, named: bool = False) -> Link | None:
        """Return the link if it may be opened; otherwise answer why not (`named`: naming it), count it, return None."""
        t = handling.texts
        try:
            link = check_link(found.url, self._allowed_private)
            return replace(link, guessed=found.guessed and link.site == "other")  # known sites have https
        except LinkError as error:
            which = t("link.named", url=shorten(found.url, SHOWN_LINK_UNITS)) if named else ""
            await handling.reply(_fault_text(t, error) + which)
            self._refused(fmt, error.reason)
            return None

    def _refused(self, fmt: str, reason: Reason) -> None:
        self._metrics.download_failure.labels(format=fmt, reason=reason).inc()

    COMMANDS = (Command("download", download),)
    BUTTONS = (
        buttons("o", PickFormat.decode, pick_format, too_old="offer.stale"),
        buttons("s", PickInstead.decode, pick_instead, too_old="offer.stale"),
        buttons("r", TryAgain.decode, try_again, too_old="offer.stale"),
        buttons("l", ProbeAgain.decode, probe_again, too_old="offer.stale"),
    )


def _text_of(message: Message) -> tuple[str, Sequence[MessageEntity]]:
    return message.text or message.caption or "", message.entities or message.caption_entities


def _failed_job(db: Connection, job_id: int) -> Job | None:
    """Return a job if it failed and its variant is still offered; otherwise None."""
    job = jobs.get(db, job_id)
    return job if job is not None and job.state == "failed" and job.variant.is_offered else None


class _NotQueuedError(Exception):
    """Rolls the transaction back. The update is marked as handled later, after its sender was answered."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _fault_text(t: Texts, error: LinkError) -> str:
    """Return why a link isn't opened. The texts have no markup, so they can answer a callback query too."""
    return t("failed.refused_address" if error.reason is Reason.REFUSED_ADDRESS else f"link.{error.kind}")


def _refusal(handling: Handling, answer: Refused) -> str:
    return handling.texts(f"refused.{answer.reason}", count=answer.count)


def _variant_error_text(handling: Handling, error: VariantError) -> str:
    t = handling.texts
    word = error.word[:40]
    if error.format is None:
        return t("download.unknown_format", word=word, formats=", ".join(FORMATS))
    qualities = FORMATS[error.format].qualities
    if qualities == ("default",):
        return t("download.no_quality", word=word, format=error.format)
    return t("download.unknown_quality", word=word, format=error.format, qualities=", ".join(qualities))

"""Offers: a link that came alone is answered at once with the formats, and then with what is known of it.

Owns every offer from the moment it is stored until its link was looked at. An offer that a kill cut off is taken up
by the next start. The keyboard works from the first second: what a worker finds out only improves the text and the
buttons. A look that ends in doubt leaves them, and only a link that no download could deliver loses them.

Looks have places of their own: they wait for sites and compute nothing. One person has one at a time, so that nobody's
slow site holds up what others sent.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import groupby
from typing import TypeVar

import trio

from doradura.chat.progress import button_rows, choice_text, failure_text, sized_label
from doradura.chat.texts import Catalogues, Texts, duration_text, limit_text
from doradura.clock import Clock
from doradura.downloads.formats import offered
from doradura.downloads.protocol import (
    FINAL_REASONS,
    OUR_REASONS,
    RETRIED_REASONS,
    Failure,
    Metadata,
    WorkerLostError,
    reason_of,
)
from doradura.downloads.workers_protocol import Workers
from doradura.downloads.workspace import PROBE_SECONDS, Workspace
from doradura.metrics import Metrics
from doradura.storage import DAMAGE, Change, Storage, StorageError, offers, users
from doradura.storage.offers import Offer
from doradura.telegram.client import BotApi
from doradura.telegram.errors import CHAT_CLOSED, DeadlineExceededError, TelegramError, TokenRefusedError
from doradura.telegram.types import Button, Keyboard
from doradura.telegram.units import shorten

ATTEMPTS = 3
STARTS = 3
"""A link that was being looked at when the program ended so often is not looked at again."""
PAUSE_SECONDS = 2.0
OUTAGE_PAUSE_SECONDS = 5.0
"""Between two series of attempts when Telegram takes nothing; each series has pauses of its own."""
OPEN_OFFERS_OF_ONE_USER = 5
LOOKS_AT_ONCE = 16
"""A look takes a small process that mostly waits; a download may take a processor."""
TITLE_UNITS = 200
LINK_UNITS = 80
OWN_TROUBLES = frozenset({"tool_crash", "disk", "internal", "deadline"})
"""They say nothing of the site."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Offers:
    """Shows links and looks at them."""

    def __init__(
        self,
        *,
        api: BotApi,
        storage: Storage,
        workers: Workers,
        workspace: Workspace,
        metrics: Metrics,
        catalogues: Catalogues,
        upload_limit_bytes: int,
        clock: Clock,
        refused: Callable[[int], Awaitable[None]],
    ) -> None:
        """`refused` is called with a chat that takes nothing from the bot."""
        self._api = api
        self._storage = storage
        self._workers = workers
        self._workspace = workspace
        self._metrics = metrics
        self._catalogues = catalogues
        self._upload_limit_bytes = upload_limit_bytes
        self._clock = clock
        self._refused = refused
        self._nursery: trio.Nursery | None = None
        self._stopping = trio.Event()
        self._looking = trio.CapacityLimiter(LOOKS_AT_ONCE)
        self._open: Counter[int] = Counter()
        self._turns: dict[int, trio.Lock] = {}
        """Of each person with an open offer."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what was left, then look at what `show` gives, until `stop` and the last one is done."""
        left = await self._storage.read(offers.unfinished)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for offer in left:
                    language = await self._storage.read(partial(users.language, user_id=offer.user_id))
                    self.show(offer, language or "en")
                task_status.started()
                await self._stopping.wait()
            finally:
                self._nursery = None

    def stop(self) -> None:
        """Take no more; leave when those in hand are done."""
        self._stopping.set()

    def show(self, offer: Offer, language: str) -> None:
        """Show a stored offer. After `stop` it waits in the database for the next start."""
        self.show_all([offer], language)

    def show_all(self, new: Sequence[Offer], language: str) -> None:
        """Show a message's stored offers, in their order. After `stop` they wait in the database for the next start."""
        if self._nursery is not None:
            self._nursery.start_soon(self._several, tuple(new), self._catalogues.for_language(language))

    async def _several(self, new: Sequence[Offer], t: Texts) -> None:
        async with trio.open_nursery() as nursery:
            for offer in new:
                there = trio.Event()
                nursery.start_soon(self._one, offer, t, there)
                await there.wait()

    async def _one(self, offer: Offer, t: Texts, there: trio.Event) -> None:
        """See one offer to its end; `there` is set once its card is shown. The barrier of one offer."""
        self._open[offer.user_id] += 1
        try:
            message_id = offer.message_id or await self._show_keyboard(offer, t)
            there.set()
            if self._open[offer.user_id] > OPEN_OFFERS_OF_ONE_USER:
                await self._noted(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))
                return
            if await self._storage.write(partial(offers.tried, offer_id=offer.offer_id)) > STARTS:
                end: Metadata | Failure = Failure(reason="internal", detail="looking at it ended the program each time")
            else:
                end = await self._look(offer)
            await self._tell(offer, message_id, end, t)
        except StorageError as error:
            log.warning("offer waits for the next start", extra={"offer": offer.offer_id, "error": str(error)})
        except TokenRefusedError:
            raise  # that ends the program, and the offer waits for the next start
        except TelegramError as error:
            log.warning("offer can't be shown", extra={"offer": offer.offer_id, "error": str(error)})
            await self._give_up(offer)
            if isinstance(error, CHAT_CLOSED):
                await self._refused(offer.chat_id)
        except Exception:  # the barrier of one offer
            log.exception("offer failed", extra={"offer": offer.offer_id})
            self._metrics.errors.labels(category="internal").inc()
            await self._give_up(offer)
        finally:
            there.set()
            self._open[offer.user_id] -= 1
            if not self._open[offer.user_id]:
                del self._open[offer.user_id]
                self._turns.pop(offer.user_id, None)
            await self._workspace.remove(offer.offer_id)

    async def _give_up(self, offer: Offer) -> None:
        """Keep an offer that no repeat would mend from being tried at every start."""
        try:
            await self._storage.write(lambda db: offers.finish(db, offer.offer_id, "failed", self._clock()))
        except StorageError as error:
            log.warning("offer not given up", extra={"offer": offer.offer_id, "error": str(error)})

    async def _through_outages(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await call()
            except DeadlineExceededError as error:
                log.info("Telegram takes nothing, going on", extra={"error": str(error)})
            await trio.sleep(OUTAGE_PAUSE_SECONDS)

    async def _noted(self, change: Change[None]) -> None:
        """Store what was shown, however long the database takes: forgotten, it would be shown again.

        Raises StorageError when the database is damaged, or the program is to end.
        """
        while True:
            try:
                return await self._storage.write(change)
            except StorageError as error:
                if self._stopping.is_set() or error.reason in DAMAGE:
                    raise
                log.warning("what is shown is not stored yet", extra={"error": str(error)})
            with trio.move_on_after(OUTAGE_PAUSE_SECONDS):
                await self._stopping.wait()

    async def _show_keyboard(self, offer: Offer, t: Texts) -> int:
        message = await self._through_outages(
            lambda: self._api.send_message(
                offer.chat_id,
                # Whatever comes, this stays true: a kill before its id is stored leaves it as it is.
                unseen_text(t, offer),
                keyboard=keyboard(offer.offer_id, None),
                reply_to=offer.reply_to,
                thread_id=offer.thread_id,
            )
        )
        await self._noted(lambda db: offers.shown(db, offer.offer_id, message.message_id))
        return message.message_id

    async def _look(self, offer: Offer) -> Metadata | Failure:
        """Let a worker look at the link when it is its person's turn; what takes too long is a deadline."""
        async with self._turns.setdefault(offer.user_id, trio.Lock()), self._looking:
            with trio.move_on_after(PROBE_SECONDS):
                return await self._attempts(offer)
        return Failure(reason="deadline", detail=f"no answer in {PROBE_SECONDS} s")

    async def _attempts(self, offer: Offer) -> Metadata | Failure:
        """Look, again when that may help (a site that asks for a pause is left alone)."""
        end: Metadata | Failure = Failure(reason="internal", detail="not tried")
        for attempt in range(ATTEMPTS):
            if isinstance(end, Failure) and attempt:
                self._metrics.download_retries.labels(reason=end.reason).inc()
                await trio.sleep(PAUSE_SECONDS * attempt)
            try:
                end = await self._attempt(offer)
            except WorkerLostError as error:
                end = Failure(reason="tool_crash", detail=str(error))
            except OSError as error:
                end = Failure(reason=reason_of(error), detail=f"the probe's directory: {error}")
            if isinstance(end, Metadata) or end.final or end.reason not in RETRIED_REASONS - {"rate_limited"}:
                break
        return end

    async def _attempt(self, offer: Offer) -> Metadata | Failure:
        directory = await self._workspace.fresh(offer.offer_id)
        order = self._workspace.probe(offer.offer_id, directory, offer.url, guessed=bool(offer.guessed))
        async with self._workers.work(order) as conversation:
            await self._storage.write(
                lambda db: offers.set_worker(db, offer.offer_id, conversation.pid, conversation.started_at),
            )
            async for message in conversation:
                if isinstance(message, Metadata | Failure):
                    return message
        return Failure(reason="tool_crash", detail="the worker left without a word")

    async def _tell(self, offer: Offer, message_id: int, end: Metadata | Failure, t: Texts) -> None:
        """Put into the card what the look found. A link that a download may yet deliver keeps its buttons."""
        if isinstance(end, Failure):
            await self._tell_failure(offer, message_id, end, t)
            return
        self._metrics.extraction_duration.observe(end.extraction_seconds)
        known = which_text(t, offer) + known_text(t, end, offer.url, self._upload_limit_bytes)
        buttons = keyboard(offer.offer_id, end, self._upload_limit_bytes)
        await self._through_outages(
            lambda: self._api.edit_message_text(offer.chat_id, message_id, known, keyboard=buttons)
        )
        self._count(offer, "offered")
        await self._noted(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))

    async def _tell_failure(self, offer: Offer, message_id: int, end: Failure, t: Texts) -> None:
        log.info("link not known", extra={"offer": offer.offer_id, "reason": end.reason, "detail": end.detail})
        if end.reason == "deadline":  # the card as it is says all that is known
            self._count(offer, "offered")
            await self._noted(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))
            return
        final = end.final or end.reason in FINAL_REASONS
        text = failure_text(
            t,
            "too_large.source" if end.reason == "too_large" and end.final else end.reason,
            offer.url,
            self._upload_limit_bytes,
            unresolved=end.unresolved,
            retry_after_seconds=end.retry_after_seconds,
        )
        buttons = None if final else keyboard(offer.offer_id, None)
        if not final:
            text += "\n" + t("offer.all_the_same")
        await self._through_outages(
            lambda: self._api.edit_message_text(offer.chat_id, message_id, text, keyboard=buttons)
        )
        reason = None if end.reason in OWN_TROUBLES else end.reason
        self._count(offer, "offered" if reason is None else "refused")
        await self._noted(lambda db: offers.finish(db, offer.offer_id, "failed", self._clock(), reason))
        self._metrics.download_failure.labels(format="none", reason=end.reason).inc()
        if end.reason in OUR_REASONS:
            self._metrics.errors.labels(category="download").inc()

    def _count(self, offer: Offer, outcome: str) -> None:
        self._metrics.link_looks.labels(site=offer.site, outcome=outcome).inc()


def unseen_text(t: Texts, offer: Offer) -> str:
    """Say what is true of a link whatever comes: which one it is."""
    if offer.number:
        return which_text(t, offer) + t("offer.pick")
    return t("offer.unseen", url=shorten(offer.url, TITLE_UNITS))


def which_text(t: Texts, offer: Offer) -> str:
    """Return the line that tells one of several links from the others; nothing for the only one."""
    return t("offer.which", number=offer.number, url=shorten(offer.url, LINK_UNITS)) + "\n" if offer.number else ""


def known_text(t: Texts, known: Metadata, url: str, limit_bytes: int) -> str:
    """Say what is known of a link, and why formats are missing; what is not known is not mentioned."""
    facts = []
    if known.performer:
        facts.append(t.plain("offer.by", performer=shorten(known.performer, TITLE_UNITS)))
    if known.duration_seconds:
        facts.append(t.plain("offer.length", length=duration_text(known.duration_seconds)))
    title = shorten(known.title or url, TITLE_UNITS)
    text = t("offer.known", title=title, facts="   ".join(facts)).replace("\n\n", "\n")
    if not keyboard(0, known, limit_bytes):
        text += "\n" + t("offer.nothing_fits", limit=limit_text(limit_bytes))
    elif any(size.size_bytes > limit_bytes for size in known.sizes):
        text += "\n" + t("offer.left_out", limit=limit_text(limit_bytes))
    return text


def keyboard(offer_id: int, known: Metadata | None, limit_bytes: int | None = None) -> Keyboard:
    """Return the buttons of what the link can be had in, with the sizes that are known; none for what can't be sent."""
    sizes = {(size.format, size.quality): size for size in known.sizes} if known else {}
    choices = offered(
        has_video=known.has_video if known else None,
        has_audio=known.has_audio if known else None,
        lines=known.height if known else None,
    )
    rows: list[tuple[Button, ...]] = []
    for _, each in groupby(choices, lambda choice: choice.format):
        buttons = []
        for choice in each:
            label = choice_text(choice.format, choice.quality)
            size = sizes.get((choice.format, choice.quality))
            if size is not None:
                if limit_bytes is not None and size.size_bytes > limit_bytes:
                    continue
                label = sized_label(label, size.size_bytes, size.height)
            buttons.append(Button(text=label, callback_data=f"o:{offer_id}:{choice.format}:{choice.quality}"))
        rows += button_rows(buttons)
    return tuple(rows)

"""Probes: what a link is, found out without fetching it, for the card in which its formats are offered.

Owns every offer from the moment it is stored until its link was looked at: offers are found by their rows. One that a
kill cut off is taken up by the next start. The card's buttons work from the first second: what a probe finds out only
improves the text and the buttons. A probe that ends in doubt leaves them, and only a link that no download could
deliver loses them.

Probes have places of their own: they wait for sites and compute nothing. One person has one at a time, so that nobody's
slow site holds up what others sent.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Literal, NamedTuple, Protocol, TypeVar

import trio

from doradura.clock import Clock
from doradura.downloads.attempt import LEFT_SILENTLY, RetryPolicy, attempts
from doradura.downloads.closed_chats import note_closed
from doradura.downloads.workspace import PROBE_SECONDS, Workspace
from doradura.media.protocol import Failure, Metadata
from doradura.media.reasons import RETRIED_REASONS, Reason
from doradura.metrics import Metrics
from doradura.storage import Change, Connection, Storage, StorageError, Topic, offers, users
from doradura.storage.offers import Offer
from doradura.storage.persistence import write_until_stored
from doradura.telegram.client import BotApi
from doradura.telegram.errors import CHAT_CLOSED, TelegramError, TokenRefusedError
from doradura.telegram.outages import call_until_answered
from doradura.telegram.types import Keyboard
from doradura.workers.interface import Workers

POLICY = RetryPolicy(
    attempts=3,
    # A site that asks for a pause is left alone: the card's buttons work without a probe.
    reasons=RETRIED_REASONS - {Reason.RATE_LIMITED},
    longest_pause_seconds=PROBE_SECONDS,
    lost_workers=3,
)
STARTS = 3
"""A link that was being looked at when the program ended so often is not looked at again."""
PAUSE_SECONDS = 2.0
PERIOD_SECONDS = 5.0
"""How often new offers are looked for untold: people wait for their cards."""
OPEN_OFFERS_OF_ONE_USER = 5
PROBES_AT_ONCE = 16
"""A probe takes a small process that mostly waits; a download may take a processor."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Card(NamedTuple):
    """What an offer's message shows."""

    text: str
    keyboard: Keyboard | None


class CardPresenter(Protocol):
    """Words and buttons for an offer's message; the chat's part. `language` is the person's."""

    def unseen(self, offer: Offer, language: str) -> Card:
        """Return what is true of a link whatever comes: which one it is, and every format."""
        ...

    def known(self, offer: Offer, known: Metadata, language: str) -> Card:
        """Return what was found out, and the formats that the link has."""
        ...

    def failed(self, offer: Offer, failure: Failure, language: str) -> Card:
        """Return why nothing was found out, and what works all the same."""
        ...


class Probes:
    """Shows offers' cards and looks at their links."""

    def __init__(
        self,
        *,
        api: BotApi,
        storage: Storage,
        workers: Workers,
        workspace: Workspace,
        metrics: Metrics,
        presenter: CardPresenter,
        clock: Clock,
        instance: int,
    ) -> None:
        """`instance`: this run of the program, as the rows of its offers name it."""
        self._api = api
        self._storage = storage
        self._workers = workers
        self._workspace = workspace
        self._metrics = metrics
        self._presenter = presenter
        self._clock = clock
        self._instance = instance
        self._taking = trio.CancelScope()
        self._stopping = trio.Event()
        self._at_once = trio.CapacityLimiter(PROBES_AT_ONCE)
        self._open: Counter[int] = Counter()
        self._one_at_a_time: dict[int, trio.Lock] = {}
        """Of each person with an open offer."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what was left, then what is stored, until `stop` and the last one is done."""
        async with trio.open_nursery() as nursery:
            with self._taking:
                watch = self._storage.watch(Topic.OFFERS)
                await self._take_up(nursery)
                task_status.started()
                while True:
                    await watch.next(PERIOD_SECONDS)
                    try:
                        await self._take_up(nursery)
                    except StorageError as error:
                        log.warning("new offers not known", extra={"error": str(error)})

    def stop(self) -> None:
        """Take no more; leave when those in hand are done. What is stored then waits for the next start."""
        self._stopping.set()
        self._taking.cancel()

    async def _take_up(self, nursery: trio.Nursery) -> None:
        """Show the offers that wait, those of one message in their order. Raises StorageError."""
        if not await self._storage.read(partial(offers.waiting, instance=self._instance)):
            return

        def take(db: Connection) -> list[tuple[Offer, str]]:
            taken = offers.take(db, self._instance)
            return [(offer, users.language(db, offer.user_id) or "en") for offer in taken]

        taken = await self._storage.write(take)
        for _message, new in groupby(taken, lambda each: (each[0].chat_id, each[0].reply_to)):
            nursery.start_soon(self._several, tuple(new))

    async def _several(self, new: Sequence[tuple[Offer, str]]) -> None:
        async with trio.open_nursery() as nursery:
            for offer, language in new:
                there = trio.Event()
                nursery.start_soon(self._one, offer, language, there)
                await there.wait()

    async def _one(self, offer: Offer, language: str, there: trio.Event) -> None:
        """See one offer to its end; `there` is set once its card is shown. The barrier of one offer."""
        self._open[offer.user_id] += 1
        try:
            message_id = offer.message_id or await self._send_card(offer, language)
            if offer.state == "shown" and not offer.tries:  # looked at in vain before: it is a new look's card now
                await self._edit_card(offer, message_id, self._presenter.unseen(offer, language))
            there.set()
            if self._open[offer.user_id] > OPEN_OFFERS_OF_ONE_USER:
                await self._noted(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))
                return
            if await self._storage.write(partial(offers.tried, offer_id=offer.offer_id)) > STARTS:
                end: Metadata | Failure = Failure(
                    reason=Reason.INTERNAL, detail="looking at it ended the program each time"
                )
            else:
                end = await self._probe(offer)
            await self._tell(offer, message_id, end, language)
        except StorageError as error:
            log.warning("offer waits for the next start", extra={"offer": offer.offer_id, "error": str(error)})
        except TokenRefusedError:
            raise  # that ends the program, and the offer waits for the next start
        except TelegramError as error:
            log.warning("offer can't be shown", extra={"offer": offer.offer_id, "error": str(error)})
            await self._give_up(offer)
            if isinstance(error, CHAT_CLOSED):
                await note_closed(self._storage, offer.chat_id, self._clock)
        except Exception:  # the barrier of one offer
            log.exception("offer failed", extra={"offer": offer.offer_id})
            self._metrics.errors.labels(category="internal").inc()
            await self._give_up(offer)
        finally:
            there.set()
            self._open[offer.user_id] -= 1
            if not self._open[offer.user_id]:
                del self._open[offer.user_id]
                self._one_at_a_time.pop(offer.user_id, None)
            await self._workspace.remove(offer.offer_id)

    async def _give_up(self, offer: Offer) -> None:
        """Keep an offer that no repeat would mend from being tried at every start."""
        try:
            await self._storage.write(lambda db: offers.finish(db, offer.offer_id, "failed", self._clock()))
        except StorageError as error:
            log.warning("offer not given up", extra={"offer": offer.offer_id, "error": str(error)})

    async def _noted(self, change: Change[None]) -> None:
        """Store what was shown: forgotten, it would be shown again. What can't be stored is the next start's."""
        await write_until_stored(self._storage, change, what="what a card shows", stopping=self._stopping)

    async def _send_card(self, offer: Offer, language: str) -> int:
        # Whatever comes, its text stays true: a kill before the message's id is stored leaves it as it is.
        card = self._presenter.unseen(offer, language)
        message = await call_until_answered(
            lambda: self._api.send_message(
                offer.chat_id,
                card.text,
                keyboard=card.keyboard,
                reply_to=offer.reply_to,
                thread_id=offer.thread_id,
            )
        )
        await self._noted(lambda db: offers.shown(db, offer.offer_id, message.message_id))
        return message.message_id

    async def _edit_card(self, offer: Offer, message_id: int, card: Card) -> None:
        await call_until_answered(
            lambda: self._api.edit_message_text(offer.chat_id, message_id, card.text, keyboard=card.keyboard)
        )

    async def _probe(self, offer: Offer) -> Metadata | Failure:
        """Let workers look at the link, one of its person's at a time; what takes too long is a deadline."""
        async with self._one_at_a_time.setdefault(offer.user_id, trio.Lock()), self._at_once:
            with trio.move_on_after(PROBE_SECONDS):
                return await attempts(partial(self._attempt, offer), POLICY, pause=self._pause)
        return Failure(reason=Reason.DEADLINE, detail=f"no answer in {PROBE_SECONDS} s")

    async def _pause(self, failure: Failure, tries: int) -> None:
        self._metrics.download_retries.labels(reason=failure.reason).inc()
        await trio.sleep(PAUSE_SECONDS * tries)

    async def _attempt(self, offer: Offer) -> Metadata | Failure:
        """Let one worker look. Raises WorkerLostError, and OSError when there is no directory to be had."""
        directory = await self._workspace.fresh(offer.offer_id)
        order = self._workspace.probe(offer.offer_id, directory, offer.url, guessed=bool(offer.guessed))
        async with self._workers.work(order) as conversation:
            await self._storage.write(
                lambda db: offers.set_worker(db, offer.offer_id, conversation.pid, conversation.started_at),
            )
            async for message in conversation:
                if isinstance(message, Metadata | Failure):
                    return message
        return LEFT_SILENTLY

    async def _tell(self, offer: Offer, message_id: int, end: Metadata | Failure, language: str) -> None:
        """Put into the card what the probe found. A link that a download may yet deliver keeps its buttons."""
        if isinstance(end, Failure):
            await self._tell_failure(offer, message_id, end, language)
            return
        self._metrics.extraction_duration.observe(end.extraction_seconds)
        await self._edit_card(offer, message_id, self._presenter.known(offer, end, language))
        self._count(offer, "offered")
        await self._noted(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))

    async def _tell_failure(self, offer: Offer, message_id: int, end: Failure, language: str) -> None:
        log.info("link not known", extra={"offer": offer.offer_id, "reason": end.reason, "detail": end.detail})
        if end.reason is Reason.DEADLINE:  # the card as it is says all that is known
            self._count(offer, "offered")
            await self._noted(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))
            return
        await self._edit_card(offer, message_id, self._presenter.failed(offer, end, language))
        reason = None if end.reason.of_this_machine else end.reason
        self._count(offer, "offered" if reason is None else "refused")
        await self._noted(lambda db: offers.finish(db, offer.offer_id, "failed", self._clock(), reason))
        self._metrics.download_failure.labels(format="none", reason=end.reason).inc()
        if end.reason.ours:
            self._metrics.errors.labels(category="download").inc()

    def _count(self, offer: Offer, outcome: Literal["offered", "refused"]) -> None:
        self._metrics.link_looks.labels(site=offer.site, outcome=outcome).inc()

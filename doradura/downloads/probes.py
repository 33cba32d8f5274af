"""Probes: they find out what a link is without downloading it, for the link's card with its format buttons.

Owns every offer from its storing until its link was probed; offers are found by their rows. An offer that a kill
interrupted is taken over by the next start. The card's buttons work from the first second, and a probe only improves
the text and the buttons. If a probe finds nothing certain the buttons stay; they go only if no download can deliver the
link.

Probes do not use worker slots: they wait for sites and need little processor time. Each user has one probe at a time,
so that one user's slow sites do not delay the links of others.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar

import trio

from doradura.clock import Clock
from doradura.downloads.attempt import NO_RESULT, RetryPolicy, attempts
from doradura.downloads.closed_chats import note_closed
from doradura.downloads.findings import Findings
from doradura.downloads.paces import SitePaces
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
    # If a site asks for a pause, there is no other attempt, since the card's buttons work without a probe.
    reasons=RETRIED_REASONS - {Reason.RATE_LIMITED},
    longest_pause_seconds=PROBE_SECONDS,
    lost_workers=3,
)
STARTS = 3
"""After so many probes of a link that did not end, because the program ended first, the link is not probed again."""
PAUSE_SECONDS = 2.0
PERIOD_SECONDS = 5.0
"""How often new offers are looked for when no topic wakes this part: people wait for their cards."""
OPEN_OFFERS_OF_ONE_USER = 5
PROBES_AT_ONCE = 16
"""How many probes run at the same time. Unlike a download, a probe is a small process that mostly waits."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class Card(NamedTuple):
    """The HTML text and the buttons of an offer's message."""

    text: str
    keyboard: Keyboard | None


class CardPresenter(Protocol):
    """Interface for rendering cards; chat/cards.py implements it. `language` is the user's language code."""

    def unseen(self, offer: Offer, language: str) -> Card:
        """Return the card before the probe, with every format. It stays true whatever the probe finds."""
        ...

    def known(self, offer: Offer, known: Metadata, language: str) -> Card:
        """Return the card with what the probe found, and the formats that the link has."""
        ...

    def failed(self, offer: Offer, failure: Failure, language: str) -> Card:
        """Return the card that says why the probe failed, and what can be tried nevertheless."""
        ...


class Probes:
    """Shows the cards of offers and probes their links."""

    def __init__(
        self,
        *,
        api: BotApi,
        storage: Storage,
        workers: Workers,
        workspace: Workspace,
        findings: Findings,
        paces: SitePaces,
        metrics: Metrics,
        presenter: CardPresenter,
        clock: Clock,
        instance: int,
        notify_browser_wanted: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """`instance` is this run of the program; it is stored in the rows of its offers.

        `notify_browser_wanted` is called with a site that lets only browsers in, and why requests can't look so.
        """
        self._notify_browser_wanted = notify_browser_wanted
        self._api = api
        self._storage = storage
        self._workers = workers
        self._workspace = workspace
        self._findings = findings
        self._paces = paces
        self._metrics = metrics
        self._presenter = presenter
        self._clock = clock
        self._instance = instance
        self._taking = trio.CancelScope()
        self._stopping = trio.Event()
        self._at_once = trio.CapacityLimiter(PROBES_AT_ONCE)
        self._open: Counter[int] = Counter()
        self._one_at_a_time: dict[int, trio.Lock] = {}
        """User -> lock for that user's probes, for users with open offers."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Show and probe the offers that are stored, until `stop`; return when the last one is done.

        `started()` once the offers of an earlier process are taken over. Raises StorageError before that, and
        TokenRefusedError, both inside an exception group. If cancelled, the next start continues the offers in hand.
        """
        async with trio.open_nursery() as nursery:
            with self._taking:
                watch = self._storage.watch(Topic.OFFERS)
                await self._take_up(nursery)
                task_status.started()
                while True:
                    await watch.next(PERIOD_SECONDS)
                    await self._findings.tidy()
                    try:
                        await self._take_up(nursery)
                    except StorageError as error:
                        log.warning("new offers can't be read", extra={"error": str(error)})

    def stop(self) -> None:
        """Take no more offers, so that `run` returns when those in hand are done. New ones wait for the next start."""
        self._stopping.set()
        self._taking.cancel()

    async def _take_up(self, nursery: trio.Nursery) -> None:
        """Start work on the offers that wait. Those of one message are shown in their order. Raises StorageError."""
        if not await self._storage.read(partial(offers.waiting, instance=self._instance)):
            return

        def take(db: Connection) -> list[tuple[Offer, str]]:
            taken = offers.take(db, self._instance)
            return [(offer, users.language(db, offer.user_id) or "en") for offer in taken]

        taken = await self._storage.write(take)
        for _message, new in groupby(taken, lambda each: (each[0].chat_id, each[0].reply_to)):
            nursery.start_soon(self._run_offers, tuple(new))

    async def _run_offers(self, new: Sequence[tuple[Offer, str]]) -> None:
        async with trio.open_nursery() as nursery:
            for offer, language in new:
                card_shown = trio.Event()
                nursery.start_soon(self._run_offer, offer, language, card_shown)
                await card_shown.wait()

    async def _run_offer(self, offer: Offer, language: str, card_shown: trio.Event) -> None:
        """Show an offer's card, probe its link and show the result. `card_shown` is set once the card is shown.

        A barrier: an unexpected error gives up only this offer. Raises TokenRefusedError, which ends the program.
        """
        self._open[offer.user_id] += 1
        try:
            message_id = offer.message_id or await self._send_card(offer, language)
            if offer.state == "shown" and not offer.tries:  # a probe failed before, and the user asked for another
                await self._edit_card(offer, message_id, self._presenter.unseen(offer, language))
            card_shown.set()
            if self._open[offer.user_id] > OPEN_OFFERS_OF_ONE_USER:
                await self._store(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))
                return
            if await self._storage.write(partial(offers.tried, offer_id=offer.offer_id)) > STARTS:
                found: Metadata | Failure = Failure(
                    reason=Reason.INTERNAL, detail="the program ended during each probe of it"
                )
            else:
                found = await self._probe(offer)
            await self._show_result(offer, message_id, found, language)
        except StorageError as error:
            log.warning("offer waits for the next start", extra={"offer": offer.offer_id, "error": str(error)})
        except TokenRefusedError:
            raise  # this ends the program, and the offer waits for the next start
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
            card_shown.set()
            self._open[offer.user_id] -= 1
            if not self._open[offer.user_id]:
                del self._open[offer.user_id]
                self._one_at_a_time.pop(offer.user_id, None)
            await self._workspace.remove(offer.offer_id)

    async def _give_up(self, offer: Offer) -> None:
        """Record an offer as failed, so that it is not tried again at every start. A StorageError is only logged."""
        try:
            await self._storage.write(lambda db: offers.finish(db, offer.offer_id, "failed", self._clock()))
        except StorageError as error:
            log.warning("offer not given up", extra={"offer": offer.offer_id, "error": str(error)})

    async def _store(self, change: Change[None]) -> None:
        """Store what was shown, so that it is not shown again. Repeats until it is stored or the program stops."""
        await write_until_stored(self._storage, change, what="what a card shows", stopping=self._stopping)

    async def _send_card(self, offer: Offer, language: str) -> int:
        # The text must stay true: after a kill before the message's id is stored, it can't be changed any more.
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
        await self._store(lambda db: offers.shown(db, offer.offer_id, message.message_id))
        return message.message_id

    async def _edit_card(self, offer: Offer, message_id: int, card: Card) -> None:
        await call_until_answered(
            lambda: self._api.edit_message_text(offer.chat_id, message_id, card.text, keyboard=card.keyboard)
        )

    async def _probe(self, offer: Offer) -> Metadata | Failure:
        """Probe the link and return what was found; after PROBE_SECONDS that is a Failure for the deadline."""
        looked_at = self._findings.present()
        if self._paces.has(offer.site) and not await self._storage.write(
            lambda db: self._paces.probe(db, offer.site, looked_at)
        ):
            # A look that can be had now is for those who wait for a file; this card's buttons work without.
            return Failure(reason=Reason.DEADLINE, detail=f"{offer.site} is not asked about more links for now")
        async with self._one_at_a_time.setdefault(offer.user_id, trio.Lock()), self._at_once:
            with trio.move_on_after(PROBE_SECONDS):
                return await attempts(partial(self._attempt, offer), POLICY, pause=partial(self._pause, offer))
        return Failure(reason=Reason.DEADLINE, detail=f"no answer in {PROBE_SECONDS} s")

    async def _pause(self, offer: Offer, failure: Failure, tries: int) -> None:
        if self._paces.has(offer.site):
            await self._storage.write(lambda db: self._paces.take(db, offer.site))
        self._metrics.download_retries.labels(reason=failure.reason).inc()
        await trio.sleep(PAUSE_SECONDS * tries)

    async def _attempt(self, offer: Offer) -> Metadata | Failure:
        """Make one attempt and keep what it found.

        Raises WorkerLostError, StorageError, and OSError without a directory.
        """
        directory = await self._workspace.fresh(offer.offer_id)
        found = await self._look(offer, directory)
        if isinstance(found, Metadata):
            await self._findings.keep(offer.offer_id, directory)
        return found

    async def _look(self, offer: Offer, directory: Path) -> Metadata | Failure:
        order = self._workspace.probe(offer.offer_id, directory, offer.url, guessed=bool(offer.guessed))
        async with self._workers.work(order) as conversation:
            await self._storage.write(
                lambda db: offers.set_worker(db, offer.offer_id, conversation.pid, conversation.started_at),
            )
            async for message in conversation:
                if isinstance(message, Metadata | Failure):
                    return message
        return NO_RESULT

    async def _show_result(self, offer: Offer, message_id: int, found: Metadata | Failure, language: str) -> None:
        """Edit the card to show what the probe found. The buttons stay if a download may still deliver the link."""
        if isinstance(found, Failure):
            await self._show_failure(offer, message_id, found, language)
            return
        self._metrics.extraction_duration.observe(found.extraction_seconds)
        await self._edit_card(offer, message_id, self._presenter.known(offer, found, language))
        self._count(offer, "offered")
        await self._store(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))

    async def _show_failure(self, offer: Offer, message_id: int, found: Failure, language: str) -> None:
        log.info("link not known", extra={"offer": offer.offer_id, "reason": found.reason, "detail": found.detail})
        if found.lacks == "browser":
            await self._notify_browser_wanted(offer.site, found.detail)
        if found.reason is Reason.DEADLINE:  # the card already says all that is known
            self._count(offer, "offered")
            await self._store(lambda db: offers.finish(db, offer.offer_id, "known", self._clock()))
            return
        await self._edit_card(offer, message_id, self._presenter.failed(offer, found, language))
        reason = None if found.reason.of_this_machine else found.reason
        self._count(offer, "offered" if reason is None else "refused")
        await self._store(lambda db: offers.finish(db, offer.offer_id, "failed", self._clock(), reason))
        self._metrics.download_failure.labels(format="none", reason=found.reason).inc()
        if found.reason.ours:
            self._metrics.errors.labels(category="download").inc()

    def _count(self, offer: Offer, outcome: Literal["offered", "refused"]) -> None:
        self._metrics.link_looks.labels(site=offer.site, outcome=outcome).inc()

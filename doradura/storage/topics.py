"""Topics: they name what a change touched, and wake the parts that wait for it after the commit.

A function that writes a row touches the topic on its connection, so that no caller can forget it. A storage calls
`Topics.touched` in Trio's thread once the change is committed. A wake only shortens a wait: it has no content and may
be lost (with PostgreSQL it will come over a network). So every part also reads its rows once in every period.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import trio


class Topic(StrEnum):
    """The topics that a change may touch: one for each thing that a part waits for."""

    QUEUE = "queue"
    """A job was added to the queue or put back into it."""
    CANCELLED_JOBS = "cancelled_jobs"
    """A job that waits or runs was cancelled."""
    CLOSED_CHATS = "closed_chats"
    """The bot can no longer write to a chat."""
    OPEN_CHATS = "open_chats"
    """The bot can write again to a chat that alerts go to."""
    OFFERS = "offers"
    """A link is to be probed."""
    ACCOUNTS = "accounts"
    """What is stored of who somebody is to the bot has changed: a language was chosen."""
    OUTBOX = "outbox"
    """A notification waits for a chat."""
    INCIDENTS = "incidents"
    """An incident began to fire, or a notice in doubt says so."""
    SILENCES = "silences"
    """A silence was requested, changed or deleted."""


class Topics:
    """The topics of one storage. Use it only in Trio's thread."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Topic, 0)
        self._lot = trio.lowlevel.ParkingLot()

    def touched(self, topics: Iterable[Topic]) -> None:
        """Wake everyone who waits for one of these topics. The change that touched them is committed."""
        for topic in topics:
            self._counts[topic] += 1
            self._lot.unpark_all()

    def watch(self, *topics: Topic) -> Watch:
        """Return a watch on some topics, for touches from now on."""
        return Watch(self, topics)

    def count(self, topics: Iterable[Topic]) -> int:
        """Return how often these topics were touched in total."""
        return sum(self._counts[topic] for topic in topics)

    async def until_touched(self, topics: Iterable[Topic], seen: int) -> None:
        """Wait until the count of these topics differs from `seen`."""
        await trio.lowlevel.checkpoint()
        while self.count(topics) == seen:
            await self._lot.park()


class Watch:
    """A watch on some topics by one part. A touch between two waits is not lost: the next wait ends at once."""

    def __init__(self, topics: Topics, wanted: tuple[Topic, ...]) -> None:
        self._topics = topics
        self._wanted = wanted
        self._seen = topics.count(wanted)

    @property
    def touches(self) -> int:
        """How often the topics were touched so far: what was read at another count may be outdated."""
        return self._topics.count(self._wanted)

    async def next(self, period_seconds: float) -> None:
        """Wait until a topic was touched since the last wait ended, for `period_seconds` at most.

        If cancelled, nothing is recorded, so the next wait ends at once if there was a touch.
        """
        with trio.move_on_after(period_seconds):
            await self._topics.until_touched(self._wanted, self._seen)
        self._seen = self._topics.count(self._wanted)

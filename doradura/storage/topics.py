"""Topics: what a change touched, and how whoever waits for that is woken after its commit.

A function that writes a row touches its topic on the connection it is given, so no caller can forget; a storage calls
`Topics.touched` in trio's thread once the change is committed. A wake is a hint that shortens a wait and nothing more:
it carries no content and may be lost (with PostgreSQL it will come over a network), so every part also looks at its
rows by itself, once a period, and finds the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import trio


class Topic(StrEnum):
    """What a change may touch: one value for each thing that a part waits for."""

    QUEUE = "queue"
    """A job waits: it is new, or was put back."""
    CANCELLED_JOBS = "cancelled_jobs"
    """A job was recorded as cancelled by somebody else than its run."""
    CLOSED_CHATS = "closed_chats"
    """A chat takes nothing any more."""
    OPEN_CHATS = "open_chats"
    """A chat that could not be told alerts takes messages again."""
    OFFERS = "offers"
    """A link is to be looked at."""
    OUTBOX = "outbox"
    """A chat is to be told something of an alert."""
    INCIDENTS = "incidents"
    """Something began to fire, or may have."""
    SILENCES = "silences"
    """A silence was asked for, changed or forgotten."""


class Topics:
    """The topics of one storage. To be used in trio's thread alone."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(Topic, 0)
        self._lot = trio.lowlevel.ParkingLot()

    def touched(self, topics: Iterable[Topic]) -> None:
        """Wake whoever waits for one of these; a change that touched them is committed."""
        for topic in topics:
            self._counts[topic] += 1
            self._lot.unpark_all()

    def watch(self, *topics: Topic) -> Watch:
        """Return a part's own view of some topics: what is touched from now on counts."""
        return Watch(self, topics)

    def count(self, topics: Iterable[Topic]) -> int:
        """Return how often these were touched."""
        return sum(self._counts[topic] for topic in topics)

    async def until_touched(self, topics: Iterable[Topic], seen: int) -> None:
        """Wait until these were touched more often than `seen`."""
        await trio.lowlevel.checkpoint()
        while self.count(topics) == seen:
            await self._lot.park()


class Watch:
    """One waiter for some topics. A touch between two looks is never lost: the next wait ends at once."""

    def __init__(self, topics: Topics, wanted: tuple[Topic, ...]) -> None:
        self._topics = topics
        self._wanted = wanted
        self._seen = topics.count(wanted)

    async def next(self, period_seconds: float) -> None:
        """Wait until a topic was touched since the last wait ended, a period at most; then look.

        Cancelled, it has noted nothing: the next wait ends at once where there was a touch.
        """
        with trio.move_on_after(period_seconds):
            await self._topics.until_touched(self._wanted, self._seen)
        self._seen = self._topics.count(self._wanted)

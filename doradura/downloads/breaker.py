"""Site breakers: a site that takes us for a robot is left alone, longer each time in a row.

Owns which sites are paused; it lies in the database, so a restart does not start asking again. When a pause is over,
the next job of the site is the trial: it closes the breaker or opens it for twice as long.
"""

from __future__ import annotations

import logging

import trio

from doradura.clock import Clock
from doradura.metrics import Metrics
from doradura.storage import Storage, breakers

FIRST_PAUSE_SECONDS = 600
LONGEST_PAUSE_SECONDS = 6 * 3600

log = logging.getLogger(__name__)


class SiteBreakers:
    """Which sites are paused until when."""

    def __init__(self, storage: Storage, metrics: Metrics, *, clock: Clock) -> None:
        self._clock = clock
        self._storage = storage
        self._metrics = metrics
        self._open: dict[str, tuple[float, int]] = {}
        """Site -> (until when by Trio's time, times in a row): a wall clock set back must not make a pause longer."""
        self._published: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Read what an earlier process left open."""
        now, at = self._clock(), trio.current_time()
        for site, (until_ms, failures) in (await self._storage.read(breakers.all_open)).items():
            self._open[site] = (at + min((until_ms - now) / 1000, LONGEST_PAUSE_SECONDS), failures)
        self._publish()

    def paused(self) -> tuple[str, ...]:
        """Return the sites that are paused now."""
        return self._publish()

    def trip(self, site: str) -> int | None:
        """Pause a site from this moment on; return for how many seconds. `keep` stores it.

        None where a site is no site of its own ("other"), and while it is paused: that is said by a job that had
        begun before, and says nothing new.
        """
        if site == "other" or site in self.paused():
            return None
        _, failures = self._open.get(site, (0, 0))
        seconds: int = min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS)
        self._open[site] = (trio.current_time() + seconds, failures + 1)
        self._publish()
        log.warning("site paused", extra={"site": site, "seconds": seconds, "times": failures + 1})
        return seconds

    async def keep(self, site: str) -> None:
        """Store a site's pause for the next start. Raises StorageError; the pause stands all the same."""
        until, _ = self._open.get(site, (0.0, 0))
        until_ms = self._clock() + round((until - trio.current_time()) * 1000)
        await self._storage.write(lambda db: breakers.open_until(db, site, until_ms))

    async def reset(self, site: str) -> None:
        """A download of this site worked. While the site is paused, that one had begun before and is no trial."""
        if site in self._open and site not in self.paused():
            await self._storage.write(lambda db: breakers.close(db, site))
            self._open.pop(site, None)
            self._publish()

    def _publish(self) -> tuple[str, ...]:
        """Show which sites are paused now, and return them. Called at each look at the queue: what stays is left."""
        now = trio.current_time()
        paused = tuple(site for site, (until, _) in self._open.items() if until > now)
        shown = frozenset(paused).intersection(self._metrics.sites)
        for site in shown ^ self._published:
            self._metrics.site_breaker_open.labels(site=site).set(site in shown)
        self._published = shown
        return paused

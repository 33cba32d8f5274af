"""Site breakers: a site that takes us for a robot is paused, for twice as long each time in a row.

Owns the list of paused sites. It is stored, so a restart does not end a pause. When a pause is over, the site's next
job is the trial: it closes the breaker, or opens it for twice as long.
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
    """Knows which sites are paused, and until when."""

    def __init__(self, storage: Storage, metrics: Metrics, *, clock: Clock) -> None:
        self._clock = clock
        self._storage = storage
        self._metrics = metrics
        self._open: dict[str, tuple[float, int]] = {}
        """Site -> (end of its pause in Trio's time, number of pauses in a row).

        It is Trio's time, because a wall clock that is set back must not make a pause longer.
        """
        self._published: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Read the pauses that an earlier process stored. Raises StorageError."""
        now, at = self._clock(), trio.current_time()
        for site, (until_ms, failures) in (await self._storage.read(breakers.all_open)).items():
            self._open[site] = (at + min((until_ms - now) / 1000, LONGEST_PAUSE_SECONDS), failures)
        self._publish()

    def paused(self) -> tuple[str, ...]:
        """Return the sites that are paused now."""
        return self._publish()

    def trip(self, site: str) -> int | None:
        """Pause a site from now on and return for how many seconds. The caller then stores the pause with `keep`.

        Return None for "other", which is not one site, and for a site that is already paused: the job that reports it
        began before the pause.
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
        """Store a site's pause for the next start. Raises StorageError; the pause is in effect even then."""
        until, _ = self._open.get(site, (0.0, 0))
        until_ms = self._clock() + round((until - trio.current_time()) * 1000)
        await self._storage.write(lambda db: breakers.open_until(db, site, until_ms))

    async def reset(self, site: str) -> None:
        """Close a site's breaker after a successful download. Raises StorageError.

        While the site is paused this does nothing: that download began before the pause and is not the trial.
        """
        if site in self._open and site not in self.paused():
            await self._storage.write(lambda db: breakers.close(db, site))
            self._open.pop(site, None)
            self._publish()

    def _publish(self) -> tuple[str, ...]:
        """Set the gauge of each site whose breaker opened or closed, and return the paused sites."""
        now = trio.current_time()
        paused = tuple(site for site, (until, _) in self._open.items() if until > now)
        shown = frozenset(paused).intersection(self._metrics.sites)
        for site in shown ^ self._published:
            self._metrics.site_breaker_open.labels(site=site).set(site in shown)
        self._published = shown
        return paused

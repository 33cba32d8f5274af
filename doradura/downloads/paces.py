"""The paces of sites: how many looks at a site's links may begin in a period, before the site takes us for a robot.

Owns the buckets, one for each site that DORADURA_SITE_PACE names. A look takes from its site's bucket, which fills
again at a steady rate. A job waits in the queue, without a worker slot, until its site's bucket has a look for it; a
job that needs none (its card's probe found what it needs, or its file was sent before) does not. Whoever must not wait
(another attempt, a fresh look after an outdated address) takes too, so that those after it wait. The buckets are
stored, because a bot that starts again has asked no less; the change that claims a job takes its look as well.

All of a site's looks leave by one way (the site's proxy, or directly), so a site's bucket is also that way's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from doradura.clock import Clock
from doradura.media.sites import SITES
from doradura.settings import SitePace
from doradura.startup import EXIT_SETTINGS, StartupError
from doradura.storage import Connection, paces
from doradura.storage.conditions import Clause


class PaceError(StartupError):
    """The setting names a site that is not known; the message says which are."""

    exit_code = EXIT_SETTINGS


def checked(setting: Iterable[SitePace]) -> Mapping[str, SitePace]:
    """Return the pace of each site that has one. Raises PaceError."""
    known = {pace.site: pace for pace in setting}
    for site in known:
        if site not in SITES or site == "other":
            raise PaceError(
                f"DORADURA_SITE_PACE names {site}, which is not a site that the bot tells apart; "
                f"there are {', '.join(each for each in SITES if each != 'other')}."
            )
    return known


class SitePaces:
    """The buckets. Its methods are called inside a change or a query of the storage."""

    def __init__(self, setting: Iterable[SitePace], *, bot_id: int, clock: Clock) -> None:
        """Raises PaceError."""
        self._paces = checked(setting)
        self._bot_id = bot_id
        self._clock = clock

    def has(self, site: str) -> bool:
        """Return whether a site has a pace."""
        return site in self._paces

    def left(self, db: Connection, site: str) -> int:
        """Return how many looks at a site may begin now."""
        pace = self._paces[site]
        return int(pace.burst - self._missing_seconds(db, pace) / pace.seconds)

    def take(self, db: Connection, site: str) -> None:
        """Note that a look at a site begins, even if its bucket is empty. Does nothing for a site without pace."""
        pace = self._paces.get(site)
        if pace is not None:
            missing_seconds = self._missing_seconds(db, pace) + pace.seconds
            paces.set_full_ms(db, site, self._clock() + round(missing_seconds * 1000))

    def _missing_seconds(self, db: Connection, pace: SitePace) -> float:
        """Return in how many seconds the bucket is full.

        It is never emptier than empty, so a wall clock that was set back makes nobody wait for long.
        """
        missing_seconds = (paces.full_ms(db, pace.site) - self._clock()) / 1000
        return min(max(0.0, missing_seconds), pace.burst * pace.seconds)

    def claimable(self, db: Connection, looked_at: Collection[int]) -> Clause:
        """Return the condition for the jobs that need not wait. `looked_at` are the offers with a finding."""
        exhausted = [site for site in self._paces if self.left(db, site) < 1]
        return paces.without_look(exhausted, looked_at, self._bot_id)

    def claimed(self, db: Connection, job_id: int, site: str, looked_at: Collection[int]) -> bool:
        """Take a look for a claimed job. Return False if it needs none."""
        if not self.has(site) or not paces.needs_look(db, job_id, site, looked_at, self._bot_id):
            return False
        self.take(db, site)
        return True

    def waits(self, db: Connection, looked_at: Collection[int]) -> dict[int, float]:
        """Return the waiting jobs that must wait for their site's bucket -> for about how many seconds."""
        found: dict[int, float] = {}
        for site, pace in self._paces.items():
            room_seconds = pace.burst * pace.seconds - self._missing_seconds(db, pace)
            for before, job_id in enumerate(paces.needing_look(db, site, looked_at, self._bot_id)):
                seconds = (before + 1) * pace.seconds - room_seconds
                if seconds > 0:
                    found[job_id] = seconds
        return found

    def probe(self, db: Connection, site: str, looked_at: Collection[int]) -> bool:
        """Take a look for a probe, if the bucket has more than the jobs that wait need. Return whether it does."""
        if self.left(db, site) <= len(paces.needing_look(db, site, looked_at, self._bot_id)):
            return False
        self.take(db, site)
        return True

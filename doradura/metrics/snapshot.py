"""The values that a scrape reads from the database: fetched before the text is made, kept for a few seconds."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import trio

from doradura.metrics.exposition import FamilySamples

log = logging.getLogger(__name__)

FamilyQuery = Callable[[], Awaitable[FamilySamples]]


class DatabaseValues:
    """Fetches each family's samples from the database, at most once in `keep_seconds`, however often somebody scrapes.

    A query that fails or takes longer than `timeout_seconds` leaves its family out and calls `failed` once with the
    error (trio.TooSlowError if it was the time); the other families are served. What is in `expected` (a database that
    is away) is logged in one line for all families, anything else with its traceback.
    """

    def __init__(
        self,
        queries: Mapping[str, FamilyQuery],
        *,
        failed: Callable[[Exception], None],
        expected: tuple[type[Exception], ...] = (),
        keep_seconds: float = 5.0,
        timeout_seconds: float = 2.0,
    ) -> None:
        self._queries = queries
        self._failed = failed
        self._expected: tuple[type[Exception], ...] = (*expected, trio.TooSlowError)
        self._keep_seconds = keep_seconds
        self._timeout_seconds = timeout_seconds
        self._lock = trio.Lock()
        self._kept: dict[str, FamilySamples] = {}
        self._fetched_at: float | None = None

    async def snapshot(self) -> Mapping[str, FamilySamples]:
        """Return family -> samples. Simultaneous callers share one fetch.

        If that one is cancelled, the next does it.
        """
        async with self._lock:
            now = trio.current_time()
            if self._fetched_at is None or now - self._fetched_at >= self._keep_seconds:
                found: dict[str, FamilySamples] = {}
                unread: dict[str, str] = {}
                async with trio.open_nursery() as nursery:
                    for family, query in self._queries.items():
                        nursery.start_soon(self._fetch, family, query, found, unread)
                if unread:
                    error = ", ".join(sorted(set(unread.values())))
                    log.warning(
                        "metrics could not be read from the database",
                        extra={"metrics": ", ".join(sorted(unread)), "error": error},
                    )
                self._kept, self._fetched_at = found, trio.current_time()
            return self._kept

    async def _fetch(
        self, family: str, query: FamilyQuery, found: dict[str, FamilySamples], unread: dict[str, str]
    ) -> None:
        """Run one query. A barrier: a scrape must not fail because the database does."""
        try:
            with trio.fail_after(self._timeout_seconds):
                found[family] = await query()
        except self._expected as error:
            unread[family] = (
                f"no answer within {self._timeout_seconds:g} s" if isinstance(error, trio.TooSlowError) else str(error)
            )
            self._failed(error)
        except Exception as error:
            log.exception("a metric could not be read from the database", extra={"metric": family})
            self._failed(error)

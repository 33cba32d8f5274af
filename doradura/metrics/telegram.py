"""Turns what the Telegram client reports into numbers."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from doradura.metrics.catalogue import Metrics


class TelegramMetrics:
    """The client's observer. It matches by its methods alone, so neither side imports the other.

    The label values say which kinds and outcomes there are, and what they mean.
    """

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time) -> None:
        self._metrics = metrics
        self._clock = clock
        self._down = False
        self._conflict = False

    def request_finished(self, method: str, kind: str, outcome: str, seconds: float) -> None:
        """One HTTP request ended.

        An error of Telegram's or of the network is one that a person may have to look at. Such errors without a success
        in between count as one: an outage is one thing to look at, however many requests it costs. A client_error is
        not counted here: "bot was blocked by the user" is one, and the caller knows what it meant.
        """
        self._metrics.telegram_requests.labels(method=method, outcome=outcome).inc()
        if kind in self._metrics.values.request_kinds:
            self._metrics.telegram_request_duration.labels(kind=kind).observe(seconds)
        down = outcome in self._metrics.values.outages
        if down and not self._down:
            self._metrics.errors.labels(category="telegram").inc()
        self._down = down

    def rate_limited(self, source: str) -> None:
        """A call has to wait."""
        self._metrics.telegram_rate_limited.labels(source=source).inc()

    def given_up(self, method: str) -> None:  # noqa: ARG002 - its requests were counted by method
        """A call was given up because its time ran out.

        An error, except during an outage, which was counted already.
        """
        if not self._down:
            self._metrics.errors.labels(category="telegram").inc()

    def poll_completed(self) -> None:
        """A long poll was answered properly."""
        self._conflict = False
        self._metrics.telegram_last_poll.set(self._clock())

    def poll_conflict(self) -> None:
        """A long poll was refused with 409: another program uses this token, and only a person can end that.

        It counts as one error until polls are answered again, however many are refused.
        """
        self._metrics.telegram_poll_conflicts.inc()
        if not self._conflict:
            self._metrics.errors.labels(category="telegram").inc()
        self._conflict = True

    def update_malformed(self) -> None:
        """An update was skipped."""
        self._metrics.errors.labels(category="telegram").inc()

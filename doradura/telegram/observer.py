"""What the client reports to whoever counts: the only way numbers leave this package."""

from __future__ import annotations

from typing import Final, Literal, Protocol

from doradura.telegram.errors import RequestOutcome

RequestKind = Literal["send", "upload", "edit", "other", "poll"]
"""What a request was for. `poll` is the long poll, whose duration means nothing and belongs in no histogram."""
TIMED_KINDS: Final[tuple[RequestKind, ...]] = ("send", "upload", "edit", "other")
"""The kinds whose duration is measured."""

LimitSource = Literal["server", "local"]
"""Who made a call wait: Telegram with a 429, or we, because that chat was told to wait before."""


class TelegramObserver(Protocol):
    """Receives everything countable, synchronously, on the event loop; must neither block nor raise."""

    def request_finished(self, method: str, kind: RequestKind, outcome: RequestOutcome, seconds: float) -> None:
        """One HTTP request ended; `seconds` is from taking a connection to the answer."""

    def rate_limited(self, source: LimitSource) -> None:
        """A call has to wait."""

    def given_up(self, method: str) -> None:
        """A call was given up because its time ran out."""

    def poll_completed(self) -> None:
        """A long poll was answered properly, with updates or without."""

    def poll_conflict(self) -> None:
        """A long poll was refused with 409."""

    def update_malformed(self) -> None:
        """An update was skipped because it is not an object with an update_id."""


class SilentObserver:
    """Counts nothing: for tests, and for calls that are not counted."""

    def request_finished(self, method: str, kind: RequestKind, outcome: RequestOutcome, seconds: float) -> None:
        """Ignore it."""

    def rate_limited(self, source: LimitSource) -> None:
        """Ignore it."""

    def given_up(self, method: str) -> None:
        """Ignore it."""

    def poll_completed(self) -> None:
        """Ignore it."""

    def poll_conflict(self) -> None:
        """Ignore it."""

    def update_malformed(self) -> None:
        """Ignore it."""

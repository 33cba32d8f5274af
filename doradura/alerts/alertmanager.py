"""Alertmanager's API v2, as far as silences need it: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.

Only asks and tells; what it means for incidents is decided in `silencing`. Raises MonitoringError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, NamedTuple
from urllib.parse import quote

import httpx
import msgspec

from doradura.alerts.fetching import MonitoringError, fetch, fetch_raw, understood
from doradura.alerts.payload import WATCHDOG
from doradura.clock import Clock

LIST_BYTES = 32 * 1024**2
"""As large as a webhook's body may be: ten thousand alerts with much text."""
LIST_SECONDS = 20.0


class Matcher(msgspec.Struct, frozen=True, rename="camel"):
    """One label that a silence asks for; `isEqual` is missing in answers of old versions."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class SilenceStatus(msgspec.Struct, frozen=True):
    """expired, active or pending."""

    state: str


class FoundSilence(msgspec.Struct, frozen=True, rename="camel"):
    """A silence as Alertmanager has it."""

    id: str
    status: SilenceStatus
    created_by: str
    comment: str
    ends_at: datetime
    matchers: Sequence[Matcher]

    @property
    def is_active(self) -> bool:
        """Whether it silences now."""
        return self.status.state == "active"

    @property
    def until_ms(self) -> int:
        """When it ends."""
        return round(self.ends_at.timestamp() * 1000)

    def is_exactly(self, labels: Mapping[str, str]) -> bool:
        """Whether it silences alerts with these labels, named one by one, and asks for nothing else."""
        plain = {matcher.name: matcher.value for matcher in self.matchers if not matcher.is_regex and matcher.is_equal}
        return len(plain) == len(self.matchers) and plain == labels


class _Made(msgspec.Struct, frozen=True):
    silenceID: str  # noqa: N815 - Alertmanager's name, which no rule for camel case makes


class _FoundAlert(msgspec.Struct, frozen=True):
    fingerprint: str
    labels: dict[str, str] = {}


class _Status(msgspec.Struct, frozen=True):
    uptime: Annotated[datetime, msgspec.Meta(tz=True)]


class Listing(NamedTuple):
    """What an Alertmanager has just now, silenced and inhibited alerts too."""

    started_ms: int
    """When it was started: what tells one Alertmanager at an address from the next. Its own clock, as `now_ms` is."""
    now_ms: int
    fingerprints: frozenset[str]
    has_watchdog: bool
    """Whether the alert that always fires is among them: this Alertmanager is told of alerts."""


class Alertmanager:
    """One Alertmanager."""

    def __init__(self, client: httpx.AsyncClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    @property
    def url(self) -> str:
        """Its address, for people to read: without a password that is in it."""
        address = self._client.base_url
        return str(address.copy_with(userinfo=b"")).rstrip("/")

    async def silences(self) -> list[FoundSilence]:
        """Return every silence that is not forgotten, expired ones too."""
        return await fetch(self._client, "GET", "/api/v2/silences", list[FoundSilence])

    async def silence(self, silence_id: str) -> FoundSilence | None:
        """Return one silence; None when Alertmanager does not know it (any more)."""
        try:
            return await fetch(self._client, "GET", _path(silence_id), FoundSilence)
        except MonitoringError as error:
            if error.status == 404:
                return None
            raise

    async def make(self, labels: Mapping[str, str], *, until_ms: int, now_ms: int, by: str, comment: str) -> str:
        """Silence alerts with exactly these labels. Return the silence's id."""
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in labels.items()
            ],
            "startsAt": _stamp(now_ms),
            "endsAt": _stamp(until_ms),
            "createdBy": by,
            "comment": comment,
        }
        return (await fetch(self._client, "POST", "/api/v2/silences", _Made, body=body)).silenceID

    async def end(self, silence_id: str) -> None:
        """End a silence."""
        await fetch(self._client, "DELETE", _path(silence_id), bytes)

    async def listing(self) -> Listing:
        """Return all alerts it has. An answer that is not understood whole is none."""
        # The start first: one that is restarted between the two is asked again a minute later.
        raw, headers = await fetch_raw(self._client, "GET", "/api/v2/status")
        status = understood(raw, _Status)
        found = await fetch(
            self._client,
            "GET",
            "/api/v2/alerts",
            list[_FoundAlert],
            parameters=dict.fromkeys(("active", "silenced", "inhibited", "unprocessed"), "true"),
            most_bytes=LIST_BYTES,
            seconds=LIST_SECONDS,
        )
        return Listing(
            round(status.uptime.timestamp() * 1000),
            _date_ms(headers.get("Date", "")) or self._clock(),
            frozenset(alert.fingerprint for alert in found),
            any(alert.labels.get("alertname") == WATCHDOG for alert in found),
        )


def _date_ms(text: str) -> int | None:
    """Read an HTTP date (RFC 9110, section 5.6.7); None for what is none."""
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        return None


def _path(silence_id: str) -> str:
    return f"/api/v2/silence/{quote(silence_id, safe='')}"


def _stamp(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

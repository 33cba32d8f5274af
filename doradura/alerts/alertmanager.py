"""A client for the part of Alertmanager's API v2 that lists alerts and manages silences.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. What the answers mean for incidents is decided
in `silencing` and `reconciling`.
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
"""The same as for a webhook's body: ten thousand alerts with long texts."""
LIST_SECONDS = 20.0


class Matcher(msgspec.Struct, frozen=True, rename="camel"):
    """A condition of a silence on one label. Old versions of Alertmanager leave `isEqual` out."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class SilenceStatus(msgspec.Struct, frozen=True):
    """The state of a silence: expired, active or pending."""

    state: str


class FoundSilence(msgspec.Struct, frozen=True, rename="camel"):
    """A silence as Alertmanager returns it."""

    id: str
    status: SilenceStatus
    created_by: str
    comment: str
    ends_at: datetime
    matchers: Sequence[Matcher]

    @property
    def is_active(self) -> bool:
        """Return whether the silence is in effect now."""
        return self.status.state == "active"

    @property
    def until_ms(self) -> int:
        """Return when the silence ends, in ms since 1970."""
        return round(self.ends_at.timestamp() * 1000)

    def is_exactly(self, labels: Mapping[str, str]) -> bool:
        """Return whether the silence matches exactly these labels, one plain matcher each, and has no other matcher."""
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
    """The alerts that an Alertmanager knows at this moment, including silenced and inhibited ones."""

    started_ms: int
    """When this Alertmanager was started, by its own clock like `now_ms`. It tells one Alertmanager from the next."""
    now_ms: int
    fingerprints: frozenset[str]
    has_watchdog: bool
    """Whether the watchdog is among the alerts: if so, this Alertmanager does receive alerts from Prometheus."""


class Alertmanager:
    """Sends requests to one Alertmanager. Every method raises MonitoringError if there is no usable answer."""

    def __init__(self, client: httpx.AsyncClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    @property
    def url(self) -> str:
        """Return Alertmanager's address for people to read, without user name and password."""
        address = self._client.base_url
        return str(address.copy_with(userinfo=b"")).rstrip("/")

    async def silences(self) -> list[FoundSilence]:
        """Return every silence that Alertmanager still knows, including expired ones. Raises MonitoringError."""
        return await fetch(self._client, "GET", "/api/v2/silences", list[FoundSilence])

    async def silence(self, silence_id: str) -> FoundSilence | None:
        """Return one silence; None if Alertmanager doesn't know it (any more). Raises MonitoringError."""
        try:
            return await fetch(self._client, "GET", _path(silence_id), FoundSilence)
        except MonitoringError as error:
            if error.status == 404:
                return None
            raise

    async def make(self, labels: Mapping[str, str], *, until_ms: int, now_ms: int, by: str, comment: str) -> str:
        """Silence alerts with exactly these labels and return the silence's id. Raises MonitoringError."""
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
        """End a silence. Raises MonitoringError."""
        await fetch(self._client, "DELETE", _path(silence_id), bytes)

    async def listing(self) -> Listing:
        """Return all alerts that Alertmanager knows. Raises MonitoringError, also if only a part can be read."""
        # The status comes first: if Alertmanager restarts between the two requests, the next comparison corrects it.
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
    """Return an HTTP date (RFC 9110, section 5.6.7) in ms since 1970; None if the text is not one."""
    try:
        return round(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        return None


def _path(silence_id: str) -> str:
    return f"/api/v2/silence/{quote(silence_id, safe='')}"


def _stamp(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Alertmanager's API v2, as far as silences need it: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.

Only asks and tells; what it means for incidents is decided in `silencing`. Raises MonitoringError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import msgspec

from doradura.alerts.fetching import MonitoringError, fetch


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


class FoundAlert(msgspec.Struct, frozen=True):
    """An alert that Alertmanager has just now."""

    fingerprint: str


class _Status(msgspec.Struct, frozen=True):
    uptime: datetime


class Alertmanager:
    """One Alertmanager."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def silences(self) -> list[FoundSilence]:
        """Give every silence that is not forgotten, expired ones too."""
        return await fetch(self._client, "GET", "/api/v2/silences", list[FoundSilence])

    async def silence(self, silence_id: str) -> FoundSilence | None:
        """Give one silence; None when Alertmanager does not know it (any more)."""
        try:
            return await fetch(self._client, "GET", _path(silence_id), FoundSilence)
        except MonitoringError as error:
            if error.status == 404:
                return None
            raise

    async def make(self, labels: Mapping[str, str], *, until_ms: int, now_ms: int, by: str, comment: str) -> str:
        """Silence alerts with exactly these labels; give the silence's id."""
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

    async def fingerprints(self) -> set[str]:
        """Give the fingerprints of all alerts it has, silenced and inhibited ones too."""
        return {alert.fingerprint for alert in await fetch(self._client, "GET", "/api/v2/alerts", list[FoundAlert])}

    async def started_ms(self) -> int:
        """Give when it was started: for some minutes after that it does not know yet what fires."""
        status = await fetch(self._client, "GET", "/api/v2/status", _Status)
        return round(status.uptime.timestamp() * 1000)


def _path(silence_id: str) -> str:
    return f"/api/v2/silence/{quote(silence_id, safe='')}"


def _stamp(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

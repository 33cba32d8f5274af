"""Parses Alertmanager's webhook payload, version 4: bytes in, notices out. No I/O.

The body must be a JSON object with a list `alerts`; anything else may be missing, unknown or of a wrong type without
losing an alert. The format: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from doradura.reachable import is_link
from doradura.telegram.nesting import without_depths

log = logging.getLogger(__name__)

WATCHDOG = "Watchdog"
UNREADABLE = "UnreadableAlert"
VERSION = "4"
DIGITS = 4000
"""Longer numbers stay text, because Python refuses to parse them."""

NAME_UNITS = 200
"""The longest alert name, instance or key that is kept."""
SUMMARY_UNITS = 1000
DESCRIPTION_UNITS = 8000
"""Twice what a message holds. A text that is cut ends in an ellipsis."""

MOST_TRUNCATED = 1_000_000
LABELS_UNITS = 16_000
GENERATOR_UNITS = 8000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANKS: Mapping[str, int] = {"critical": 0, "warning": 1, "none": 2, "info": 2}

Status = Literal["firing", "resolved"]
SEVERITIES = ("critical", "warning", "none")
"""The severities that the rules in stack/ use: values of the metric's label."""


class PayloadError(Exception):
    """The body is not a webhook payload of Alertmanager's; sending it again would not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One alert of one payload. Times are in ms since 1970, None if the payload contains no usable one."""

    group_key: str
    fingerprint: str
    status: Status
    starts: str
    """startsAt exactly as received: it tells one firing from the next."""
    starts_ms: int | None
    ends_ms: int | None
    severity: str
    """The label as received; the metric reduces it to a closed set."""
    severity_rank: int
    alertname: str
    summary: str
    description: str
    instance: str
    runbook: str
    remind_ms: int | None
    labels: str = ""
    """All labels as exact JSON, as a silence needs them; empty if they can't be kept exactly."""
    generator: str = ""
    truncated: int = 0
    """How many alerts of the group Alertmanager left out of the payload (`max_alerts`)."""


def parse_payload(body: bytes) -> list[Notice]:
    """Return a notice for each element of `alerts`, whatever the element is. Raises PayloadError."""
    payload = _decode(body)
    if not isinstance(payload, dict):
        raise PayloadError("the body is not a JSON object")
    alerts = payload.get("alerts")
    if not isinstance(alerts, list):
        raise PayloadError("the body has no list `alerts`: is it an Alertmanager webhook, version 4?")
    _look_at_version(payload.get("version"))
    group_key = _digest(_text(payload.get("groupKey")))
    status = payload.get("status")
    truncated = _count(payload.get("truncatedAlerts"))
    return [replace(_notice(alert, group_key, status), truncated=truncated) for alert in alerts]


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Lone surrogates, NaN, broken UTF-8, very long numbers and deep nesting must not lose an alert.
        return json.loads(without_depths(body).decode("utf-8", "replace"), parse_int=_integer)
    except (ValueError, RecursionError):
        raise PayloadError("the body is not JSON") from None


def _integer(digits: str) -> int | str:
    """Return a whole number; one with more digits than Python parses stays text."""
    return int(digits) if len(digits) <= DIGITS else digits


def _look_at_version(version: Any) -> None:
    """Log a warning if the payload has an unknown version. It is read as far as possible anyway."""
    if version != VERSION:
        log.warning("a webhook of another version is read as version 4", extra={"version": _line(_text(version), 20)})


def _notice(alert: Any, group_key: str, group_status: Any) -> Notice:
    if not isinstance(alert, dict):
        return _unreadable(alert, group_key)
    labels, annotations = _mapping(alert.get("labels")), _mapping(alert.get("annotations"))
    status = alert.get("status", group_status)
    severity = _text(labels.get("severity"))
    alertname = _text(labels.get("alertname"))
    starts = _text(alert.get("startsAt"))
    return Notice(
        group_key=group_key,
        fingerprint=_fingerprint(alert, labels, annotations),
        # An unknown status counts as firing: a false alert costs less than a missed one.
        status="resolved" if _text(status).strip().lower() == "resolved" else "firing",
        starts=starts if len(starts) <= NAME_UNITS else _digest(starts),
        starts_ms=parse_time(starts),
        ends_ms=parse_time(_text(alert.get("endsAt"))),
        severity=severity,
        severity_rank=RANKS.get(severity.strip().lower(), 1),
        alertname=_line(alertname, NAME_UNITS),
        summary=_line(_text(annotations.get("summary")), SUMMARY_UNITS),
        description=_short(
            _text(annotations.get("description") or annotations.get("message")).strip(), DESCRIPTION_UNITS
        ),
        instance=_line(_text(labels.get("instance")), NAME_UNITS),
        runbook=_line(_text(annotations.get("runbook_url")), 2 * NAME_UNITS),
        remind_ms=_milliseconds(annotations.get("remind_seconds")),
        labels=_exact_labels(labels),
        generator=_generator(alert.get("generatorURL")),
    )


def _unreadable(alert: Any, group_key: str) -> Notice:
    """Return a notice for an element that is not an alert object, so that what it says is not lost."""
    text = _text(alert)
    return Notice(
        group_key=group_key,
        fingerprint=_digest(text),
        status="firing",
        starts="",
        starts_ms=None,
        ends_ms=None,
        severity="",
        severity_rank=1,
        alertname=UNREADABLE,
        summary="",
        description=_short(text, DESCRIPTION_UNITS),
        instance="",
        runbook="",
        remind_ms=None,
    )


def parse_time(text: str) -> int | None:
    """Return an RFC 3339 time in ms since 1970; None if it is missing, malformed or in the year 1, Go's zero time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year < 9999:
        return None
    return int((moment - _EPOCH).total_seconds() * 1000)


def _milliseconds(value: Any) -> int | None:
    try:
        seconds = float(_text(value))
    except ValueError:
        return None
    return int(seconds * 1000) if math.isfinite(seconds) and 0 < seconds < 1e9 else None


def _count(value: Any) -> int:
    """Return a count; 0 if the value is not one."""
    text = _text(value)
    return min(int(text), MOST_TRUNCATED) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _exact_labels(labels: Mapping[Any, Any]) -> str:
    """Return the labels as JSON; "" if some can't be kept: a silence without them would match more alerts."""
    if not labels or any(_text(part) != part or not part for item in labels.items() for part in item):
        return ""
    text = msgspec.json.encode(labels, order="sorted").decode()
    return text if len(text) <= LABELS_UNITS else ""


def _generator(value: Any) -> str:
    """Return the link to the expression; "" if it is too long, as a shortened one would show something else."""
    text = _text(value)
    return text if len(text) <= GENERATOR_UNITS and is_link(text) else ""


def _fingerprint(alert: Mapping[Any, Any], labels: Mapping[Any, Any], annotations: Mapping[Any, Any]) -> str:
    """Return the alert's fingerprint: Alertmanager's, otherwise one from the labels, as Alertmanager makes its own.

    Without labels, the summary and the generatorURL identify the alert, as they stay the same while it fires; without
    those, all annotations do.
    """
    text = _text(alert.get("fingerprint"))
    if text and len(text) <= NAME_UNITS:
        return text
    if text:
        return _digest(text)
    if labels:
        return _digest(_pairs(labels))
    lasting = [_text(annotations.get("summary")), _text(alert.get("generatorURL"))]
    return _digest("\n".join(lasting) if any(lasting) else _pairs(annotations))


def _pairs(mapping: Mapping[Any, Any]) -> str:
    return repr(sorted((_text(name), _text(value)) for name, value in mapping.items()))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(text: str, limit: int) -> str:
    return _short(" ".join(text.split()), limit)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _text(value: Any) -> str:
    """Return a value as text that the database and Telegram accept: without NUL and lone surrogates."""
    if value is None:
        return ""
    if not isinstance(value, str):
        try:
            value = msgspec.json.encode(value).decode()
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            value = str(type(value).__name__)
    clean: str = value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return clean

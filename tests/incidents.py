"""Incidents for unit tests: by default, those of a firing alert."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doradura.storage.alerts import Incident

_FIRING = Incident(
    incident_id=1,
    card_id=1,
    fingerprint="f",
    state="firing",
    severity_rank=0,
    alertname="A",
    summary="",
    description="",
    since_ms=0,
)


def firing(**named: Any) -> Incident:
    """Return an incident of alert "A" on card 1, which fires unless given otherwise."""
    return replace(_FIRING, **named)

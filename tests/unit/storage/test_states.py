"""Every state that the queries name is one of its table's set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from doradura import storage
from doradura.storage.states import UNFINISHED, IncidentState, JobEnd, JobState, NoticeState, OfferState, UpdateState

QUERIES = Path(storage.__file__).parent
JOBS = set(get_args(JobState))
STATES = {
    "alert_marks": set(get_args(IncidentState)),
    "alerts": set(get_args(IncidentState)),
    "bots": JOBS | set(get_args(OfferState)) | set(get_args(NoticeState)),
    "charges": JOBS,
    "chats": set(get_args(OfferState)),
    "inbox": set(get_args(UpdateState)),
    "jobs": JOBS,
    "offers": set(get_args(OfferState)),
    "outbox": set(get_args(NoticeState)) | set(get_args(IncidentState)),
    "paces": JOBS,
    "reports": JOBS,
    "sightings": set(get_args(IncidentState)),
    "states": JOBS,
}
"""Module -> the states of the tables that its queries are about."""

_COMPARED = re.compile(r"\bstate (?:=|<>|IN|WHEN)(?: CASE WHEN [^']* THEN)? (\([^)]*\)|'[^']*')")


def named(source: str) -> set[str]:
    """Every word in quotes that a query compares a state with, or sets it to."""
    return {word for found in _COMPARED.findall(source) for word in re.findall(r"'([^']*)'", found)}


def test_every_state_in_a_query_is_of_its_set() -> None:
    """A module whose queries name a state has its sets above, and names no other word."""
    found = {path.stem: named(path.read_text(encoding="utf-8")) for path in QUERIES.glob("*.py")}
    found["states"] = named(f"state IN {UNFINISHED}")
    assert {name for name, words in found.items() if words} == set(STATES)
    for name, words in found.items():
        assert words <= STATES.get(name, set()), name


def test_a_job_is_unfinished_or_ended() -> None:
    """The list that queries share is the set without its ends."""
    assert set(re.findall(r"'(\w+)'", UNFINISHED)) == JOBS - set(get_args(JobEnd))

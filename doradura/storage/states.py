"""The states of the rows in the database, one closed set for each table, and SQL that several queries share.

The module of a table explains its states. A word that is not in its set fails mypy if it is in Python, and
tests/unit/storage/test_states.py if it is in SQL.
"""

from __future__ import annotations

from typing import Literal

JobEnd = Literal["done", "failed", "cancelled"]
JobState = Literal["waiting", "running", "sending", JobEnd]
OfferEnd = Literal["known", "failed"]
OfferState = Literal["new", "shown", OfferEnd]
UpdateState = Literal["waiting", "done", "failed"]
IncidentState = Literal["firing", "resolved", "note"]
NoticeState = Literal["waiting", "parked", "failed"]

UNFINISHED = "('waiting', 'running', 'sending')"
"""The states of jobs without an outcome, as an SQL list."""

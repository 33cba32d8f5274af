"""The states of what the database keeps: one closed set each, and the pieces of SQL that several queries share.

What a state means, the module of its table says. A word that is none of its set fails mypy where Python has it, and
tests/unit/storage/test_states.py where SQL has it.
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
"""Jobs that have not ended, as a list of SQL."""

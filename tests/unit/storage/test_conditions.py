"""Conditions that depend on what is given, in SQL that PostgreSQL takes too."""

from __future__ import annotations

from doradura.storage import jobs
from doradura.storage.conditions import given, none_of
from tests.databases import migrated


def test_none_of_nothing_is_no_condition() -> None:
    """PostgreSQL refuses an empty list; each value has its mark."""
    assert none_of("site", ()) == ""
    assert none_of("site", ("a", "b")) == " AND site NOT IN (?, ?)"


def test_only_what_is_given_is_asked_for() -> None:
    """PostgreSQL can't tell the type of a lone NULL; 0 is a value."""
    assert given({"chat_id": None, "job_id": None}) == ("", ())
    assert given({"chat_id": 0, "job_id": None}) == (" AND chat_id = ?", (0,))
    assert given({"chat_id": -5, "job_id": 7}) == (" AND chat_id = ? AND job_id = ?", (-5, 7))


def test_a_cancel_ends_what_is_named_and_nothing_else() -> None:
    """All of a user's, those of one chat, or one of one chat."""
    db = migrated()
    for number, chat_id in ((1, 10), (2, 10), (3, 20), (4, 20)):
        job = jobs.NewJob(number, 1, chat_id, None, f"u{number}", "u", "other", "mp3", "320k", "free", "en")
        jobs.add(db, job, 0)
    assert [job.job_id for job in jobs.cancel(db, 1, 1, chat_id=20, job_id=1)] == []
    assert [job.job_id for job in jobs.cancel(db, 1, 1, chat_id=10, job_id=1)] == [1]
    assert [job.job_id for job in jobs.of_user(db, 1, 20)] == [3, 4]
    assert [job.job_id for job in jobs.cancel(db, 1, 1, chat_id=20)] == [3, 4]
    assert [job.job_id for job in jobs.of_user(db, 1)] == [2]

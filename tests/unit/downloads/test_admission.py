"""The limits of the queue."""

from __future__ import annotations

import pytest

from doradura.downloads.admission import JOBS_OF_ONE_USER, AlreadyThere, Queued, Refused, enqueue
from doradura.media.variant import Variant
from doradura.storage import Connection, jobs, users
from doradura.storage.jobs import NewJob
from tests.doubles import MemoryStorage
from tests.jobs import new_job

NOW = 1_800_000_000_000


@pytest.fixture
def db() -> Connection:
    """The tables in memory."""
    return MemoryStorage().db


def wish(job_id: int, user_id: int = 1, *, url: str | None = None, quality: str = "320k") -> NewJob:
    """A job as the chat makes it."""
    link = url or f"https://a.example/{job_id}"
    return new_job(
        job_id=job_id, user_id=user_id, chat_id=user_id, url=link, cache_key=link, variant=Variant("mp3", quality)
    )


def test_a_queued_job_knows_its_place(db: Connection) -> None:
    """It is told how many waiting jobs stand before it; running ones don't."""
    for user in (1, 2, 3):
        users.seen(db, user, "A", None, None, NOW)
    answers = [enqueue(db, wish(n, n), queue_limit=10, now_ms=NOW + n) for n in (1, 2, 3)]
    assert [answer.before for answer in answers if isinstance(answer, Queued)] == [0, 1, 2]
    jobs.claim(db, NOW, instance=1)
    fourth = enqueue(db, wish(4, 1), queue_limit=10, now_ms=NOW + 9)
    assert isinstance(fourth, Queued)
    assert fourth.before == 2


def test_the_same_wish_is_one_job_until_it_ends(db: Connection) -> None:
    """Same user, thing, format and quality; another user's or another quality's is a job of its own."""
    first = enqueue(db, wish(1, url="https://a.example"), queue_limit=10, now_ms=NOW)
    assert isinstance(first, Queued)
    assert enqueue(db, wish(2, url="https://a.example"), queue_limit=10, now_ms=NOW) == AlreadyThere(first.job)
    assert isinstance(enqueue(db, wish(3, 2, url="https://a.example"), queue_limit=10, now_ms=NOW), Queued)
    assert isinstance(enqueue(db, wish(4, url="https://a.example", quality="128k"), queue_limit=10, now_ms=NOW), Queued)
    jobs.finish(db, 1, "done", NOW)
    assert isinstance(enqueue(db, wish(5, url="https://a.example"), queue_limit=10, now_ms=NOW), Queued)


def test_one_user_may_have_so_many(db: Connection) -> None:
    """The 51st unfinished job is refused, running ones counted; another user's is not."""
    for n in range(JOBS_OF_ONE_USER):
        assert isinstance(enqueue(db, wish(n), queue_limit=1000, now_ms=NOW), Queued)
    jobs.claim(db, NOW, instance=1)
    assert enqueue(db, wish(99), queue_limit=1000, now_ms=NOW) == Refused("limit", 50)
    assert isinstance(enqueue(db, wish(100, 2), queue_limit=1000, now_ms=NOW), Queued)


def test_the_queue_holds_so_many(db: Connection) -> None:
    """At its limit a wish is refused with the count, one that is there already is not; a job taken makes room."""
    for n in (1, 2):
        enqueue(db, wish(n, n), queue_limit=2, now_ms=NOW)
    assert enqueue(db, wish(3, 3), queue_limit=2, now_ms=NOW) == Refused("full", 2)
    assert isinstance(enqueue(db, wish(9, 1, url="https://a.example/1"), queue_limit=2, now_ms=NOW), AlreadyThere)
    jobs.claim(db, NOW, instance=1)
    assert isinstance(enqueue(db, wish(4, 4), queue_limit=2, now_ms=NOW), Queued)

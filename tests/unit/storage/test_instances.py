"""Whose a job is: what an instance has in hand, what a gone one left, and rows of before the column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from doradura.storage import Connection, Rows, Topic, Value, jobs, offers
from doradura.storage.sqlite.migrating import migrate
from tests.databases import Database, before_migration
from tests.jobs import new_job, new_offer

NOW = 1_800_000_000_000
MINE, ITS = 7, 8


def before_instances() -> Database:
    """A database as it was before instances: a job that waits, runs, goes out, was cancelled in a worker; a look."""
    db = before_migration(18)
    for job_id, state in enumerate(("waiting", "running", "sending", "cancelled"), 1):
        db.execute(
            "INSERT INTO jobs (job_id, user_id, chat_id, url, cache_key, site, variant, plan, language, state, place,"
            " created_ms, worker_pid, worker_started) VALUES (?, 1, 1, 'u', ?, 'other', 'mp3:320k', 'free', 'en', ?,"
            " 9, 1, ?, 1)",
            (job_id, str(job_id), state, None if state == "waiting" else 40 + job_id),
        )
    db.execute(
        "INSERT INTO offers (offer_id, user_id, chat_id, url, state, created_ms, worker_pid, worker_started)"
        " VALUES (5, 1, 1, 'u', 'shown', 1, 45, 1)"
    )
    return db


def test_rows_of_before_are_left_behind() -> None:
    """All that an older version had in hand, and each of its processes, is taken up by whichever run comes first."""
    db = before_instances()
    migrate(db)
    assert [job.job_id for job in jobs.left_behind(db, MINE)] == [2, 3]
    assert [stray.pid for stray in jobs.workers_left_behind(db, MINE)] == [42, 43, 44, 45]
    jobs.forget_workers(db, MINE)
    assert jobs.workers_left_behind(db, MINE) == []
    assert [offer.offer_id for offer in offers.take(db, MINE)] == [5]
    assert offers.waiting(db, MINE) == []
    assert [offer.offer_id for offer in offers.waiting(db, ITS)] == [5]


def test_what_an_instance_has_is_not_left_behind(db: Connection) -> None:
    """Neither its jobs nor its processes; another's are, until they are taken over."""
    for job_id, instance in ((1, MINE), (2, ITS)):
        jobs.add(db, new_job(job_id=job_id, cache_key=str(job_id)), NOW)
        assert jobs.claim(db, NOW, instance=instance) is not None
        jobs.set_worker(db, job_id, 40 + job_id, 1)
    assert [job.job_id for job in jobs.left_behind(db, MINE)] == [2]
    assert [stray.pid for stray in jobs.workers_left_behind(db, MINE)] == [42]
    jobs.forget_workers(db, MINE)
    assert [stray.pid for stray in jobs.workers_left_behind(db, ITS)] == [41]
    jobs.take_over(db, 2, MINE)
    assert jobs.left_behind(db, MINE) == []
    assert len(jobs.left_behind(db, ITS)) == 2


def test_an_offer_is_taken_once_and_again_when_it_is_looked_at_anew(db: Connection) -> None:
    """A press on its button puts it back into nobody's hands."""
    offers.add(db, new_offer(offer_id=2), NOW)
    offers.add(db, new_offer(offer_id=1), NOW)
    assert [offer.offer_id for offer in offers.take(db, MINE)] == [1, 2]
    assert offers.take(db, MINE) == []
    offers.finish(db, 1, "failed", NOW)
    assert offers.again(db, 1, None)
    assert [offer.offer_id for offer in offers.take(db, MINE)] == [1]


class Asked:
    """A database whose queries are noted."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.plans: list[str] = []

    def execute(self, sql: str, values: Sequence[Value] = (), /) -> Rows:
        self.plans += [row[3] for row in self._db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        return self._db.execute(sql, values)

    def touch(self, topic: Topic, /) -> None:
        self._db.touch(topic)


@pytest.mark.parametrize(
    ("look", "index"),
    [
        (jobs.untold_cancels, "jobs_untold"),
        (partial(jobs.first_waiting, limit=9), "jobs_waiting"),
        (partial(offers.waiting, instance=MINE), "offers_open"),
    ],
)
def test_the_looks_of_each_period_read_an_index(
    db: Connection, look: Callable[[Connection], object], index: str
) -> None:
    """An idle bot looks every few seconds, whatever the tables hold of what is over."""
    asked = Asked(db)
    look(asked)
    assert len(asked.plans) == 1
    assert f" USING INDEX {index}" in asked.plans[0]

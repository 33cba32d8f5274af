"""What the admins' reports count, on a database in memory: each figure beside rows whose sums are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from doradura.media.variant import Variant
from doradura.storage import Connection, Rows, Topic, Value, jobs, menus, reports, users
from doradura.storage.reports import Durations, Ended, Money, People, Queue, Span
from doradura.storage.sqlite.migrating import migrate
from doradura.storage.states import JobEnd
from tests.databases import before_migration, migrated
from tests.jobs import new_job

NOW = 1_800_000_000_000
HOUR = 3600 * 1000
DAY = 24 * HOUR
TODAY = Span.last(DAY, NOW)


class Jobs:
    """Puts ended jobs into the table, by the program's own queries."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self.last = 0

    def end(
        self,
        state: JobEnd,
        *,
        at: int,
        took: int = 1000,
        fmt: str = "mp3",
        site: str = "other",
        reason: str | None = None,
        size: int | None = None,
        worked: bool = True,
        user: int = 1,
    ) -> None:
        """One job that ended at that time, `took` ms after its start."""
        self.last += 1
        url = f"https://a.example/{self.last}"
        new = new_job(
            job_id=self.last,
            user_id=user,
            chat_id=user,
            url=url,
            cache_key=url,
            site=site,
            variant=Variant(fmt, "320k"),
        )
        jobs.add(self.db, new, at - took - 5)
        assert jobs.claim(self.db, at - took, instance=1) is not None
        if worked:
            jobs.set_worker(self.db, self.last, 1, 1)
        assert jobs.finish(self.db, self.last, state, at, reason=reason, size_bytes=size)


def test_how_jobs_ended(db: Connection) -> None:
    """Delivered, failed and cancelled ones, what was sent, and rankings with the most first, then by name."""
    made = Jobs(db)
    for _ in range(2):
        made.end("done", at=NOW - 1, size=1000, site="youtube")
    made.end("done", at=NOW - 2, size=500, fmt="mp4", worked=False)
    made.end("done", at=NOW - 2, size=500, fmt="m4a")
    made.end("failed", at=NOW - 3, reason="network")
    made.end("failed", at=NOW - 3, reason="gone")
    made.end("failed", at=NOW - 3, reason="network")
    made.end("cancelled", at=NOW - 4)
    found = reports.tally(db, TODAY)
    assert found.ended == Ended(delivered=4, failed=3, cancelled=1, bytes=3000, again=1)
    assert found.ended.success_rate == 4 / 7
    assert list(found.formats.items()) == [("mp3", 2), ("m4a", 1), ("mp4", 1)]
    assert list(found.sites.items()) == [("other", 2), ("youtube", 2)]
    assert list(found.reasons.items()) == [("network", 2), ("gone", 1)]
    assert found.plans == {"free": 4}


def test_nothing_is_nothing(db: Connection) -> None:
    """Without a job there are zeros, no rate and no durations: nothing is divided by nothing."""
    jobs.add(db, new_job(), NOW - 9000)
    found = reports.tally(db, TODAY, 24)
    assert found.ended == Ended(delivered=0, failed=0, cancelled=0, bytes=0, again=0)
    assert found.ended.success_rate is None
    assert found.durations is None
    assert (found.delivered, found.failed) == ([0] * 24, [0] * 24)
    assert reports.queue(db, NOW) == Queue(waiting=1, oldest_seconds=9.0, running=0)


def test_the_stretch_ends_are_exact(db: Connection) -> None:
    """A job that ended a day ago to the millisecond is outside, one that ends now inside; a day later none is."""
    made = Jobs(db)
    made.end("done", at=NOW - DAY)
    made.end("done", at=NOW - DAY + 1)
    made.end("done", at=NOW)
    made.end("done", at=NOW + 1)
    assert reports.tally(db, TODAY).ended.delivered == 2
    assert reports.tally(db, Span.last(7 * DAY, NOW)).ended.delivered == 3
    assert reports.tally(db, Span.last(DAY, NOW + DAY)).ended.delivered == 1
    assert reports.tally(db, Span.last(DAY, NOW + DAY + 1)).ended.delivered == 0


def test_durations_are_nearest_ranks_of_workers_jobs(db: Connection) -> None:
    """Of 1 to 100 s the percentiles are 50, 95, 99; what was sent again and what was cancelled is not measured."""
    made = Jobs(db)
    for seconds in range(1, 101):
        made.end("failed" if seconds % 10 == 0 else "done", at=NOW - seconds, took=seconds * 1000, reason="gone")
    for _ in range(10):
        made.end("done", at=NOW, took=1, worked=False)
    made.end("cancelled", at=NOW, took=900_000)
    assert reports.tally(db, TODAY).durations == Durations(
        measured=100, mean=50.5, p50=50.0, p95=95.0, p99=99.0, longest=100.0
    )


def test_one_job_is_all_percentiles(db: Connection) -> None:
    """With one job every percentile is that job's time."""
    Jobs(db).end("done", at=NOW, took=1234)
    assert reports.tally(db, TODAY).durations == Durations(
        measured=1, mean=1.234, p50=1.234, p95=1.234, p99=1.234, longest=1.234
    )


def test_the_course_has_the_oldest_first(db: Connection) -> None:
    """Each hour of the day has a part; the parts' borders belong to the older one, as the stretch's end does."""
    made = Jobs(db)
    made.end("done", at=NOW - DAY + 1)
    made.end("done", at=NOW - 23 * HOUR)
    made.end("failed", at=NOW - 23 * HOUR + 1)
    made.end("done", at=NOW)
    found = reports.tally(db, TODAY, 24)
    assert found.delivered == [2, *[0] * 22, 1]
    assert found.failed == [0, 1, *[0] * 22]


@settings(deadline=None, max_examples=60)
@given(
    ends=st.lists(st.tuples(st.sampled_from(get_args(JobEnd)), st.integers(0, 8 * DAY)), max_size=25),
    steps=st.integers(1, 30),
    length=st.integers(1000, 7 * DAY),
)
def test_the_parts_add_up(ends: list[tuple[JobEnd, int]], steps: int, length: int) -> None:
    """However a stretch is cut, the course's parts and every ranking add up to what ended in it."""
    db = migrated()
    made = Jobs(db)
    for state, ago in ends:
        made.end(state, at=NOW - ago, reason="gone" if state == "failed" else None)
    found = reports.tally(db, Span.last(length, NOW), steps)
    expected = [state for state, ago in ends if ago < length]
    assert found.ended.delivered == sum(found.delivered) == sum(found.formats.values()) == expected.count("done")
    assert found.ended.failed == sum(found.failed) == sum(found.reasons.values()) == expected.count("failed")
    assert found.ended.cancelled == expected.count("cancelled")
    db.close()


def test_people(db: Connection) -> None:
    """Who wrote in the stretch, who came first in it, who blocks; what all did on a day of UTC."""
    users.seen(db, 1, "A", None, "en", NOW - 3 * DAY)
    users.seen(db, 1, "A", None, "en", NOW - 10)
    users.seen(db, 2, "B", None, "en", NOW - 5)
    users.seen(db, 3, "C", None, "en", NOW - 2 * DAY)
    users.set_blocked(db, 3, NOW)
    assert reports.people(db, TODAY) == People(active=2, new=1)
    assert reports.people(db, Span.last(7 * DAY, NOW)) == People(active=3, new=3)
    assert reports.blocked(db) == 1
    assert reports.actions(db, NOW // DAY) == 2
    assert reports.actions(db, NOW // DAY - 1) == 0


def test_downloaders_are_counted_once(db: Connection) -> None:
    """A user with two files is one; one whose job failed is none."""
    made = Jobs(db)
    for user in (1, 1, 2):
        made.end("done", at=NOW, user=user)
    made.end("failed", at=NOW, user=3, reason="gone")
    assert reports.downloaders(db, TODAY) == 2


def test_running_jobs_are_no_waiting_ones(db: Connection) -> None:
    """A claimed job and one being sent are in progress; an empty queue has no oldest."""
    for number in (1, 2):
        jobs.add(db, new_job(job_id=number, user_id=number), NOW)
        assert jobs.claim(db, NOW, instance=1) is not None
    assert jobs.sending(db, 1, "{}")
    assert reports.queue(db, NOW) == Queue(waiting=0, oldest_seconds=0.0, running=2)


class Asked:
    """A connection that keeps what it is asked."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.queries: list[tuple[str, Sequence[Value]]] = []

    def execute(self, sql: str, values: Sequence[Value] = (), /) -> Rows:
        self.queries.append((sql, values))
        return self._db.execute(sql, values)

    def touch(self, topic: Topic, /) -> None:
        self._db.touch(topic)


def test_a_report_reads_the_index_alone(db: Connection) -> None:
    """A month of half a million jobs would be read from the table for six times as long."""
    asked = Asked(db)
    Jobs(db).end("done", at=NOW)
    reports.tally(asked, TODAY)
    shown = [[row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)] for sql, values in asked.queries]
    assert len(shown) == 2
    assert all(any("COVERING INDEX jobs_ended" in line for line in lines) for lines in shown)


def test_older_jobs_count_as_a_workers() -> None:
    """A database of before this column: what was delivered or failed there was a worker's, as nearly all was."""
    db = before_migration(4)
    db.execute(
        "INSERT INTO jobs (job_id, user_id, chat_id, url, cache_key, site, format, quality, plan, language,"
        " state, place, created_ms, started_ms, finished_ms)"
        " VALUES (1, 1, 1, 'u', 'u', 'other', 'mp3', '320k', 'free', 'en', 'done', 1, 1, ?, ?)",
        (NOW - 2000, NOW),
    )
    migrate(db)
    assert reports.tally(db, TODAY).durations == Durations(measured=1, mean=2.0, p50=2.0, p95=2.0, p99=2.0, longest=2.0)


def test_who_has_the_admins_menu(db: Connection) -> None:
    """Noted twice is noted once, and taken away it is gone."""
    menus.add(db, 1000)
    menus.add(db, 1000)
    menus.add(db, 7)
    menus.remove(db, 7)
    assert menus.shown(db) == {1000}


def paid(db: Connection, charge: str, *, stars: int, at: int, refunded: int | None = None) -> None:
    """A charge that began a subscription of a month."""
    db.execute("INSERT INTO ledger VALUES (?, 1, 'premium', ?, ?, ?, ?)", (charge, stars, charge, at, refunded))
    db.execute(
        "INSERT INTO subscriptions VALUES (?, 1, 'premium', 1, ?, ?, ?, NULL, 0)",
        (charge, at, at + 30 * DAY, refunded),
    )


def test_money_of_a_stretch_and_of_all_time(db: Connection) -> None:
    """A charge counts when it was paid and when it was given back; sums of all time are those of the metrics."""
    paid(db, "a", stars=100, at=NOW - 2 * DAY, refunded=NOW - 5)
    paid(db, "b", stars=250, at=NOW - 10)
    for row in ((1, "late_answer", NOW - 2 * DAY), (2, "wrong_amount", NOW - 1), (3, "wrong_amount", NOW)):
        db.execute("INSERT INTO payment_failures (failure_id, reason, failed_ms) VALUES (?, ?, ?)", row)
    assert reports.money(db, TODAY) == Money(
        received=250,
        refunded=100,
        begun=1,
        failures={"wrong_amount": 2},
        received_ever=350,
        refunded_ever=100,
        active={"premium": 1},
    )
    assert reports.money(db, Span.last(DAY, NOW + 40 * DAY)) == Money(
        received=0, refunded=0, begun=0, failures={}, received_ever=350, refunded_ever=100, active={}
    )


def test_links_refused_when_looked_at_belong_to_the_rate(db: Connection) -> None:
    """With a site broken at the look no job comes of it: the rate falls all the same, and the reasons say why."""
    add = "INSERT INTO offers (offer_id, user_id, chat_id, url, created_ms, state, site, looked_ms, reason)"
    for number, (state, site, at, reason) in enumerate(
        [
            ("failed", "youtube", NOW - 10, "site_error"),
            ("failed", "youtube", NOW - 20, "bot_check"),
            ("failed", "other", NOW - 30, "gone"),
            ("known", "other", NOW - 30, None),
            ("failed", "other", NOW + 1, "gone"),
        ]
    ):
        db.execute(f"{add} VALUES (?, 1, 1, 'u', 0, ?, ?, ?, ?)", (number, state, site, at, reason))
    found = reports.tally(db, Span.last(1000, NOW), 2)
    assert found.ended.refused == 3
    assert found.ended.success_rate == 0.0
    assert found.refused_sites == {"youtube": 2, "other": 1}
    assert found.reasons == {"bot_check": 1, "gone": 1, "site_error": 1}
    assert found.failed == [0, 3]

"""The queue's order: charged by the time that jobs used, on a clock that only work moves."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from doradura.storage import Connection, charges, jobs, users
from doradura.storage.charges import EXPECTED_MS
from doradura.storage.sqlite.migrating import migrate
from tests.databases import before_migration, in_memory, migrated
from tests.jobs import new_job

MINUTE = 60_000
TICK_MS = 10_000


QUICK = settings(deadline=None, max_examples=40)


@cache
def tables_image() -> bytes:
    """The empty tables, made once: a simulation needs many."""
    return migrated().serialize()


def tables() -> Connection:
    """A fresh database."""
    db = in_memory()
    db.deserialize(tables_image())
    return db


@pytest.fixture
def db() -> Connection:
    """A fresh database; it is closed with all others."""
    return tables()


def ask(db: Connection, job_id: int, user_id: int = 1, *, chat_id: int | None = None) -> jobs.Job:
    """Queue a job."""
    users.seen(db, user_id, "A", None, "en", 0)
    link = f"https://a.example/{job_id}"
    new = new_job(job_id=job_id, user_id=user_id, chat_id=chat_id or user_id, reply_to=7, url=link, cache_key=link)
    return jobs.add(db, new, 0)


def take(db: Connection, *, last: tuple[int, ...] = ()) -> int | None:
    """Claim the next job and give its id."""
    job = jobs.claim(db, 0, instance=1, last=last)
    return None if job is None else job.job_id


def end(db: Connection, job_id: int, used_ms: int) -> None:
    """End a job that used a place for so long."""
    charges.use(db, job_id, used_ms)
    assert jobs.finish(db, job_id, "done", 0)


def order(db: Connection) -> list[int]:
    """The jobs that wait, in their order."""
    return jobs.first_waiting(db, 1000)


def test_a_long_job_puts_its_users_others_off_and_nobody_elses(db: Connection) -> None:
    """Who used an hour stands behind somebody who used a minute, however early they asked."""
    for job_id in (1, 2, 3):
        ask(db, job_id)
    ask(db, 11, 2)
    ask(db, 12, 2)
    assert [take(db), take(db)] == [1, 11]
    charges.use(db, 1, 60 * MINUTE)
    end(db, 11, MINUTE)
    ask(db, 13, 2)
    ask(db, 14, 2)
    assert order(db) == [12, 13, 14, 2, 3]


def test_what_was_not_used_is_given_back(db: Connection) -> None:
    """A file sent again in no time costs no turn; neither does a job that was cancelled before it began."""
    ask(db, 1)
    ask(db, 2)
    assert take(db) == 1
    ask(db, 11, 2)
    assert order(db) == [11, 2]
    end(db, 1, 0)
    assert order(db) == [2, 11]
    for job_id in (3, 4, 5, 6):
        ask(db, job_id)
    jobs.cancel(db, 1, 0, job_id=2)
    for job_id in (3, 4):
        jobs.cancel(db, 1, 0, job_id=job_id)
    assert order(db) == [5, 11, 6]
    jobs.cancel(db, 1, 0)
    assert ask(db, 7).place == charges.clock_ms(db)


@pytest.mark.parametrize("kept", [1, 3, 5])
def test_cancelling_many_at_once_gives_all_of_it_back(db: Connection, kept: int) -> None:
    """One of another chat that stays stands where it would have stood alone, wherever it stood."""
    for job_id in range(1, 6):
        ask(db, job_id, chat_id=-5 if job_id == kept else 1)
    jobs.cancel(db, 1, 0, chat_id=1)
    (stays,) = jobs.of_user(db, 1)
    assert stays.place == 0
    assert ask(db, 9).place == EXPECTED_MS


def test_a_job_that_gave_its_place_up_stands_behind_what_it_used(db: Connection) -> None:
    """Before its user's later ones and after whoever used less; it counts as not tried."""
    for job_id in (1, 2, 3):
        ask(db, job_id)
    assert [take(db), take(db)] == [1, 2]
    charges.use(db, 2, 5 * MINUTE)
    ask(db, 11, 2)
    assert jobs.put_back(db, 2, maybe_sent=False)
    assert order(db) == [11, 2, 3]
    again = jobs.get(db, 2)
    assert again is not None
    assert (again.state, again.tries, again.given_up, again.maybe_sent) == ("waiting", 0, 1, 0)
    assert not jobs.put_back(db, 2, maybe_sent=False)
    assert not jobs.put_back(db, 99, maybe_sent=False)
    assert (take(db), take(db), take(db)) == (11, 2, 3)
    end(db, 2, MINUTE)
    jobs.cancel(db, 1, 0)
    assert db.execute("SELECT queue_ms FROM users WHERE user_id = 1").fetchone()[0] == 6 * MINUTE


def test_nobody_owes_for_places_that_nobody_else_wanted(db: Connection) -> None:
    """Ten hours alone, then somebody comes: they take turns from there on."""
    ask(db, 1)
    take(db)
    end(db, 1, 600 * MINUTE)
    for job_id in (2, 3, 4):
        ask(db, job_id)
    for job_id in (11, 12, 13):
        ask(db, job_id, 2)
    assert [take(db) for _ in range(6)] == [2, 11, 3, 12, 4, 13]


def test_users_that_have_their_share_come_last(db: Connection) -> None:
    """They are taken only where nobody else has a job."""
    ask(db, 1)
    ask(db, 11, 2)
    assert [take(db, last=(1,)), take(db, last=(1,)), take(db, last=(1,))] == [11, 1, None]


def test_a_use_of_a_job_that_is_gone_changes_nothing(db: Connection) -> None:
    """An id nobody knows, no time, and time before a clock was set back."""
    ask(db, 1)
    for job_id, used_ms in ((99, 1000), (1, 0), (1, -5)):
        charges.use(db, job_id, used_ms)
    assert charges.clock_ms(db) == 0
    assert db.execute("SELECT queue_ms FROM users").fetchone()[0] == EXPECTED_MS


def test_what_was_queued_by_an_older_version_keeps_its_order(db: Connection) -> None:
    """Places of the time when they were wall-clock times: newcomers come after them, and nobody owes for years."""
    old = before_migration(11)
    now = 1_800_000_000_000
    insert = "INSERT INTO users (user_id, first_seen_ms, last_seen_ms, queue_ms) VALUES (?, 0, 0, ?)"
    for user_id, until in ((1, now + 2 * MINUTE), (2, now), (3, 0)):
        old.execute(insert, (user_id, until))
    for job_id, state in ((1, "running"), (2, "waiting")):
        old.execute(
            "INSERT INTO jobs (job_id, user_id, chat_id, url, cache_key, site, format, quality, plan, language, state,"
            " place, created_ms) VALUES (?, 1, 1, '', '', '', 'mp3', '', '', '', ?, ?, 0)",
            (job_id, state, now + job_id * MINUTE - MINUTE),
        )
    migrate(old)
    for job_id, user_id in ((21, 2), (31, 3)):
        ask(old, job_id, user_id)
    assert order(old) == [2, 21, 31]
    end(old, 1, 3 * MINUTE)
    assert order(old) == [21, 31, 2]
    old.close()


class Wish(NamedTuple):
    """Somebody asks, at a time, for what will use a place for so long."""

    at_ms: int
    user_id: int
    length_ms: int


@dataclass
class Simulation:
    """Places that work a queue off; time is simulated, the queue is the real one."""

    places: int
    wall: Callable[[], int] = lambda: 0
    now_ms: int = 0
    started: list[int] = field(default_factory=list)
    starts_ms: dict[int, int] = field(default_factory=dict)
    service_ms: Counter[int] = field(default_factory=Counter)
    largest_gap_ms: int = 0
    """The largest difference in service between two users while both had jobs waiting all the time."""
    uncharged: dict[int, int] = field(default_factory=dict)

    def run(self, wishes: Iterable[Wish]) -> None:
        """Work all of it off."""
        self.db = tables()
        todo = sorted(wishes)
        arrivals = [(wish.at_ms, number) for number, wish in enumerate(todo)]
        running: list[tuple[int, int]] = []
        since: dict[int, Counter[int]] = {}
        next_tick = TICK_MS
        while arrivals or running:
            at = min(*([arrivals[0][0]] if arrivals else []), *([running[0][0]] if running else []), next_tick, 1 << 60)
            for _, job_id in running:
                self.service_ms[todo[job_id].user_id] += at - self.now_ms
                self.uncharged[job_id] += at - self.now_ms
            self.now_ms = at
            if at == next_tick:
                next_tick += TICK_MS
                for job_id, used in self.uncharged.items():
                    charges.use(self.db, job_id, used)
                self.uncharged = dict.fromkeys(self.uncharged, 0)
            while arrivals and arrivals[0][0] == at:
                _, number = arrivals.pop(0)
                self._ask(number, todo[number].user_id)
            while running and running[0][0] == at:
                _, job_id = heapq.heappop(running)
                charges.use(self.db, job_id, self.uncharged.pop(job_id))
                jobs.finish(self.db, job_id, "done", self.wall())
            while len(running) < self.places and (job := jobs.claim(self.db, self.wall(), instance=1)):
                heapq.heappush(running, (at + todo[job.job_id].length_ms, job.job_id))
                self.uncharged[job.job_id] = 0
                self.started.append(job.job_id)
                self.starts_ms[job.job_id] = at
            self._note_gaps(since)

    def _ask(self, job_id: int, user_id: int) -> None:
        users.seen(self.db, user_id, "A", None, "en", self.wall())
        link = f"https://a.example/{job_id}"
        new = new_job(job_id=job_id, user_id=user_id, chat_id=user_id, url=link, cache_key=link)
        jobs.add(self.db, new, self.wall())

    def _note_gaps(self, since: dict[int, Counter[int]]) -> None:
        """Compare what two users got since both have jobs waiting."""
        backlogged = set(jobs.waiting_users(self.db))
        for user in set(since) - backlogged:
            del since[user]
        for user in backlogged:
            since.setdefault(user, Counter(self.service_ms))
        for one, other in itertools.combinations(sorted(backlogged), 2):
            begin = max((since[one], since[other]), key=lambda counted: counted.total())
            got = [self.service_ms[user] - begin[user] for user in (one, other)]
            self.largest_gap_ms = max(self.largest_gap_ms, abs(got[0] - got[1]))


LONGEST_MS = 10 * MINUTE
WISHES = st.lists(
    st.builds(
        Wish,
        at_ms=st.integers(0, 30 * MINUTE),
        user_id=st.integers(1, 4),
        length_ms=st.integers(1, LONGEST_MS) | st.sampled_from([1000, LONGEST_MS]),
    ),
    min_size=1,
    max_size=60,
)


HEAVY_AND_LIGHT = [Wish(0, 1, LONGEST_MS)] * 15 + [Wish(1, 2, 1000)] * 45


@QUICK
@given(WISHES, st.integers(1, 3))
@example(HEAVY_AND_LIGHT, 1)
def test_shares_converge(wishes: list[Wish], places: int) -> None:
    """What two users got while both waited never differs by more than the jobs in hand, whatever the lengths.

    Each user's jobs begin in the order they were asked for, and all begin.
    """
    simulation = Simulation(places)
    simulation.run(wishes)
    todo = sorted(wishes)
    for user in {wish.user_id for wish in wishes}:
        mine = [job_id for job_id in simulation.started if todo[job_id].user_id == user]
        assert mine == sorted(mine)
    assert len(simulation.started) == len(wishes)
    assert simulation.largest_gap_ms <= 2 * (places + 1) * LONGEST_MS


@QUICK
@given(WISHES, st.integers(1, 3), st.lists(st.integers(0, 2**45), min_size=1, max_size=20))
def test_the_wall_clock_changes_no_order(wishes: list[Wish], places: int, walls: list[int]) -> None:
    """The clock may be set to anything, between any two steps."""
    plain, jumping = Simulation(places), Simulation(places, itertools.cycle(walls).__next__)
    plain.run(wishes)
    jumping.run(wishes)
    assert plain.started == jumping.started


@settings(deadline=None, max_examples=5)
@given(st.integers(1, 3), st.integers(2, 8), st.integers(1, 120))
@example(1, 8, 10)
def test_nobody_starves_whoever_comes(places: int, own: int, seconds: int) -> None:
    """New users come without end, as many as the places can take: somebody's last job is reached all the same."""
    length = seconds * 1000
    hog = [Wish(0, 1, length) for _ in range(own)]
    newcomers = [Wish(number * length // places, 100 + number, length) for number in range(600)]
    simulation = Simulation(places)
    simulation.run(hog + newcomers)
    last = max(simulation.starts_ms[number] for number in range(own))
    assert last <= own * (own + 2) * max(length, EXPECTED_MS)

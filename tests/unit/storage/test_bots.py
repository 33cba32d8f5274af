"""Two bots' tokens on one database, one after the other: whose ids are whose."""

from __future__ import annotations

import pytest

from doradura.storage import Connection, alerts, bots, chats, inbox, jobs, menus, offers, outbox, users
from doradura.storage.ids import IdMaker
from doradura.storage.inbox import NewUpdate
from doradura.storage.jobs import NewJob
from doradura.storage.offers import Offer
from doradura.storage.sqlite.migrating import migrate
from doradura.storage.states import IncidentState
from tests.databases import Database, before_migration
from tests.incidents import firing
from tests.jobs import new_job, new_offer

NOW = 1_800_000_000_000
DAY = 24 * 3600 * 1000
ONE, TWO, THREE = 101, 102, 103
ADMIN = 1000
GROUP, SUPERGROUP = -5, -1_000_000_000_005


@pytest.fixture
def db(db: Connection) -> Connection:
    """A database that bot ONE started with."""
    bots.take_over(db, ONE, NOW)
    return db


def job(job_id: int, chat_id: int = 1) -> NewJob:
    """A job that message 7 asked for."""
    return new_job(job_id=job_id, chat_id=chat_id, reply_to=7, url=f"https://a.example/{job_id}", cache_key="k")


def offer(offer_id: int) -> Offer:
    """An offer that message 7 asked for."""
    return new_offer(offer_id=offer_id, user_id=1, chat_id=1, reply_to=7, url=f"https://a.example/{offer_id}")


def ids_of(db: Connection, job_id: int) -> tuple[int | None, int | None, int]:
    """Which messages a job knows, and whether its file may be there."""
    found = jobs.get(db, job_id)
    assert found is not None
    return found.message_id, found.reply_to, found.maybe_sent


def update(update_id: int, arrival: int) -> NewUpdate:
    """An update as the poll gives it."""
    return NewUpdate(update_id=update_id, arrival=arrival, kind="message", chat_id=1, user_id=None, raw="{}")


def waiting(db: Connection) -> list[int]:
    """The updates that are to be handled."""
    found = inbox.waiting(db, held=(), full_chats=(), urgent_kind="pre_checkout_query", limit=10, limit_of_a_chat=10)
    return [row.update_id for row in found]


def fire(db: Connection, number: int, state: IncidentState = "firing", closed_ms: int | None = None) -> None:
    """Let an incident stand on a card of the same number."""
    if not db.execute("SELECT 1 FROM alert_cards WHERE card_id = ?", (number,)).fetchone():
        alerts.add_card(db, number, NOW)
    ids = {"incident_id": number, "card_id": number, "fingerprint": f"f{number}"}
    alerts.put(db, firing(**ids, state=state, since_ms=NOW, closed_ms=closed_ms, ended_ms=closed_ms))


def tell(db: Connection, card_id: int, message_id: int) -> None:
    """Let the admin be told of a card in a message."""
    outbox.set_targets(db, [(ADMIN, 0)], new_id=lambda: ADMIN)
    outbox.tell(db, card_id, "card", 0, new_id=IdMaker(lambda: NOW).new, now_ms=NOW)
    told = outbox.next_for(db, ADMIN, NOW)
    assert told is not None
    outbox.put_message(db, told, message_id, NOW)
    outbox.finish(db, told)


def next_message(db: Connection, card_id: int) -> int | None:
    """Which message the next telling of a card would edit."""
    outbox.tell(db, card_id, "card", 0, new_id=IdMaker(lambda: NOW).new, now_ms=NOW)
    told = outbox.next_for(db, ADMIN, NOW)
    assert told is not None
    outbox.finish(db, told)
    return told.message_id


def test_unfinished_work_forgets_the_other_bots_messages(db: Connection) -> None:
    """It goes on; only a supergroup's messages have the same id for both bots. What ended and was told stays."""
    for number, chat in ((1, 1), (2, GROUP), (3, SUPERGROUP), (4, 1), (5, 1)):
        jobs.add(db, job(number, chat), NOW)
        jobs.set_message(db, number, 50 + number)
        jobs.set_maybe_sent(db, number)
    jobs.finish(db, 4, "failed", NOW, reason="internal")
    jobs.finish(db, 5, "done", NOW, told=True)
    for number in (1, 2):
        offers.add(db, offer(number), NOW)
        offers.shown(db, number, 60 + number)
    offers.finish(db, 2, "known", NOW)
    assert bots.take_over(db, TWO, NOW) == ONE
    assert [ids_of(db, number) for number in (1, 2, 3)] == [(None, None, 0), (None, None, 0), (None, 7, 0)]
    assert ids_of(db, 4)[0] is None, "its end is still to be told, by this bot in a message of its own"
    assert ids_of(db, 5) == (55, 7, 1)
    assert [(found.offer_id, found.message_id, found.reply_to) for found in offers.waiting(db, 1)] == [(1, None, None)]
    jobs.set_message(db, 1, 9)
    assert bots.take_over(db, TWO, NOW) is None
    assert ids_of(db, 1)[0] == 9
    assert bots.take_over(db, ONE, NOW) == TWO
    assert ids_of(db, 1)[0] is None


def test_updates_with_the_same_id_are_two_bots_two(db: Connection) -> None:
    """Neither hides the other; the first bot's wait until its token is back, and each is done once."""
    inbox.add(db, [update(7, 1), update(8, 2)], NOW)
    inbox.done(db, 8)
    bots.take_over(db, TWO, NOW)
    assert waiting(db) == []
    assert inbox.add(db, [update(7, 3), update(8, 4)], NOW) == 2
    assert inbox.tried(db, 7, "x") == 1
    assert inbox.done(db, 7)
    assert not inbox.done(db, 7)
    assert waiting(db) == [8]
    bots.take_over(db, ONE, NOW)
    assert waiting(db) == [7]
    assert inbox.add(db, [update(7, 5), update(8, 6)], NOW) == 0


def test_a_message_id_of_the_other_bot_begins_nothing(db: Connection) -> None:
    """An edited message is known by the bot it was sent to: numbers begin anew with each."""
    jobs.add(db, job(1), NOW)
    jobs.finish(db, 1, "done", NOW, told=True)
    offers.add(db, offer(2), NOW)
    offers.finish(db, 2, "known", NOW)
    assert len(chats.begun_by(db, 1, 7)) == 2
    bots.take_over(db, TWO, NOW)
    assert chats.begun_by(db, 1, 7) == set()


def test_each_bot_knows_its_own_menus(db: Connection) -> None:
    """What the first one set is taken back by nobody else."""
    menus.add(db, ADMIN)
    bots.take_over(db, TWO, NOW)
    assert menus.shown(db) == set()
    menus.add(db, ADMIN)
    menus.remove(db, ADMIN)
    bots.take_over(db, ONE, NOW)
    assert menus.shown(db) == {ADMIN}


def test_refusals_were_the_other_bots(db: Connection) -> None:
    """Who blocked that one has not blocked this one; what was parked waits again, and counts as no repeat."""
    users.seen(db, 1, "A", None, None, NOW)
    chats.closed(db, 1, NOW)
    outbox.set_targets(db, [(ADMIN, 0)], new_id=lambda: ADMIN)
    fire(db, 1)
    outbox.tell(db, 1, "card", 0, new_id=IdMaker(lambda: NOW).new, now_ms=NOW)
    begun = outbox.next_for(db, ADMIN, NOW)
    assert begun is not None
    outbox.begin(db, begun.notice_id)
    outbox.set_fault(db, ADMIN, "blocked", NOW)
    bots.take_over(db, TWO, NOW)
    assert [(target.chat_id, target.fault) for target in outbox.targets(db)] == [(ADMIN, None)]
    told = outbox.next_for(db, ADMIN, NOW)
    assert told is not None
    assert (told.tries, told.message_id) == (0, None)
    assert db.execute("SELECT blocked_ms FROM users").fetchone()[0] is None
    assert chats.closed_ones(db) == []


def test_alerts_are_each_bots_own_messages(db: Connection) -> None:
    """The second tells anew; the first one's is known again when it is back, and each is edited by its own bot."""
    fire(db, 1)
    tell(db, 1, 71)
    bots.take_over(db, TWO, NOW)
    assert not outbox.has_message(db, 1, ADMIN)
    assert next_message(db, 1) is None
    tell(db, 1, 3)
    assert next_message(db, 1) == 3
    outbox.tell(db, 1, "reminder", 0, new_id=IdMaker(lambda: NOW).new, now_ms=NOW)
    reminder = outbox.next_for(db, ADMIN, NOW)
    assert reminder is not None
    outbox.remember_ring(db, reminder, NOW + 5)
    outbox.finish(db, reminder)
    bots.take_over(db, ONE, NOW)
    assert next_message(db, 1) == 71
    assert [tuple(row) for row in db.execute("SELECT bot_id, told_ms FROM alert_messages ORDER BY bot_id")] == [
        (ONE, NOW),
        (TWO, NOW + 5),
    ]


def test_a_bot_that_is_back_brings_its_alerts_up_to_date(db: Connection) -> None:
    """What ended meanwhile and what fires: once. What ended long before it left is as it was told."""
    for number in (1, 2, 3, 4):
        fire(db, number)
        tell(db, number, 70 + number)
    fire(db, 3, "resolved", NOW - 2 * DAY)
    fire(db, 4, "resolved", NOW - 60_000)
    bots.take_over(db, TWO, NOW)
    bots.take_over(db, THREE, NOW + 2 * DAY)
    assert outbox.take_outdated(db) == []
    fire(db, 1, "resolved", NOW + 60_000)
    bots.take_over(db, ONE, NOW + 3 * DAY)
    assert outbox.take_outdated(db) == [(1, ADMIN, 0), (2, ADMIN, 0), (4, ADMIN, 0)]
    assert outbox.take_outdated(db) == []


def test_what_is_too_old_is_forgotten_whosever_it_is(db: Connection) -> None:
    """But no update that waits."""
    inbox.add(db, [update(number, number) for number in range(1, 5)], NOW)
    inbox.done(db, 1)
    bots.take_over(db, TWO, NOW)
    inbox.add(db, [update(number, 10 + number) for number in range(1, inbox.KEPT_NEWEST + 1)], NOW + 3 * DAY)
    assert inbox.forget_old(db, NOW + 3 * DAY) == 1
    bots.take_over(db, ONE, NOW)
    assert waiting(db) == [2, 3, 4]


def before_bots() -> Database:
    """A database as it was before bots were told apart, with a row in each table."""
    connection = before_migration(9)
    connection.execute("PRAGMA foreign_keys = ON")
    for statement in (
        "INSERT INTO inbox (update_id, arrival, kind, chat_id, raw, received_ms) VALUES (7, 1, 'message', 1, '{}', 1)",
        (
            "INSERT INTO offers (offer_id, user_id, chat_id, reply_to, url, message_id, state, created_ms)"
            " VALUES (1, 1, 1, 7, 'u', 61, 'shown', 1)"
        ),
        (
            "INSERT INTO jobs (job_id, user_id, chat_id, reply_to, url, cache_key, site, format, quality, plan,"
            " language, state, place, created_ms, message_id)"
            " VALUES (1, 1, 1, 7, 'u', 'k', 'other', 'mp3', '320k', 'free', 'en', 'waiting', 1, 1, 51)"
        ),
        f"INSERT INTO alert_admins (admin_id) VALUES ({ADMIN})",
        "INSERT INTO alert_cards (card_id, told_ms) VALUES (1, 1)",
        f"INSERT INTO alert_messages (card_id, admin_id, message_id, told_ms) VALUES (1, {ADMIN}, 71, 1)",
        f"INSERT INTO admin_menus (chat_id) VALUES ({ADMIN})",
    ):
        connection.execute(statement)
    return connection


@pytest.mark.parametrize(
    ("files", "first", "ours"),
    [((), ONE, True), ((ONE,), ONE, True), ((TWO, ONE), ONE, True), ((ONE,), TWO, False), ((ONE, TWO), ONE, False)],
)
def test_rows_of_before_belong_to_whoever_sent_the_last_file(files: tuple[int, ...], first: int, *, ours: bool) -> None:
    """Without any, to the first bot that starts. Taken for another's, work goes on and alerts are told anew."""
    db = before_bots()
    for at, bot_id in enumerate(files):
        db.execute(
            "INSERT INTO sent_files (cache_key, format, quality, bot_id, file_id, kind, title, size_bytes, sent_ms)"
            " VALUES (?, 'mp3', '320k', ?, 'F', 'audio', 't', 1, ?)",
            (f"k{at}", bot_id, at),
        )
    migrate(db)
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert bots.take_over(db, first, NOW) == (None if ours else files[-1])
    assert waiting(db) == ([7] if ours else [])
    assert ids_of(db, 1)[0] == (51 if ours else None)
    assert offers.waiting(db, 1)[0].message_id == (61 if ours else None)
    assert outbox.has_message(db, 1, ADMIN) is ours
    assert menus.shown(db) == ({ADMIN} if ours else set())

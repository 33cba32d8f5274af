"""The queries, on a database in memory."""

from __future__ import annotations

import pytest

from doradura.storage import (
    Connection,
    NewerDatabaseError,
    alerts,
    charges,
    inbox,
    jobs,
    offers,
    outbox,
    statistics,
    users,
)
from doradura.storage.ids import IdMaker
from doradura.storage.inbox import NewUpdate
from doradura.storage.jobs import NewJob
from doradura.storage.migrations import migrations
from doradura.storage.sqlite.migrating import migrate
from tests.databases import in_memory, migrated
from tests.incidents import firing
from tests.jobs import new_job, new_offer

NOW = 1_800_000_000_000
DAY = 24 * 3600 * 1000


def wish(job_id: int, user_id: int = 1, *, site: str = "other", url: str = "https://a.example/x") -> NewJob:
    """A job as the chat makes it."""
    return new_job(job_id=job_id, user_id=user_id, chat_id=user_id, reply_to=7, url=url, cache_key=url, site=site)


def update(update_id: int, arrival: int, chat_id: int = 1) -> NewUpdate:
    """An update as the poll gives it."""
    return NewUpdate(update_id=update_id, arrival=arrival, kind="message", chat_id=chat_id, user_id=None, raw="{}")


def waiting(db: Connection, *, held: tuple[int, ...] = (), full: tuple[int, ...] = (), limit: int = 10) -> list[int]:
    """The ids of the waiting updates, in order."""
    found = inbox.waiting(
        db, held=held, full_chats=full, urgent_kind="pre_checkout_query", limit=limit, limit_of_a_chat=3
    )
    return [row.update_id for row in found]


def test_a_flood_of_one_chat_does_not_keep_the_others_waiting(db: Connection) -> None:
    """A chat with enough in hand is passed by, what is in hand is not given again, money questions come in any case."""
    inbox.add(db, [update(n, n) for n in range(1, 6)] + [update(8, 8, 2)], NOW)
    inbox.add(
        db, [NewUpdate(update_id=9, arrival=9, kind="pre_checkout_query", chat_id=1, user_id=None, raw="{}")], NOW
    )
    assert waiting(db, held=(1, 2), full=(1,)) == [9, 8]
    assert waiting(db, held=(1, 2), limit=2) == [9, 3, 4]
    assert waiting(db) == [9, 1, 2, 3, 8], "three of a chat at most"
    assert waiting(db, limit=0) == [9]


def test_a_chat_told_to_wait_waits_by_itself(db: Connection) -> None:
    """Its jobs are not taken, keep nobody else's waiting, and the queue is as old as the oldest of the others."""
    jobs.add(db, wish(1, user_id=10), NOW - 9000)
    jobs.add(db, wish(2, user_id=20), NOW - 4000)
    assert statistics.queue_age(db, NOW) == {(): 9.0}
    assert statistics.queue_age(db, NOW, [10]) == {(): 4.0}
    assert jobs.waiting_users(db, held_chats=[10]) == [20]
    taken = jobs.claim(db, NOW, instance=1, held_chats=[10], last=[20])
    assert taken is not None
    assert taken.job_id == 2
    assert jobs.claim(db, NOW, instance=1, held_chats=[10]) is None
    assert statistics.queue_age(db, NOW, [10]) == {(): 0.0}


def test_a_repeated_update_is_known_by_membership(db: Connection) -> None:
    """An id that was stored is not stored again, lower or higher than others, handled or not."""
    assert inbox.add(db, [update(500, 1), update(9, 2)], NOW) == 2
    inbox.done(db, 500)
    assert inbox.add(db, [update(500, 3), update(9, 4), update(3, 5)], NOW) == 1
    assert waiting(db) == [9, 3]


def test_a_poison_update_goes_by_after_three_tries(db: Connection) -> None:
    """The third failed try takes an update out of the waiting ones."""
    inbox.add(db, [update(1, 1)], NOW)
    assert [inbox.tried(db, 1, "boom") for _ in range(3)] == [1, 2, 3]
    assert waiting(db) == []


def test_only_handled_updates_are_forgotten_after_48_hours(db: Connection) -> None:
    """A waiting update is never deleted; a handled one is once it is older than 48 hours."""
    inbox.add(db, [update(1, 1), update(2, 2)], NOW)
    inbox.add(db, [update(100 + n, 100 + n, chat_id=2) for n in range(inbox.KEPT_NEWEST)], NOW)
    inbox.done(db, 1)
    db.execute("UPDATE inbox SET state = 'failed' WHERE chat_id = 2")
    assert inbox.forget_old(db, NOW + 2 * DAY) == 0
    assert inbox.forget_old(db, NOW + 2 * DAY + 1) == 1
    assert waiting(db) == [2]


def test_the_newest_updates_are_known_whatever_the_clock_says(db: Connection) -> None:
    """The last thousand that came are not forgotten: Telegram may hold them still, however far the clock jumped."""
    inbox.add(db, [update(9000 - n, n) for n in range(1, 1004)], NOW)
    for update_id in range(7000, 9000):
        inbox.done(db, update_id)
    assert inbox.forget_old(db, NOW + 365 * DAY) == 3
    assert db.execute("SELECT MIN(arrival), COUNT(*) FROM inbox").fetchone()[:] == (4, 1000)


def test_a_clock_that_went_back_puts_no_alert_off(db: Connection) -> None:
    """What was stored, or put off for moments, before the clock was set back by an hour is told at once."""
    ids = iter(range(10, 99))
    outbox.set_targets(db, [(1, 0)], new_id=lambda: 1)
    for card_id in (5, 6):
        alerts.add_card(db, card_id, NOW)
        outbox.tell(db, card_id, "card", card_id, new_id=lambda: next(ids), now_ms=NOW)
    outbox.put_off(db, 10, NOW + outbox.LONGEST_PUT_OFF_MS, "refused")

    def told(now_ms: int) -> int | None:
        found = outbox.next_for(db, 1, now_ms)
        return None if found is None else found.card_id

    assert told(NOW) == 6
    assert told(NOW + outbox.LONGEST_PUT_OFF_MS) == 5
    assert told(NOW - 3600_000) == 5


def test_another_users_first_job_comes_before_ones_second(db: Connection) -> None:
    """The queue is fair: three of one user, then one of another, are taken 1, other, 1, 1."""
    users.seen(db, 1, "A", None, "en", NOW)
    users.seen(db, 2, "B", None, "en", NOW)
    for job_id in (11, 12, 13):
        jobs.add(db, wish(job_id), NOW)
    jobs.add(db, wish(21, 2), NOW + 5)
    order = [job.job_id for _ in range(4) if (job := jobs.claim(db, NOW + 10, instance=1))]
    assert order == [11, 21, 12, 13]


def test_a_waiting_job_ages(db: Connection) -> None:
    """Whoever asks later stands behind those whose turn has come, and before a user's further ones."""
    users.seen(db, 1, "A", None, "en", NOW)
    for job_id in range(10):
        jobs.add(db, wish(job_id + 1), NOW)
    users.seen(db, 2, "B", None, "en", NOW)
    for job_id in range(10):
        assert jobs.claim(db, NOW, instance=1) is not None
        charges.use(db, job_id + 1, charges.EXPECTED_MS)
    for job_id in range(20, 30):
        jobs.add(db, wish(job_id), NOW)
    late = jobs.add(db, wish(99, 2), NOW)
    assert jobs.before(db, late) == 1


def test_a_claim_passes_by_paused_sites(db: Connection) -> None:
    """A job of a paused site keeps its place and is taken when the site is back."""
    jobs.add(db, wish(1, site="youtube"), NOW)
    jobs.add(db, wish(2, 2), NOW + 1)
    first = jobs.claim(db, NOW, ("youtube",), instance=1)
    assert first is not None
    assert first.job_id == 2
    assert jobs.claim(db, NOW, ("youtube",), instance=1) is None
    second = jobs.claim(db, NOW, instance=1)
    assert second is not None
    assert second.job_id == 1


def test_a_job_cut_off_is_queued_again_as_not_tried(db: Connection) -> None:
    """Requeueing counts no try; a job whose file was going out is remembered as maybe sent."""
    jobs.add(db, wish(1), NOW)
    jobs.claim(db, NOW, instance=1)
    jobs.requeue(db, 1)
    job = jobs.get(db, 1)
    assert job is not None
    assert (job.state, job.tries, job.maybe_sent) == ("waiting", 0, 0)
    jobs.claim(db, NOW, instance=1)
    jobs.sending(db, 1, "{}")
    jobs.requeue(db, 1)
    job = jobs.get(db, 1)
    assert job is not None
    assert (job.state, job.tries, job.maybe_sent, job.product) == ("waiting", 0, 1, None)


def test_a_job_ends_once(db: Connection) -> None:
    """What ended as cancelled can't be ended as done."""
    jobs.add(db, wish(1), NOW)
    assert [job.job_id for job in jobs.cancel(db, 1, NOW)] == [1]
    assert not jobs.finish(db, 1, "done", NOW)
    job = jobs.get(db, 1)
    assert job is not None
    assert job.state == "cancelled"


def test_a_user_cancels_only_their_own(db: Connection) -> None:
    """Another user's id cancels nothing."""
    jobs.add(db, wish(1), NOW)
    assert jobs.cancel(db, 2, NOW, job_id=1) == []
    assert jobs.depth(db) == 1


def test_active_users_are_counted_over_a_rolling_day(db: Connection) -> None:
    """A user seen 24 hours ago is not active any more; one seen a moment later is."""
    users.seen(db, 1, "A", None, "en", NOW)
    users.seen(db, 2, "B", None, "pt-br", NOW + 1)
    assert users.active(db, NOW + DAY - DAY) == 1
    assert users.languages(db) == {"en": 1, "pt": 1}


def test_a_chosen_language_survives_what_telegram_tells(db: Connection) -> None:
    """Each update brings Telegram's code; whoever chose one keeps it, and counts under it, until they choose none."""
    users.seen(db, 1, "A", None, "en", NOW)
    users.choose_language(db, 1, "de")
    users.seen(db, 1, "A", None, "pt-br", NOW + 1)
    assert (users.language(db, 1), users.chosen_language(db, 1), users.languages(db)) == ("de", "de", {"de": 1})
    users.choose_language(db, 1, None)
    assert (users.language(db, 1), users.chosen_language(db, 1), users.languages(db)) == ("pt-br", None, {"pt": 1})
    assert users.language(db, 2) is users.chosen_language(db, 2) is None


def test_writing_again_undoes_a_block(db: Connection) -> None:
    """Whoever writes to the bot has not blocked it."""
    users.seen(db, 1, "A", None, "en", NOW)
    users.set_blocked(db, 1, NOW)
    users.seen(db, 1, "A", None, "en", NOW + 1)
    assert db.execute("SELECT blocked_ms FROM users").fetchone()[0] is None


def test_an_offer_is_open_until_its_link_was_looked_at(db: Connection) -> None:
    """Offers that are new or only shown are taken up by the next start."""
    offers.add(db, new_offer(offer_id=1, user_id=1, chat_id=1, reply_to=5, url="https://a.example"), NOW)
    offers.shown(db, 1, 77)
    assert [offer.message_id for offer in offers.waiting(db, 1)] == [77]
    offers.finish(db, 1, "known", 3)
    assert offers.waiting(db, 1) == []


def test_a_newer_database_is_refused() -> None:
    """A schema number we don't know is not touched."""
    db = migrated()
    db.execute("INSERT INTO schema_version (version) VALUES (?)", (migrations()[-1][0] + 1,))
    with pytest.raises(NewerDatabaseError, match="newer version"):
        migrate(db)


def test_a_number_that_was_left_free_is_applied_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration between two that a database has is applied to it, once, and the others are not again."""
    made = {number: f"CREATE TABLE t{number} (n INTEGER)" for number in (1, 3)}
    monkeypatch.setattr("doradura.storage.sqlite.migrating.migrations", lambda: sorted(made.items()))
    connection = in_memory()
    assert migrate(connection) == 3
    made[2] = "CREATE TABLE t2 (n INTEGER)"
    assert [migrate(connection), migrate(connection)] == [3, 3]
    assert connection.execute("SELECT version FROM schema_version ORDER BY version").fetchall() == [(1,), (2,), (3,)]
    assert connection.execute("SELECT COUNT(*) FROM t2").fetchone() == (0,)


def test_ids_grow_when_the_clock_jumps_back() -> None:
    """Order is kept whatever the clock does."""
    times = iter([1000, 1001, 5, 6, 2000])
    ids = IdMaker(lambda: next(times))
    made = [ids.new() for _ in range(5)]
    assert made == sorted(set(made))


def test_a_cancelled_job_gives_its_turn_back(db: Connection) -> None:
    """Who queues many and cancels them stands where they would have stood without; a started one used its turn."""
    users.seen(db, 1, "A", None, "en", NOW)
    jobs.add(db, wish(1), NOW)
    jobs.claim(db, NOW, instance=1)
    for job_id in range(2, 50):
        jobs.add(db, wish(job_id), NOW)
    jobs.cancel(db, 1, NOW)
    assert jobs.add(db, wish(99), NOW).place == 0, "what it did not use was given back"


def test_what_changes_while_it_is_told_waits_on(db: Connection) -> None:
    """A card that changed between its reading and its end is told again, counted as waiting since the change."""
    ids = iter(range(10, 99))
    outbox.set_targets(db, [(1, 0)], new_id=lambda: 1)
    alerts.add_card(db, 5, NOW)
    outbox.tell(db, 5, "card", 1, new_id=lambda: next(ids), now_ms=NOW)
    told = outbox.next_for(db, 1, NOW)
    assert told is not None
    outbox.begin(db, told.notice_id)
    outbox.tell(db, 5, "card", 0, new_id=lambda: next(ids), now_ms=NOW + 7)
    assert outbox.depth(db) == 1
    outbox.put_message(db, told, 77, NOW + 8)
    outbox.finish(db, told)
    again = outbox.next_for(db, 1, NOW + 9)
    assert again is not None
    assert (again.version, again.stored_ms, again.tries, again.message_id) == (2, NOW + 7, 0, 77)
    outbox.finish(db, again)
    assert outbox.next_for(db, 1, NOW + 9) is None
    assert outbox.oldest_ms(db) is None


def test_old_alerts_are_forgotten_but_not_what_fires(db: Connection) -> None:
    """A card goes with all that belongs to it once it has ended for long; a firing one stays, however old."""
    for card, state in ((1, "firing"), (2, "resolved"), (3, "note"), (4, "resolved")):
        alerts.add_card(db, card, NOW)
        ended = None if state != "resolved" else NOW + (10 * DAY if card == 4 else 0)
        ids = {"incident_id": card, "card_id": card, "fingerprint": f"f{card}"}
        alerts.put(db, firing(**ids, state=state, since_ms=NOW, closed_ms=ended))
        alerts.note_seen(db, ("g", f"f{card}", "", "firing"), NOW)
    outbox.set_targets(db, [(1, 0)], new_id=lambda: 1)
    outbox.tell(db, 2, "card", 0, new_id=lambda: 50, now_ms=NOW)
    assert alerts.forget_old(db, NOW + DAY) == 4
    assert alerts.forget_old(db, NOW + DAY) == 0
    assert [row[0] for row in db.execute("SELECT card_id FROM alert_cards ORDER BY card_id")] == [1, 4]
    assert [row[0] for row in db.execute("SELECT fingerprint FROM alert_seen ORDER BY fingerprint")] == ["f1", "f4"]
    assert outbox.depth(db) == 0


def test_an_incident_is_read_as_it_was_written(db: Connection) -> None:
    """Each of its fields comes back from the row in its place."""
    written = alerts.Incident(
        incident_id=1,
        card_id=2,
        fingerprint="f",
        state="resolved",
        severity_rank=1,
        alertname="A",
        summary="s",
        description="d",
        since_ms=3,
        instance="i",
        runbook="r",
        starts="t",
        remind_ms=4,
        fired=5,
        ended_ms=6,
        closed_ms=7,
        doubtful=1,
        labels="{}",
        generator="g",
        ending="unheard",
        dismissed_by="b",
        first_ms=8,
        unrung=1,
    )
    alerts.add_card(db, 2, NOW)
    alerts.put(db, written)
    assert alerts.latest(db, "f") == written
    assert alerts.view(db, 2, 5).incidents == [written]

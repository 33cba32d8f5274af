"""The outbox: what was accepted arrives, once, whatever happens to Telegram, the database or the program."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock

from doradura.alerts import AlertDelivery, Note, add_note
from doradura.chat.alert_texts import AlertTexts
from doradura.health_checks import AlertsCheck
from doradura.settings import AlertChat
from doradura.storage import Connection, StorageError, outbox
from doradura.storage.ids import IdMaker
from tests.doubles import DOWN, GARBAGE, NEVER, RATE_LIMITED, SERVER_ERROR, TORN, Fault, refusal
from tests.unit.alerts.conftest import Alerts, alert
from tests.wiring import ADMIN

SECOND_ADMIN = 1001
TOO_LONG = refusal(400, "Bad Request: message is too long")
CRITICAL = "🔴 CRITICAL: Summary of HighErrorRate"
RESOLVED = "✅ RESOLVED: Summary of HighErrorRate"


async def health(alerts: Alerts, delivery: AlertDelivery, *admins: int) -> tuple[str, str]:
    """What /health says of alerts."""
    storage = alerts.world.storage
    found = await AlertsCheck(
        [AlertChat(admin) for admin in admins or (ADMIN,)], storage, lambda: delivery, clock=alerts.world.clock
    ).check()
    return found.status, str(found.message)


@pytest.mark.parametrize(
    ("fault", "copies"),
    [(RATE_LIMITED, 1), (SERVER_ERROR, 1), (DOWN, 1), (TORN, 2), (GARBAGE, 1), (NEVER, 1)],
    ids=["429", "500", "down", "torn", "garbage", "never"],
)
async def test_a_fault_of_telegrams(alerts: Alerts, autojump_clock: MockClock, fault: Fault, copies: int) -> None:
    """The message comes; only where its answer was lost after it was done is there a second copy."""
    alerts.world.telegram.fail("sendMessage", fault)
    async with alerts.life() as life:
        await life.post(alert())
    assert alerts.firsts() == [CRITICAL] * copies


async def test_telegram_is_asked_before_a_message_is_repeated(alerts: Alerts, autojump_clock: MockClock) -> None:
    """After a lost answer nothing is sent again until Telegram answers: an outage makes no heap of copies."""
    telegram = alerts.world.telegram
    async with alerts.life() as life:
        await alerts.world.changes.until(lambda: telegram.called)
        telegram.fail("sendMessage", TORN)
        telegram.fail("sendChatAction", *[DOWN] * 20)
        await life.post(alert())
    methods = [call.method for call in telegram.called]
    first = methods.index("sendMessage")
    assert methods[first:] == ["sendMessage", *["sendChatAction"] * 21, "sendMessage"]


async def test_an_outage_of_hours(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Fired, changed, repeated and resolved while Telegram is away: one message, which says how it ended."""
    world = alerts.world
    async with alerts.life() as life:
        await world.changes.until(lambda: world.telegram.called)
        world.telegram.down = True
        await life.accept(alert(remind="900", starts="2027-01-15T08:00:00Z"))
        for _ in range(6):
            await trio.sleep(1800)
            await life.accept(alert(remind="900", starts="2027-01-15T08:00:00Z"))
        assert (await health(alerts, life.delivery))[0] == "degraded"
        assert world.storage.one("SELECT COUNT(*) FROM alert_outbox") == 1
        await life.accept(alert(remind="900", starts="2027-01-15T08:00:00Z", status="resolved"))
        world.telegram.down = False
        back_at = trio.current_time()
        await life.told()
        assert trio.current_time() - back_at < 31
        assert await health(alerts, life.delivery) == ("ok", "every chat that alerts go to can be reached")
    assert alerts.firsts() == [RESOLVED]
    assert world.value("alert_deliveries_total", outcome="retried") == 0


async def test_a_kill_at_each_instant(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Killed before the sending: one message. Killed between done and recorded: a second one. Both are counted."""
    world = alerts.world
    world.telegram.fail("sendMessage", NEVER)
    async with alerts.life() as life:
        await life.accept(alert())
        await world.changes.until(lambda: world.telegram.all("sendMessage"))
    assert alerts.firsts() == []
    async with alerts.life() as life:
        await life.told()
    assert alerts.firsts() == [CRITICAL]
    assert world.value("alert_deliveries_total", outcome="retried") == 1

    async with alerts.life() as life:
        await trio.sleep(1)
        world.storage.faults.extend([None, None, StorageError("killed")])
        await life.accept(alert("QueueBackup"))
        await world.changes.until(lambda: len(alerts.firsts()) == 2)
    world.storage.faults.clear()
    async with alerts.life() as life:
        await life.told()
        assert alerts.firsts() == [CRITICAL, *["🔴 CRITICAL: Summary of QueueBackup"] * 2]
        assert world.value("alert_deliveries_total", outcome="retried") == 2
        await life.post(alert(status="resolved"))
    assert alerts.firsts()[0] == RESOLVED


async def test_what_was_told_is_noted_and_not_told_again(alerts: Alerts, autojump_clock: MockClock) -> None:
    """A database that fails just after the sending is waited for: the message is not sent twice."""
    async with alerts.life() as life:
        await trio.sleep(1)
        alerts.world.storage.faults.extend([None, None, *[StorageError("disk full", reason="full")] * 5])
        await life.post(alert())
        await life.post(alert(status="resolved"))
    assert alerts.firsts() == [RESOLVED]


async def test_alertmanager_that_sends_again_changes_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """After its kill Alertmanager repeats what we have: in this life or the next it is the same incident."""
    firing = alert(starts="2027-01-15T08:00:00Z")
    for _ in range(2):
        async with alerts.life() as life:
            await life.post(firing)
            await life.post(firing)
    assert alerts.firsts() == [CRITICAL]
    assert alerts.world.telegram.all("editMessageText") == []


async def test_a_failing_database_is_said_and_nothing_is_half_there(alerts: Alerts, autojump_clock: MockClock) -> None:
    """503, an error counted, nothing stored; the same body later is taken as if it were the first."""
    world = alerts.world
    async with alerts.life() as life:
        await world.changes.until(lambda: world.telegram.called)
        world.storage.fault = StorageError("disk full", reason="full")
        reply = await life.intake.accept(life.body(alert()))
        assert (reply.status, reply.error) == (503, "not stored, send it again: full")
        world.storage.fault = None
        assert world.storage.one("SELECT COUNT(*) FROM alert_seen") == 0
        assert world.value("alerts_received_total") == 0
        await life.post(alert())
    assert alerts.firsts() == [CRITICAL]


async def test_one_blocked_admin_holds_up_nobody(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The other is told; the one who blocked the bot is named, and told how things stand once they let us."""
    world = alerts.world
    world.telegram.blocked_by.add(SECOND_ADMIN)
    async with alerts.life(ADMIN, SECOND_ADMIN) as life:
        await life.accept(alert(), alert("QueueBackup"))
        await world.changes.until(lambda: len(alerts.firsts()) == 2)
        await life.accept(alert(status="resolved"))
        await world.changes.until(lambda: alerts.firsts()[0] == RESOLVED)
        await world.changes.until(lambda: not outbox.depth(world.storage.db))
        status, message = await health(alerts, life.delivery, ADMIN, SECOND_ADMIN)
        assert status == "degraded"
        assert "1001: Forbidden: bot was blocked by the user" in message
        await trio.sleep(3600)
        assert (await health(alerts, life.delivery, ADMIN, SECOND_ADMIN))[1] == message
        world.telegram.blocked_by.clear()
        await life.told()
        assert (await health(alerts, life.delivery, ADMIN, SECOND_ADMIN))[0] == "ok"
    assert sorted(alerts.firsts(SECOND_ADMIN)) == [RESOLVED, "🔴 CRITICAL: Summary of QueueBackup"]


async def test_an_admin_who_comes_back_is_told_at_once(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Their message or their unblocking is enough: what was kept for them does not wait for the next probe."""
    world = alerts.world
    world.telegram.blocked_by.add(ADMIN)
    async with alerts.life() as life:
        await life.accept(alert())
        await trio.sleep(30)
        await life.heard_of(ADMIN)
        await trio.sleep(30)
        assert alerts.firsts() == []
        world.telegram.blocked_by.clear()
        await life.heard_of(SECOND_ADMIN)
        await trio.sleep(30)
        assert alerts.firsts() == []
        await life.heard_of(ADMIN)
        came_at = trio.current_time()
        await life.told()
        assert trio.current_time() == came_at
    assert alerts.firsts() == [CRITICAL]


async def test_one_who_blocks_hides_no_stall_of_ours(
    alerts: Alerts, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One admin is blocked, and a fault of ours keeps the other from being told: that is failing, not degraded."""
    next_for = outbox.next_for

    def broken(db: Connection, target_id: int, now: int) -> outbox.Waiting | None:
        if outbox.targets(db)[0].target_id == target_id:
            raise RuntimeError("ours")
        return next_for(db, target_id, now)

    alerts.world.telegram.blocked_by.add(SECOND_ADMIN)
    async with alerts.life(ADMIN, SECOND_ADMIN) as life:
        await trio.sleep(1)
        monkeypatch.setattr(outbox, "next_for", broken)
        await life.accept(alert())
        await trio.sleep(400)
        assert (await health(alerts, life.delivery, ADMIN, SECOND_ADMIN))[0] == "failing"
        monkeypatch.undo()
        await trio.sleep(60)
        assert (await health(alerts, life.delivery, ADMIN, SECOND_ADMIN))[0] == "degraded"
    assert alerts.firsts() == [CRITICAL]


async def test_nobody_who_can_be_told(alerts: Alerts, autojump_clock: MockClock) -> None:
    """While every admin refuses, what waits counts as undelivered and its age shows."""
    world = alerts.world
    world.telegram.blocked_by.add(ADMIN)
    async with alerts.life() as life:
        await life.accept(alert())
        await trio.sleep(400)
        assert outbox.depth(world.storage.db) == 1
        assert alerts.world.clock() - (outbox.oldest_ms(world.storage.db) or 0) == 400_000
        assert (await health(alerts, life.delivery))[0] == "degraded"


async def test_a_bad_notice_holds_up_nothing(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What Telegram refuses is told barely; what it refuses even so is given up after three tries, and counted."""
    world = alerts.world
    world.telegram.fail("sendMessage", TOO_LONG)
    async with alerts.life() as life:
        await life.post(alert())
        assert alerts.words() == [
            (
                "🔴 CRITICAL: HighErrorRate\n"
                "The rest can't be shown here; Alertmanager has it. Alerts in this message: 1.\n"
                "#HighErrorRate"
            )
        ]
        world.telegram.fail("sendMessage", TOO_LONG, TOO_LONG, None, *[TOO_LONG] * 4)
        await life.accept(alert("Bad"), alert("Good"))
        await world.changes.until(lambda: len(alerts.firsts()) == 2)
        assert alerts.firsts()[1] == "🔴 CRITICAL: Summary of Good"
        await world.changes.until(lambda: world.storage.one("SELECT COUNT(*) FROM alert_outbox WHERE state = 'failed'"))
    assert world.value("alert_deliveries_total", outcome="failed") == 1
    assert world.value("errors_total", category="alert") == 1


async def test_a_notice_given_up_hides_no_admin_who_blocks_the_bot(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What was given up is shown for a day and is no fault that lasts; a chat that can't be told is one, at once."""
    world = alerts.world
    world.telegram.fail("sendMessage", *[TOO_LONG] * 6)
    async with alerts.life() as life:
        await life.accept(alert("Bad"))
        await world.changes.until(lambda: world.storage.one("SELECT COUNT(*) FROM alert_outbox WHERE state = 'failed'"))
        status, message = await health(alerts, life.delivery)
        assert status == "ok"
        assert message.startswith(
            "every chat that alerts go to can be reached; 1 notice given up in the last 24 h, which"
        )
        world.telegram.blocked_by.add(ADMIN)
        await life.accept(alert("Good"))
        await trio.sleep(60)
        status, message = await health(alerts, life.delivery)
        assert status == "degraded"
        assert message.startswith(f"Telegram refuses messages to an admin ({ADMIN}: Forbidden")
        assert "; 1 notice given up in the last 24 h" in message


async def test_an_outage_is_no_refusal(alerts: Alerts, autojump_clock: MockClock) -> None:
    """However long Telegram was away, what it refuses once after that is told when it refuses no more."""
    world = alerts.world
    world.telegram.fail("sendMessage", *[DOWN] * 40, TOO_LONG, TOO_LONG)
    async with alerts.life() as life:
        await life.post(alert())
    assert alerts.firsts() == ["🔴 CRITICAL: Summary of HighErrorRate"]
    assert world.value("alert_deliveries_total", outcome="failed") == 0


async def test_words_that_break_are_no_reason_to_be_silent(
    alerts: Alerts, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in the presenter costs the text, not the telling."""
    monkeypatch.setattr(AlertTexts, "message", lambda _self, view: str(1 // (view.total - 1)))
    with caplog.at_level(logging.ERROR):
        async with alerts.life() as life:
            await life.post(alert())
    assert alerts.firsts() == ["🔴 CRITICAL: HighErrorRate"]
    assert "an alert's text failed" in caplog.text


async def test_a_message_that_is_gone_is_sent_anew(alerts: Alerts, autojump_clock: MockClock) -> None:
    """An admin who deleted the message still hears how it ended."""
    async with alerts.life() as life:
        await life.post(alert())
        alerts.world.telegram.messages.clear()
        await life.post(alert(status="resolved"))
    assert alerts.firsts() == [RESOLVED]


async def test_the_worst_goes_first(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What gathered during an outage comes critical first, but for the one that was under way."""
    world = alerts.world
    async with alerts.life() as life:
        await world.changes.until(lambda: world.telegram.called)
        world.telegram.down = True
        await life.accept(alert("A", severity="warning"))
        await trio.sleep(60)
        await life.accept(alert("B", severity="warning"))
        await life.accept(alert("C"))
        world.telegram.down = False
        await life.told()
    assert [line[-1] for line in alerts.firsts()] == ["A", "C", "B"]


async def test_an_admin_who_is_new_or_none_any_more(alerts: Alerts, autojump_clock: MockClock) -> None:
    """At a start a new admin is told what fires; what waited for one who left is dropped."""
    world = alerts.world
    async with alerts.life() as life:
        await life.post(alert(), alert("QueueBackup"))
        await life.post(alert(status="resolved"))
        world.telegram.down = True
        await life.accept(alert("Late"))
    world.telegram.down = False
    async with alerts.life(SECOND_ADMIN) as life:
        await life.told()
    assert alerts.firsts(SECOND_ADMIN) == ["🔴 CRITICAL: Summary of QueueBackup", "🔴 CRITICAL: Summary of Late"]
    assert len(alerts.firsts()) == 2


async def test_settling_begins_nothing_new(alerts: Alerts, autojump_clock: MockClock) -> None:
    """At shutdown a telling under way comes through and is recorded; what waits stays for the next start."""
    world = alerts.world
    async with alerts.life() as life:
        await life.accept(alert("A"), alert("B"), alert("C"))
        await world.changes.until(lambda: world.telegram.all("sendMessage"))
        await life.delivery.drain()
        assert len(alerts.firsts()) == 1
        assert world.storage.one("SELECT COUNT(*) FROM alert_messages") == 1
    async with alerts.life() as life:
        await life.told()
    assert len(alerts.firsts()) == 3


async def test_a_note_of_our_own_lives_and_dies_with_its_cause(alerts: Alerts, autojump_clock: MockClock) -> None:
    """What payments put into their own transaction is told when that is committed, and not when it is undone."""
    world, ids = alerts.world, IdMaker(alerts.world.clock)
    note = Note(alertname="PaymentFailures", summary="A payment is not booked", description="charge <1>")

    async with alerts.life() as life:
        for cause in (1, 0, 1):

            def change(db: Connection, cause: int = cause) -> None:
                add_note(db, note, new_id=ids.new, now_ms=alerts.world.clock())
                db.execute("INSERT INTO heartbeat (one, beat_ms) VALUES (1, ?) ON CONFLICT DO NOTHING", (1 // cause,))

            try:
                await world.storage.write(change)
            except ZeroDivisionError:
                assert cause == 0
        await life.told()
    assert alerts.words() == ["🔴 CRITICAL: A payment is not booked\ncharge &lt;1&gt;\n#PaymentFailures"] * 2


async def quiet_note(alerts: Alerts) -> None:
    """Leave a line for the admins, known from a life before, that nobody has to act on."""
    await alerts.world.storage.write(lambda db: outbox.set_targets(db, [(ADMIN, 0)], new_id=lambda: ADMIN))
    note = Note(alertname="UncleanStart", summary="I am <back>.", severity_rank=2)
    await alerts.world.storage.write(
        lambda db: add_note(db, note, new_id=IdMaker(alerts.world.clock).new, now_ms=alerts.world.clock())
    )


async def test_a_quiet_note_is_one_line_without_a_sound(alerts: Alerts, autojump_clock: MockClock) -> None:
    """It waits for Telegram as an alert does; it has no hashtag and no buttons."""
    alerts.world.telegram.fail("sendMessage", *[DOWN] * 3, *[SERVER_ERROR] * 3)
    await quiet_note(alerts)
    async with alerts.life() as life:
        await life.told()
    assert alerts.words() == ["🔹 I am &lt;back&gt;."]
    sent = alerts.world.telegram.all("sendMessage")[-1].parameters
    assert sent["disable_notification"] is True
    assert "reply_markup" not in sent
    async with alerts.life() as life:
        await life.post(alert())
    assert "disable_notification" not in alerts.world.telegram.all("sendMessage")[-1].parameters


@pytest.mark.parametrize("fault", [TORN, NEVER], ids=["torn", "never"])
async def test_a_quiet_note_is_never_repeated(alerts: Alerts, autojump_clock: MockClock, fault: Fault) -> None:
    """Where it may be in the chat it is not sent again: a program killed while it tells it would fill the chat."""
    alerts.world.telegram.fail("sendMessage", fault)
    await quiet_note(alerts)
    async with alerts.life() as life:
        await life.told()
    assert alerts.sent() == 1

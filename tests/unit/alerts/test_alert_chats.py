"""Alerts in groups, topics and channels: what goes where, what is closed, and what a setting changes."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from doradura.alerts import Note, add_note
from doradura.health_checks import AlertsCheck
from doradura.settings import AlertChat
from doradura.storage import chats, outbox
from doradura.storage.ids import IdMaker
from doradura.storage.sqlite.migrating import migrate
from tests.databases import before_migration, migrated
from tests.doubles import refusal
from tests.unit.alerts.conftest import Alerts, Life, alert
from tests.wiring import ADMIN

GROUP, OTHER = -100123, -100456
TOPIC = AlertChat(GROUP, 5)
FIRES = "🔴 CRITICAL: Summary of HighErrorRate"
ENDED = "✅ RESOLVED: Summary of HighErrorRate"
WATCHDOG = alert("Watchdog", severity="none", starts="2027-01-15T07:00:00Z")
NO_TOPIC = refusal(400, "Bad Request: message thread not found")


async def health(alerts: Alerts, life: Life, *chats: AlertChat) -> tuple[str, str]:
    """What /health says of alerts."""
    found = await AlertsCheck(chats, alerts.world.storage, lambda: life.delivery, clock=alerts.world.clock).check()
    return found.status, str(found.message)


async def test_everything_goes_to_the_topic(alerts: Alerts, autojump_clock: MockClock) -> None:
    """An alert, its reminder, a note and the watchdog's silence are sent there, and nowhere else."""
    world, ids = alerts.world, IdMaker(alerts.world.clock)
    note = Note(alertname="PaymentFailures", summary="A payment is not booked")
    async with alerts.life(TOPIC) as life:
        await life.post(WATCHDOG, alert(remind="900", starts="2027-01-15T08:00:00Z"))
        await trio.sleep(590)
        await life.post(alert("B"))
        await trio.sleep(400)
        await life.post(alert(remind="900", starts="2027-01-15T08:00:00Z"))
        await world.storage.write(lambda db: add_note(db, note, new_id=ids.new, now_ms=alerts.world.clock()))
        await life.told()
    sent = world.telegram.all("sendMessage")
    assert len(sent) == 5
    assert {(call.parameters["chat_id"], call.parameters["message_thread_id"]) for call in sent} == {(GROUP, 5)}
    assert {call.parameters["chat_id"] for call in world.telegram.called if "chat_id" in call.parameters} == {GROUP}
    assert world.telegram.words_in(ADMIN) == []


async def test_a_group_and_two_of_its_topics_are_three_chats(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Each has its message, and each message is changed at the end; the group itself is sent no topic."""
    async with alerts.life(AlertChat(GROUP), TOPIC, AlertChat(GROUP, 6)) as life:
        await life.post(alert(starts="2027-01-15T08:00:00Z"))
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
    sent = alerts.world.telegram.all("sendMessage")
    assert sorted(call.parameters.get("message_thread_id", 0) for call in sent) == [0, 5, 6]
    assert alerts.firsts(GROUP) == [ENDED] * 3


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (NO_TOPIC, "that topic no longer exists: choose another in DORADURA_ALERT_CHATS and restart the bot"),
        (refusal(400, "Bad Request: TOPIC_CLOSED"), "add the bot there with the right to write"),
        (
            refusal(403, "Forbidden: bot was kicked from the supergroup chat"),
            "add the bot there with the right to write",
        ),
        (
            refusal(400, "Bad Request: not enough rights to send text messages to the chat"),
            "add the bot there with the right to write",
        ),
        (refusal(400, "Bad Request: chat not found"), "add the bot there with the right to write"),
    ],
    ids=["no topic", "closed topic", "kicked", "muted", "unknown"],
)
async def test_a_chat_that_takes_nothing(
    alerts: Alerts, autojump_clock: MockClock, answer: object, advice: str
) -> None:
    """What waits for it is kept, /health says why and what to do, and it is told when it takes it; others are told."""
    world = alerts.world
    other = AlertChat(OTHER)
    async with alerts.life(other, TOPIC) as life:
        await world.changes.until(lambda: len(world.telegram.all("sendChatAction")) == 2)
        refused = [answer]
        original = world.telegram._carry_out

        def carry_out(method: str, parameters: dict[str, object], files: dict[str, bytes]) -> object:
            if method == "sendMessage" and parameters["chat_id"] == GROUP and refused:
                return answer
            return original(method, parameters, files)

        world.telegram._carry_out = carry_out  # type: ignore[method-assign,assignment] # a server that refuses
        await life.accept(alert())
        await trio.sleep(1300)
        assert alerts.firsts(OTHER) == [FIRES]
        status, message = await health(alerts, life, other, TOPIC)
        assert status == "degraded"
        assert message.startswith("Telegram refuses messages to a chat (-100123/5: ")
        assert advice in message
        assert world.value("alert_deliveries_total", outcome="failed") == 0
        assert len(world.telegram.all("sendMessage")) <= 6, "it is tried every ten minutes, not all the time"
        refused.clear()
        await trio.sleep(601)
        assert alerts.firsts(GROUP) == [FIRES]
        assert (await health(alerts, life, other, TOPIC))[0] == "ok"


async def test_a_group_that_lets_the_bot_in_is_told_at_once(alerts: Alerts, autojump_clock: MockClock) -> None:
    """Membership is news of the chat, by whatever id it has now."""
    alerts.world.telegram.blocked_by.add(GROUP)
    async with alerts.life(AlertChat(GROUP)) as life:
        await life.accept(alert())
        await trio.sleep(30)
        alerts.world.telegram.blocked_by.clear()
        await life.heard_of(GROUP)
        await trio.sleep(1)
        assert alerts.firsts(GROUP) == [FIRES]


async def test_another_setting_between_two_starts(alerts: Alerts, autojump_clock: MockClock) -> None:
    """The new chat is told what fires, the old one is told nothing more; back again, its messages are known still."""
    world = alerts.world
    async with alerts.life(AlertChat(GROUP)) as life:
        await life.post(alert(starts="2027-01-15T08:00:00Z"))
        world.telegram.down = True
        await life.accept(alert("Late"))
    world.telegram.down = False
    async with alerts.life(TOPIC, AlertChat(ADMIN)) as life:
        await life.told()
        assert alerts.firsts(ADMIN) == [FIRES, "🔴 CRITICAL: Summary of Late"]
        assert alerts.firsts(GROUP) == [FIRES, FIRES, "🔴 CRITICAL: Summary of Late"]
    async with alerts.life(AlertChat(GROUP)) as life:
        await life.told()
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
    assert alerts.firsts(ADMIN)[0] == FIRES
    assert sorted(alerts.firsts(GROUP)).count(ENDED) == 1


async def test_a_group_that_becomes_a_supergroup(alerts: Alerts, autojump_clock: MockClock) -> None:
    """It is told under its new id, in this life and, though the setting has the old one, in the next."""
    world = alerts.world
    async with alerts.life(AlertChat(-77)) as life:
        await life.post(alert(starts="2027-01-15T08:00:00Z"))
        await world.storage.write(lambda db: chats.migrated(db, -77, GROUP, alerts.world.clock()))
        await life.post(alert(starts="2027-01-15T08:00:00Z", status="resolved"))
        assert (alerts.firsts(-77), alerts.firsts(GROUP)) == ([FIRES], [ENDED])
    async with alerts.life(AlertChat(-77), AlertChat(GROUP)) as life:
        await life.post(alert("B"))
    assert alerts.firsts(GROUP) == [ENDED, "🔴 CRITICAL: Summary of B"]
    assert len(alerts.firsts(-77)) == 1


def test_a_group_that_moves_into_a_chat_that_is_told_too() -> None:
    """Both ids were named: the new one goes on, and nothing waits twice."""
    db = migrated()
    ids = IdMaker(lambda: 1)
    outbox.set_targets(db, [(-77, 0), (GROUP, 0)], new_id=ids.new)
    db.execute("INSERT INTO alert_cards (card_id, told_ms) VALUES (1, 1)")
    outbox.tell(db, 1, "card", 0, new_id=ids.new, now_ms=1)
    chats.migrated(db, -77, GROUP, 2)
    chats.migrated(db, -77, GROUP, 3)
    assert [target.chat_id for target in outbox.targets(db)] == [GROUP]
    assert outbox.depth(db) == 1


def test_an_existing_database_keeps_its_admins() -> None:
    """Who was told, what waits for them and where it stands are the same after the update."""
    db = before_migration(14)
    db.execute("INSERT INTO alert_cards (card_id, told_ms) VALUES (1, 1)")
    db.execute("INSERT INTO alert_admins (admin_id, fault, fault_ms) VALUES (7, NULL, NULL), (8, 'blocked', 5)")
    for admin in (7, 9):
        db.execute(
            "INSERT INTO alert_messages (card_id, admin_id, message_id, told_ms) VALUES (1, ?, ?, 1)",
            (admin, admin * 10),
        )
    db.execute(
        "INSERT INTO alert_outbox (notice_id, admin_id, card_id, kind, severity_rank, stored_ms, changed_ms)"
        " VALUES (3, 7, 1, 'card', 0, 1, 1)"
    )
    migrate(db)
    assert outbox.targets(db) == [
        outbox.Target(target_id=7, chat_id=7, topic_id=0, fault=None),
        outbox.Target(target_id=8, chat_id=8, topic_id=0, fault="blocked"),
    ]
    targets = outbox.set_targets(db, [(7, 0), (9, 0)], new_id=lambda: 1)
    assert [target.target_id for target in targets] == [7, 9]
    found = outbox.next_for(db, 7, 5)
    assert found is not None
    assert (found.chat_id, found.topic_id, found.message_id) == (7, 0, 70)
    assert outbox.has_message(db, 1, 9)


async def test_a_person_and_a_group_that_refuse_are_each_told_what_helps(
    alerts: Alerts, autojump_clock: MockClock
) -> None:
    """/start helps where a person writes to the bot, membership where a group is."""
    alerts.world.telegram.blocked_by |= {ADMIN, GROUP}
    both = AlertChat(ADMIN), AlertChat(GROUP)
    async with alerts.life(*both) as life:
        await life.accept(alert())
        await trio.sleep(30)
        status, message = await health(alerts, life, *both)
    assert status == "degraded"
    group, _, person = message.partition("; and to ")
    assert group.startswith(f"Telegram refuses messages to a chat ({GROUP}: ")
    assert group.endswith("add the bot there with the right to write, or change DORADURA_ALERT_CHATS")
    assert person.startswith(f"an admin ({ADMIN}: ")
    assert person.endswith("they must send /start to the bot")

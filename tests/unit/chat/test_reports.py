"""/analytics, /health and /metrics: what they say, to whom, and with a picture or without."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from doradura.chat.analytics import WINDOWS, Analysis, report_text
from doradura.chat.texts import Catalogues, Texts
from doradura.health import CheckResult, HealthReport
from doradura.health_sentences import HealthText, Sentence
from doradura.media.protocol import Failure, Metadata
from doradura.media.reasons import OUR_REASONS, USER_REASONS, Reason
from doradura.media.sites import SITES
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import parse_html
from doradura.storage.reports import Durations, Ended, People, Queue, Tally
from tests.doubles import BLOCKED, SERVER_ERROR, made
from tests.wiring import ADMIN, LINK, Bot, World

GROUP = -100123
PICTURE = b"\x89PNG\r\n\x1a\n..."
GONE = Failure(reason=Reason.GONE, detail="404")
LOST = Failure(reason=Reason.SITE_ERROR, detail="broken")
T = Catalogues().for_language(None)


async def downloads(world: World, bot: Bot) -> None:
    """Two files (the second one sent again), one dead link and one that fails by our doing, one after the other."""
    world.workers.follow((Metadata(title="A", extraction_seconds=0.1), 3.0, made(2_000_000)), url=f"{LINK}1")
    world.workers.follow((GONE,), url=f"{LINK}2")
    world.workers.follow((1.0, LOST), (1.0, LOST), (1.0, LOST), (1.0, LOST), url=f"{LINK}3")
    for count, number in enumerate((1, 1, 2, 3), 1):
        await world.say(bot, world.message(f"/download {LINK}{number} mp3", name="Ann"))
        await world.ended(count)


def answers(world: World) -> list[str]:
    """What the admin was told, in texts and under pictures."""
    return [
        str(call.parameters.get("text") or call.parameters["caption"])
        for call in world.telegram.called
        if call.method in {"sendMessage", "sendPhoto"} and call.parameters["chat_id"] == ADMIN
    ]


async def asked(world: World, bot: Bot, text: str, *, count: int = 1) -> str:
    """Let the admin ask; wait for so many answers (a report's update is over before it is told), give the last one."""
    before = len(answers(world))
    await world.say(bot, world.message(text, user=ADMIN))
    await world.changes.until(lambda: len(answers(world)) == before + count)
    return answers(world)[-1]


async def test_analytics_in_words(world: World, autojump_clock: MockClock) -> None:
    """Without matplotlib the report is a text with a row of blocks; every figure is that of the database."""
    async with world.start() as bot:
        await downloads(world, bot)
        text = await asked(world, bot, "/analytics")
    worked = "SELECT finished_ms - started_ms FROM jobs WHERE worked = 1 ORDER BY 1"
    times = [row[0] for row in world.storage.db.execute(worked)]
    assert times == [0, 3000, 13_000]
    assert text.splitlines() == [
        "📊 <b>The last 24 hours</b>",
        "",
        f"<code>{'▁' * 23}█</code>",
        "",
        "✅ <b>2</b> files delivered, 4.0 MB",
        "❌ <b>2</b> failed, <b>1</b> of them our fault",
        "📈 Success rate <b>50 %</b>",
        "⏱ Median <b>3 s</b>, 95th percentile <b>13 s</b>",
        "♻️ <b>1</b> was sent again without a download",
        "",
        "<b>Formats</b>: mp3 2",
        "<b>Sites</b>: other 2",
        "<b>Failures</b>: gone 1, site error 1",
        "",
        "👥 <b>2</b> active users, 2 new",
        "⏳ The queue is empty",
    ]


async def test_a_day_later_and_after_a_restart(world: World, autojump_clock: MockClock) -> None:
    """A restart changes no figure; a day later the day is empty and the week is not."""
    async with world.start() as bot:
        await downloads(world, bot)
        before = await asked(world, bot, "/analytics")
    world.new_metrics()
    async with world.start() as bot:
        assert await asked(world, bot, "/analytics 24h") == before
        await trio.sleep(24 * 3600)
        day = await asked(world, bot, "/analytics 24H")
        week = await asked(world, bot, "/analytics 7d")
    assert day.splitlines()[2:] == [
        "No downloads in the last 24 hours yet.",
        "",
        "👥 <b>1</b> active user, 0 new",
        "⏳ The queue is empty",
    ]
    assert "<code>▁▁▁▁▁█▁</code>" in week
    assert "✅ <b>2</b> files delivered" in week


async def test_analytics_with_a_picture(world: World, autojump_clock: MockClock) -> None:
    """The report stands under a photo whose bars are the database's counts; its file is removed after that."""
    world.drawings.picture = PICTURE
    async with world.start() as bot:
        await downloads(world, bot)
        caption = await asked(world, bot, "/analytics 7d")
    (sent,) = world.telegram.all("sendPhoto")
    assert list(sent.files.values()) == [PICTURE]
    assert "✅ <b>2</b> files delivered" in caption
    assert "<code>" not in caption
    (chart,) = world.drawings.charts
    assert [(line.name, line.values) for line in chart.lines] == [
        ("delivered", (0, 0, 0, 0, 0, 0, 2)),
        ("failed", (0, 0, 0, 0, 0, 0, 2)),
    ]
    assert chart.ticks[0] == (0.0, "7 d ago")
    assert chart.ticks[-2:] == ((6.0, "24 h"), (7.0, "now"))
    assert list((world.directory / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("asked_for", "answer"),
    [
        (
            "/analytics 1y",
            "I can't show “1y”. Use one of: /analytics 24h, /analytics 7d, /analytics 30d.",
        ),
        (
            "/analytics 24h <b>",
            "I can't show “24h &lt;b&gt;”. Use one of: /analytics 24h, /analytics 7d, /analytics 30d.",
        ),
        (
            "/metrics money",
            (
                "I have no metrics on “money”. Use one of: /metrics performance, /metrics business,"
                " /metrics engagement, /metrics system."
            ),
        ),
    ],
)
async def test_what_there_is_no_report_of(world: World, autojump_clock: MockClock, asked_for: str, answer: str) -> None:
    """A wrong word is told what is allowed."""
    async with world.start() as bot:
        assert await asked(world, bot, asked_for) == answer


@pytest.mark.parametrize("command", ["/analytics", "/analytics 7d", "/health", "/metrics", "/metrics system"])
async def test_to_others_there_is_no_such_command(world: World, autojump_clock: MockClock, command: str) -> None:
    """A user gets word for word what an unknown command gets, and it counts as one."""
    async with world.start() as bot:
        await world.say(bot, world.message("/nonsense"), world.message(command))
    unknown, told = world.telegram.texts()
    assert told == unknown
    assert world.value("command_usage_total", command="other") == world.value("command_usage_total") == 2


@pytest.mark.parametrize("command", ["/analytics", "/health", "/metrics", "/health@dora_bot"])
async def test_reports_stay_out_of_groups(world: World, autojump_clock: MockClock, command: str) -> None:
    """In a group others read along: an admin's command is an unknown one there, to which nothing is said."""
    async with world.start() as bot:
        await world.say(bot, world.message(command, user=ADMIN, chat=GROUP))
    assert world.telegram.texts() == []
    assert world.value("command_usage_total", command="other") == 1


async def test_admins_help_has_their_commands(world: World, autojump_clock: MockClock) -> None:
    """The admin's /help lists all; in a group it is everybody's."""
    async with world.start() as bot:
        text = await asked(world, bot, "/help")
        await world.say(bot, world.message("/help", user=ADMIN, chat=GROUP))
    assert "<b>For admins</b>, in this chat only\n/alerts \N{EN DASH} firing alerts and silences\n/analytics" in text
    assert "/health" not in world.telegram.texts()[-1]


async def test_health_says_what_to_do(world: World, autojump_clock: MockClock) -> None:
    """What is not well comes first, as it was measured, with advice; the rest after it; commands are shown as code."""
    advice = Sentence(HealthText.WRITE_FAILED, {"error": "`just stack <>` starts it", "advice": "a lone ` stays"})
    world.health = HealthReport(
        "failing",
        "1.2.3",
        7384.0,
        {
            "poll": CheckResult("ok", Sentence(HealthText.POLL_ANSWERED), advice=advice),
            "alerts": CheckResult("degraded", Sentence(HealthText.WAITING_UNKNOWN, {"error": "<locked>"})),
            "disk": CheckResult("failing", Sentence(HealthText.DISK_FREE, {"left": "12 MiB"})),
            "canary": CheckResult("degraded", Sentence(HealthText.NO_ANSWER, {"seconds": "2"})),
        },
    )
    async with world.start() as bot:
        text = await asked(world, bot, "/health")
    assert text.splitlines() == [
        "🔴 <b>Something needs your attention</b>",
        "Up for 2 h 3 min, version 1.2.3",
        "",
        "🔴 <b>Disk</b>: 12 MiB free in the data directory",
        "      ➜ Free some space on the disk of DORADURA_DATA_DIR, or move it to a larger disk.",
        "🟠 <b>Alerts</b>: the number of waiting notifications is unknown: &lt;locked&gt; - see the storage check",
        (
            "      ➜ Waiting alerts are sent once Telegram and the database answer. "
            "An admin named here has to unblock me and send /start."
        ),
        "🟠 <b>canary</b>: no answer within 2 s",
        "      ➜ The log says more.",
        "✅ <b>Telegram</b>: Telegram answers",
        "      ➜ <code>just stack &lt;&gt;</code> starts it - a lone ` stays",
    ]


async def test_metrics_of_performance(world: World, autojump_clock: MockClock) -> None:
    """The day's figures from the database, the last hour's apart."""
    async with world.start() as bot:
        await downloads(world, bot)
        times = [
            row[0] for row in world.storage.db.execute("SELECT finished_ms - started_ms FROM jobs WHERE worked = 1")
        ]
        await trio.sleep(3 * 3600)
        text = await asked(world, bot, "/metrics performance")
        await trio.sleep(22 * 3600)
        later = await asked(world, bot, "/metrics performance")
    assert sorted(times) == [0, 3000, 13_000]
    assert text.splitlines() == [
        "⚡ <b>Performance</b>, last 24 hours",
        "Downloads: <b>4</b> ended, <b>50 %</b> successfully",
        "In the last hour: <b>0</b>",
        "Median <b>3 s</b>, 95th percentile <b>13 s</b>, 99th <b>13 s</b>",
        "Mean 5.3 s, longest 13 s",
        "Delivered: <b>4.0 MB</b>, 2.0 MB per file",
        "⏳ The queue is empty",
    ]
    assert later.splitlines()[1] == "No downloads in the last 24 hours yet."


async def test_metrics_of_engagement_and_business(world: World, autojump_clock: MockClock) -> None:
    """Who was here, who is known, who blocks; what was delivered under which plan."""
    async with world.start() as bot:
        await downloads(world, bot)
        await world.say(bot, world.message("/start", user=3000, name="Cy"))
        world.storage.db.execute("UPDATE users SET blocked_ms = 1, language = 'pt-br' WHERE user_id = 3000")
        text = await asked(world, bot, "/metrics engagement")
        business = await asked(world, bot, "/metrics business")
    assert text.splitlines() == [
        "👥 <b>Engagement</b>",
        "Active in 24 h, 7 d, 30 d: <b>3</b>, <b>3</b>, <b>3</b>",
        "New in 24 h, 7 d, 30 d: <b>3</b>, <b>3</b>, <b>3</b>",
        "Got a file in 24 hours: <b>1</b>",
        "Messages and button presses today (UTC): <b>6</b>",
        "Known users: <b>3</b>, 1 of them blocked me",
        "Languages: en 2, pt 1",
    ]
    assert "Delivered by plan: free 2" in business


async def test_a_language_that_nobody_told_has_a_text(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word for it is the catalogue's, as every word that is shown."""
    plain = Texts.plain
    monkeypatch.setattr(
        Texts,
        "plain",
        lambda t, key, **values: "неизвестен" if key == "metrics.language_unknown" else plain(t, key, **values),
    )
    async with world.start() as bot:
        await world.say(bot, world.message("/start", user=3000, name="Cy"))
        world.storage.db.execute("UPDATE users SET language = NULL WHERE user_id = 3000")
        text = await asked(world, bot, "/metrics engagement")
    assert "неизвестен 1" in text.splitlines()[-1]
    assert "unknown" not in text


async def test_metrics_of_business(world: World, autojump_clock: MockClock) -> None:
    """Stars of the month and of all time, subscriptions, and what went wrong; before the first payment just that."""
    async with world.start() as bot:
        before = await asked(world, bot, "/metrics business")
        now = world.clock()
        world.storage.db.execute(f"INSERT INTO ledger VALUES ('a', 1, 'premium', 1500, 'a', {now}, NULL)")
        world.storage.db.execute(f"INSERT INTO ledger VALUES ('b', 1, 'premium', 100, 'b', 1, {now})")
        world.storage.db.execute(
            f"INSERT INTO subscriptions VALUES ('a', 1, 'premium', 1, {now}, {now + 1000_000}, NULL, NULL, 0)"
        )
        world.storage.db.execute(
            f"INSERT INTO payment_failures (failure_id, reason, failed_ms) VALUES (1, 'late_answer', {now})"
        )
        after = await asked(world, bot, "/metrics business")
    assert before.splitlines()[1:] == ["Nothing delivered in the last 30 days yet.", "No payments yet."]
    assert after.splitlines()[1:] == [
        "Nothing delivered in the last 30 days yet.",
        "Stars: <b>1,500</b> ⭐ received, 100 ⭐ refunded",
        "Since the first payment: 1,600 ⭐ received, 100 ⭐ refunded",
        "New subscriptions: <b>1</b>",
        "Subscriptions now: premium 1",
        "❗ Failed payments: late answer 1",
    ]


async def test_metrics_of_the_system(world: World, autojump_clock: MockClock) -> None:
    """Counters of the registry are said to count since the start."""
    world.health = HealthReport("degraded", "1.2.3", 65.0, {})
    world.telegram.fail("sendMessage", SERVER_ERROR)
    async with world.start() as bot:
        await world.say(bot, world.message("/start"))
        world.metrics.errors.labels(category="storage").inc(1200)
        world.metrics.errors.labels(category="alert").inc(3)
        world.metrics.disk_free.set(81_600_000_000)
        calls = len(world.telegram.called)
        text = await asked(world, bot, "/metrics system")
    lines = text.splitlines()
    assert lines[:5] == [
        "🖥 <b>System</b>",
        "Started <b>1 min 5 s</b> ago, version 1.2.3",
        "Errors since the start: storage 1,200, alert 3, telegram 1",
        f"Calls to Telegram since the start: <b>{calls}</b>",
        "Of these, failed: server error 1",
    ]
    assert lines[5].startswith("Memory: ")
    assert lines[6:] == ["Free disk space: 81.6 GB", "Health: something isn't right, see /health"]


async def test_all_metrics_are_one_message(world: World, autojump_clock: MockClock) -> None:
    """Without a subject all four are told, in order."""
    async with world.start() as bot:
        text = await asked(world, bot, "/metrics")
    heads = [line for line in text.splitlines() if line[:1] in "⚡💫👥🖥" and "<b>" in line[:5]]
    assert [head.partition("<b>")[2].partition("</b>")[0] for head in heads] == [
        "Performance",
        "Business",
        "Engagement",
        "System",
    ]


async def test_an_admin_who_blocked_the_bot(world: World, autojump_clock: MockClock) -> None:
    """Nothing gets through to them, and that is no fault of the update's."""
    world.drawings.picture = PICTURE
    async with world.start() as bot:
        await downloads(world, bot)
        world.telegram.fail("sendPhoto", BLOCKED)
        await asked(world, bot, "/analytics")
        await asked(world, bot, "/analytics 1y")
    assert len(answers(world)) == 2


def test_the_longest_report_fits_under_a_photo() -> None:
    """With every name at its longest and a billion of everything it is under 1,024 characters, in every window."""
    most = 999_999_999

    def ranking(names: tuple[str, ...]) -> dict[str, int]:
        return dict.fromkeys(sorted(names, key=len, reverse=True), most)

    tally = Tally(
        ended=Ended(delivered=most, failed=most, cancelled=most, bytes=10**15, again=most),
        formats=ranking(("thumbnail", "opus", "flac", "m4a", "mp3", "mp4", "wav")),
        sites=ranking((*SITES, "other")),
        plans={},
        reasons=ranking((*OUR_REASONS, *USER_REASONS)),
        delivered=[most] * 30,
        failed=[most] * 30,
        durations=Durations(measured=most, mean=1.0, p50=3599.0, p95=86_399.0, p99=1.0, longest=1.0),
    )
    found = Analysis(
        jobs=tally,
        people=People(active=most, new=most),
        queue=Queue(waiting=most, oldest_seconds=10_000_000.0, running=most),
    )
    for window in WINDOWS:
        text, _ = parse_html(report_text(T, window, found, drawn=True))
        assert units(text) <= 1024
    nothing = replace_ended(found)
    assert "NaN" not in report_text(T, WINDOWS[0], nothing, drawn=False)


def replace_ended(found: Analysis) -> Analysis:
    """The same, with nothing but a cancelled job."""
    tally = replace(
        found.jobs,
        ended=Ended(delivered=0, failed=0, cancelled=1, bytes=0, again=0),
        formats={},
        sites={},
        reasons={},
        delivered=[0],
        failed=[0],
        durations=None,
    )
    return replace(found, jobs=tally)

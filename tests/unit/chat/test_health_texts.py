"""/health in the language of who asks: the checks' own sentences too, while machines get the English."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from doradura.chat.health_texts import health_text
from doradura.chat.texts import Catalogues, Texts
from doradura.downloads.worker_slots import WorkerSlots
from doradura.health import CheckResult, CheckStatus, HealthReport, LoopLag, judge_space
from doradura.health_checks import AlertsCheck, WorkerSelfTest, old_ytdlp, poll_check
from doradura.health_sentences import PLURALS, HealthText, Listed, Sentence, Value
from doradura.storage.ids import IdMaker
from doradura.storage_check import StorageCheck
from doradura.telegram.pacing import Pacer
from tests.languages import Sentences, language
from tests.wiring import RoomyWorkspace, World

OLD = Sentence(HealthText.YTDLP_A_DAY_OLD, count=46)


def german(folder: Path, sentences: Sentences) -> Texts:
    """German, with these sentences."""
    language(folder, "de", sentences)
    return Catalogues(folder).for_language("de")


def said(t: Texts, status: CheckStatus, message: Sentence, advice: Sentence | None = None) -> list[str]:
    """What the chat shows of one check."""
    report = HealthReport("ok", "1.0", 5.0, {"poll": CheckResult(status, message, {}, advice)})
    return health_text(t, report).splitlines()[3:]


async def test_a_plain_a_composed_and_an_advice_sentence_are_german(tmp_path: Path, autojump_clock: MockClock) -> None:
    """In the order of words and the form that the language wants; the report's JSON has the English of before."""
    t = german(
        tmp_path,
        {
            HealthText.DISK_LOW: ("große Downloads können scheitern: nur {left} frei",),
            HealthText.TELEGRAM_HOLDS: ("Telegram lässt warten: {holds}",),
            HealthText.METHOD_HELD: ("noch {seconds} s auf {method}",),
            HealthText.AND: ("{first} und {next}",),
            HealthText.YTDLP_A_DAY_OLD: ("yt-dlp ist einen Tag alt", "yt-dlp ist {count} Tage alt"),
        },
    )
    pacer = Pacer()
    for method in ("getMe", "sendPhoto"):
        pacer.hold(method, until=trio.current_time() + 20)
    disk = judge_space(500_000_000, 10**12)
    poll = await poll_check(lambda: None, pacer)
    advice = old_ytdlp("2026.10.13", date(2026, 11, 28))
    report = HealthReport(
        "degraded", "1.0", 5.0, {"disk": disk, "poll": CheckResult("ok", poll.message, poll.facts, advice)}
    )
    lines = health_text(t, report).splitlines()
    assert lines[3] == "🟠 <b>Disk</b>: große Downloads können scheitern: nur 500 MB frei"
    assert lines[5:] == [
        "✅ <b>Telegram</b>: Telegram lässt warten: noch 20 s auf getMe und noch 20 s auf sendPhoto",
        "      ➜ yt-dlp ist 46 Tage alt",
    ]
    checks = report.as_json()["checks"]
    assert checks["disk"]["message"] == "500 MB free in the data directory: large downloads may fail"
    assert [checks["poll"][key] for key in ("message", "advice")] == [
        (
            "Telegram told the bot to wait with getMe for another 20 s; sendPhoto for another 20 s"
            " - it then resumes by itself"
        ),
        "yt-dlp is 46 days old, and sites change: run `just update-ytdlp` and restart",
    ]


async def test_what_every_check_finds_is_translated(tmp_path: Path, world: World, autojump_clock: MockClock) -> None:
    """Of the poll, the database, the worker, the alerts, the loop and the disk: nothing of the English is left."""
    forms = {text: (text, PLURALS[text]) if text in PLURALS else (text,) for text in HealthText}
    t = german(
        tmp_path,
        {text: tuple(f"de({form})" for form in forms[text]) for text in HealthText if text not in PLURALS.values()},
    )
    alerts = AlertsCheck([], world.storage, lambda: None, clock=world.clock)
    workspace = RoomyWorkspace(world.settings, "ffmpeg", tuple)
    worker = WorkerSelfTest(world.workers, WorkerSlots(1), workspace, IdMaker(world.clock))
    found = [
        await worker.check(),
        await poll_check(lambda: None, Pacer()),
        await StorageCheck(world.storage, clock=world.clock).check(),
        await alerts.check(),
        await LoopLag(lambda _lag: None).check(),
        *(judge_space(free, 10**12) for free in (1, 500_000_000, 10**11)),
    ]
    shown = [t.sentence(result.message) for result in found]
    assert shown == [f"de({result.message})" for result in found]


def test_who_can_not_be_reached_is_said_in_german(tmp_path: Path) -> None:
    """A list in a list: what is said of each kind, with what helps."""
    t = german(
        tmp_path,
        {
            HealthText.CHATS_REFUSED: ("Telegram nimmt nichts an für {chats}",),
            HealthText.ADMIN_REFUSED: ("einen Admin ({who}): {remedy}",),
            HealthText.CHAT_REFUSED: ("einen Chat ({who}): {remedy}",),
            HealthText.ADMIN_MUST_START: ("erst /start senden",),
            HealthText.CHAT_MUST_ADMIT: ("den Bot aufnehmen",),
            HealthText.AND: ("{first}, {next}",),
            HealthText.AND_TO: ("{first} und für {next}",),
        },
    )
    admins: Mapping[str, Value] = {
        "who": Listed(HealthText.AND, ("1: blocked", "2: <gone>")),
        "remedy": HealthText.ADMIN_MUST_START,
    }
    chat: Mapping[str, Value] = {"who": Listed(HealthText.AND, ("-3: kicked",)), "remedy": HealthText.CHAT_MUST_ADMIT}
    kinds = (Sentence(HealthText.ADMIN_REFUSED, admins), Sentence(HealthText.CHAT_REFUSED, chat))
    sentence = Sentence(HealthText.CHATS_REFUSED, {"chats": Listed(HealthText.AND_TO, kinds)})
    (line,) = said(t, "ok", sentence)
    assert line == (
        "✅ <b>Telegram</b>: Telegram nimmt nichts an für einen Admin (1: blocked, 2: &lt;gone&gt;): erst /start senden"
        " und für einen Chat (-3: kicked): den Bot aufnehmen"
    )


def test_markup_is_escaped_once_whoever_wrote_it(tmp_path: Path) -> None:
    """In a translation and in a value, at any depth; a NUL goes."""
    t = german(tmp_path, {HealthText.WRITE_FAILED: ("<i>{error}</i> & {advice}",)})
    inner = Sentence(HealthText.WRITE_FAILED, {"error": "a<b\0", "advice": "&amp;"})
    (line,) = said(t, "ok", Sentence(HealthText.WRITE_FAILED, {"error": inner, "advice": ">"}))
    escaped = "&lt;i&gt;&lt;i&gt;a&lt;b&lt;/i&gt; &amp; &amp;amp;&lt;/i&gt; &amp; &gt;"
    assert line == f"✅ <b>Telegram</b>: {escaped}"


@pytest.mark.parametrize("forms", [(), ("yt-dlp: {tage}", "yt-dlp: {tage}"), ("{", "{")], ids=["none", "value", "bad"])
def test_a_sentence_that_a_language_lacks_is_english_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, forms: tuple[str, ...]
) -> None:
    """Once, under its template; the default language lacks none, and a sentence that reads as in English is one."""
    t = german(tmp_path, {HealthText.YTDLP_A_DAY_OLD: forms})
    english = "yt-dlp is 46 days old, and sites change: run `just update-ytdlp` and restart"
    assert [t.sentence(OLD), t.sentence(OLD)] == [english, english]
    assert t.sentence(Sentence(HealthText.AND, {"first": "a", "next": "b"})) == "a; b"
    assert Catalogues(tmp_path).for_language("en").sentence(OLD) == english
    (record,) = caplog.records
    assert (record.levelno, vars(record)["key"], vars(record)["language"]) == (
        logging.ERROR,
        "yt-dlp is {count} day old, and sites change: run `just update-ytdlp` and restart",
        "de",
    )
    caplog.clear()

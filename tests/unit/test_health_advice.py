"""Wishes on /health: shown, and no degradation."""

from __future__ import annotations

from datetime import date

import pytest
import trio.testing

from doradura.chat.health_texts import health_text
from doradura.chat.texts import Catalogues
from doradura.health import CheckResult, Health
from doradura.health_checks import old_ytdlp
from doradura.health_sentences import HealthText, Sentence
from doradura.web.page import page

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("version", "days"),
    [
        ("2026.10.14", None),
        ("2026.10.13", 46),
        ("2026.9.1", 88),
        ("2025.11.28.123456", 365),
        ("2026.12.24", None),
        ("2026.13.40", None),
        ("0.0.0", None),
        ("1.2.3", None),
        ("", None),
        ("nightly", None),
    ],
)
def test_an_old_ytdlp_is_a_wish(version: str, days: int | None) -> None:
    """A yt-dlp of more than 45 days ago is worth an update; a version that is no date says nothing."""
    said = old_ytdlp(version, TODAY)
    assert (said is None) == (days is None)
    assert said is None or str(said).startswith(f"yt-dlp is {days} days old")


async def test_a_wish_is_shown_and_degrades_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """A check that is ok with a wish is ok, 1 in the metric and 200 over HTTP; JSON, page and chat say the wish."""

    async def worker() -> CheckResult:
        advice = Sentence(HealthText.WRITE_FAILED, {"error": "a <newer> one is there", "advice": "&"})
        return CheckResult("ok", Sentence(HealthText.SELF_TEST_PASSED), {"places": 4}, advice)

    async def disk() -> CheckResult:
        return CheckResult("ok", Sentence(HealthText.DISK_FREE, {"left": "5 GB"}))

    made = Health("1.0", {"worker": worker, "disk": disk})
    made.mark_running()
    report = await made.report()
    assert (report.status, report.http_status, report.gauge_values()) == ("ok", 200, {"worker": 1.0, "disk": 1.0})
    checks = report.as_json()["checks"]
    assert checks["worker"] == {
        "places": 4,
        "status": "ok",
        "message": "a worker passed the self-test",
        "advice": "a <newer> one is there - &",
    }
    assert "advice" not in checks["disk"]
    assert "a worker passed the self-test - a &lt;newer&gt; one is there - &amp;" in page({}, report.as_json(), {})
    text = health_text(Catalogues().for_language("en"), report)
    assert "➜ a &lt;newer&gt; one is there - &amp;" in text
    assert "✅" in text
    assert "🟠" not in text

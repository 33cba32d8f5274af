"""Every query of every dashboard, asked of a real Prometheus that scrapes the real bot at work."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from tests.dashboards import NAMES, dashboard, filled, queries
from tests.e2e.program import Message, Program, running, until
from tests.monitors import Prometheus, open_monitors

USER = 2000
RULES = [
    {"alert": name, "expr": "vector(1)", "labels": {"severity": severity}}
    for name, severity in (("Sample", "critical"), ("Other", "warning"), ("Watchdog", "none"))
]
LATER = {"monitoring: Last canary download"}
"""Panels that are rightly empty: no canary runs."""

BEFORE_THE_FIRST_DOWNLOAD = {
    *("overview: Success rate", "overview: Duration percentiles", "overview: Failures by reason"),
}
"""Panels of the Overview that have no figure until something ended or failed."""


async def work(program: Program) -> None:
    """Sound and pictures, one again, one that fails, one that Telegram makes wait; an alert of another server's."""
    sample = program.media("sample.mp4")
    for words, kind in (("mp3", "audio"), ("mp4 360p", "video"), ("m4a", "audio"), ("mp3", "audio")):
        asked = await program.say(USER, f"/download {sample} {words}")
        await program.wait(USER, partial(contains, kind), after=asked["message_id"])
    await program.fault(method="sendMessage", error_code=500, description="Internal Server Error")
    await program.say(USER, sample)
    await program.say(USER, f"/download {program.media('status/500.mp4')} mp3")
    # Those of the monitors can be told before the bot's first scrape, and are no increase then.
    alert = {"status": "firing", "labels": {"alertname": "Late"}, "startsAt": "2026-01-01T00:00:00Z"}
    headers = {"Authorization": f"Bearer {(program.data_dir / 'webhook.token').read_text(encoding='utf-8')}"}
    posted = await program.client.post(f"{program.http_url}/alerts", json={"alerts": [alert]}, headers=headers)
    assert posted.status_code == 200
    failed = 'doradura_download_failure_total{format="mp3",reason="site_error"}'

    async def counted() -> bool:
        return (await program.metrics())[failed] == 1

    await until(counted, seconds=60)


def contains(kind: str, message: Message) -> bool:
    """Say whether a message is a file of a kind."""
    return kind in message


async def unanswered(prometheus: Prometheus) -> set[str]:
    """Return the panels of which a query has no number for an answer."""
    empty = set()
    for asked in queries():
        if not await prometheus.numbers(filled(asked.expr), instant=asked.instant):
            empty.add(f"{asked.dashboard}: {asked.panel}")
    return empty


async def test_every_query_answers(tmp_path: Path) -> None:
    """Each query of each panel gives at least one number, and each mark of an alert is drawn, but for a named few.

    A bot that has done nothing yet shows zeros, not empty panels.
    """
    token = tmp_path / "data" / "webhook.token"
    async with (
        running(tmp_path / "data") as program,
        open_monitors(tmp_path, [program.http_url.removeprefix("http://")], token=token, rules=RULES) as prometheus,
    ):
        # What happens before the first scrape is no increase, and a rate wants two.
        await until(partial(prometheus.numbers, "min(sum_over_time(up[1m])) >= 3 and count(up) == 3"), seconds=60)
        nothing = await unanswered(prometheus)
        assert {panel for panel in nothing if panel.startswith("overview")} == BEFORE_THE_FIRST_DOWNLOAD
        await work(program)
        empty: set[str] = set()

        async def answered() -> bool:
            nonlocal empty
            empty = await unanswered(prometheus)
            return empty <= LATER

        with suppress(trio.TooSlowError):
            await until(answered, seconds=30)
        assert empty <= LATER
        for name in NAMES:
            for mark in dashboard(name)["annotations"]["list"]:
                assert await prometheus.numbers(filled(mark["expr"]))
        instances = await prometheus.ask("label/instance/values", **{"match[]": "doradura_build_info"})
        assert instances == [program.http_url.removeprefix("http://")]

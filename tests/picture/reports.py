"""Draw docs/admin-analytics.png, admin-health.png and admin-metrics.png: `python -m tests.picture.reports`.

Starts the bot in its sandbox, puts a month of made-up downloads into its database, lets a user ask for three real ones,
and takes the admin's chat on a phone after each report. By hand only: no test and no check needs it. Signs want a font:
Debian has fonts-noto-color-emoji.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import trio
from playwright.sync_api import Locator, Page, ViewportSize, expect, sync_playwright

from tests.e2e.program import Message, running
from tests.picture.draw import CHROMIUM_ARGUMENTS, shrink
from tests.programs import found

DOCS = Path(__file__).parent.parent.parent / "docs"
ADMIN, USER = 1000, 2000
PHONE: ViewportSize = {"width": 430, "height": 900}
SCALE = 1.5
MARGIN = 8
"""Around what is taken, in the page's pixels."""
COLOURS = 128
HOUR_MS, DAY_MS = 3600 * 1000, 24 * 3600 * 1000
HOURLY = (24, 14, 17, 23, 22, 13, 23, 18, 14, 15, 22, 17, 17, 25, 15, 15, 11, 6, 6, 10, 13, 14, 14, 18)
"""Downloads of the last day, the oldest hour first."""
EARLIER = 762
"""Downloads of the rest of the month."""
PEOPLE, OF_TODAY = 40, 34
VARIANTS = ("mp3:320k", "mp3:192k", "mp3:320k", "mp4:720p", "mp4:360p", "m4a")
SITES = ("youtube", "youtube", "youtube", "soundcloud", "vimeo", "other")
REASONS = ("network", "too_large", "network", "gone", "private", "network", "too_large")

Row = tuple[int | str | None, ...]


async def pictures() -> None:
    """Let things happen, then take the pictures."""
    with tempfile.TemporaryDirectory() as name:
        async with running(Path(name) / "data") as program:
            await trio.to_thread.run_sync(_fill, program.data_dir / "doradura.db")
            for words in ("mp3 320k", "m4a", "mp4 360p"):
                said = await program.say(USER, f"/download {program.media('sample.mp4')} {words}")
                await program.wait(USER, lambda each: "audio" in each or "video" in each, after=said["message_id"])
            for command, target in (("/analytics", "analytics"), ("/metrics", "metrics"), ("/health", "health")):
                asked = await program.say(ADMIN, command)
                answer = await program.wait(ADMIN, lambda _each: True, after=asked["message_id"])
                first = answer if command == "/analytics" else asked
                await trio.to_thread.run_sync(_take, program.sandbox_url, first, answer, DOCS / f"admin-{target}.png")


def _fill(database: Path) -> None:
    """Put people and their ended downloads into the database of a bot that runs."""
    dice = random.Random(7)
    now_ms = int(time.time() * 1000)
    with closing(sqlite3.connect(database, timeout=30)) as db, db:
        for number in range(PEOPLE):
            seen_ms = now_ms - (dice.randrange(20 * HOUR_MS) if number < OF_TODAY else dice.randrange(2, 7) * DAY_MS)
            days = 0 if number == 0 else dice.randrange(1, 7) if number < 9 else dice.randrange(8, 60)
            language = "en" if number % 5 < 3 else "de" if number % 5 == 3 else "ru"
            db.execute(
                "INSERT INTO users (user_id, first_name, language, first_seen_ms, last_seen_ms) VALUES (?, ?, ?, ?, ?)",
                (3000 + number, "Somebody", language, min(seen_ms, now_ms - days * DAY_MS), seen_ms),
            )
        names = "job_id, user_id, chat_id, url, cache_key, site, plan, language, place, told, state, variant, reason,"
        names += " size_bytes, created_ms, started_ms, finished_ms, worked"
        db.executemany(f"INSERT INTO jobs ({names}) VALUES ({', '.join('?' * 18)})", _jobs(dice, now_ms))


def _jobs(dice: random.Random, now_ms: int) -> Iterator[Row]:
    for hour, count in enumerate(HOURLY):
        for _ in range(count):
            yield _job(dice, now_ms - (23 - hour) * HOUR_MS - dice.randrange(1, HOUR_MS), dice.randrange(OF_TODAY))
    for _ in range(EARLIER):
        yield _job(dice, now_ms - dice.randrange(DAY_MS, 29 * DAY_MS), dice.randrange(9, PEOPLE))


def _job(dice: random.Random, finished_ms: int, person: int) -> Row:
    """Return a download that ended then: most well, one in sixteen badly, a few cancelled or sent again."""
    lot = dice.random()
    state = "failed" if lot < 1 / 16 else "cancelled" if lot < 1 / 14 else "done"
    again = state == "done" and dice.random() < 0.1
    seconds = 0.3 if again else min(dice.lognormvariate(2.4, 0.75), 130)
    variant = dice.choice(VARIANTS)
    size = int(dice.uniform(20e6, 46e6) if variant.startswith("mp4") else dice.uniform(3e6, 12e6))
    started_ms = finished_ms - int(seconds * 1000)
    number, user_id, link = dice.getrandbits(52), 3000 + person, f"https://media.example/{dice.getrandbits(32):x}"
    who: Row = (number, user_id, user_id, link, f"{link} {variant}", dice.choice(SITES), "free", "en", number, 1)
    reason, weight = (dice.choice(REASONS) if state == "failed" else None), (size if state == "done" else None)
    return (*who, state, variant, reason, weight, started_ms - 900, started_ms, finished_ms, 0 if again else 1)


def _take(url: str, first: Message, last: Message, target: Path) -> None:
    """Take the admin's chat from one message to another."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found("chromium"), args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(
            viewport={**PHONE, "height": 1600}, device_scale_factor=SCALE, color_scheme="light", locale="en-GB",
            reduced_motion="reduce", is_mobile=True,
        )  # fmt: skip
        page.goto(f"{url}/#{ADMIN}")
        expect(_message(page, last)).to_be_visible()
        page.wait_for_function("() => [...document.images].every(each => each.complete)")
        top, bottom = _box(page, first)[0] - MARGIN, sum(_box(page, last)) + MARGIN
        page.screenshot(path=target, clip={"x": 0, "y": top, "width": PHONE["width"], "height": bottom - top})
        browser.close()
    shrink(target, colours=COLOURS)


def _message(page: Page, message: Message) -> Locator:
    return page.locator(f'article[data-id="{message["message_id"]}"]')


def _box(page: Page, message: Message) -> tuple[float, float]:
    """Return a message's upper edge and height."""
    box = _message(page, message).bounding_box()
    assert box is not None
    return box["y"], box["height"]


if __name__ == "__main__":
    trio.run(pictures)

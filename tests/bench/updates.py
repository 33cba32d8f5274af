"""Updates handled for each second of CPU, against a naive bot on Trio.

Each bot stands stopped (SIGSTOP) while 50 people write, 600 messages in all: so both meet the same backlog, and no
start-up is counted. Then it goes on, and its CPU time is taken when the last answer is there. Only the bot's main
process counts; the sandbox is a process of its own.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import trio

from tests.bench.figures import Row, Series
from tests.bench.rig import TOKEN, RigError, bot, cpu_seconds, open_person, sandbox, started, variables

USERS = range(3001, 3051)
MESSAGES_EACH = 12
WARM_UP_EACH = 4
WRITERS = 4
NAIVE_TOKEN = "700002:NAIVEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


async def measure(runs: int, directory: Path) -> Row:
    """Take turns, ours first; both bots live through all turns."""
    row = Row()
    ours: list[float] = []
    naive: list[float] = []
    async with (
        sandbox(directory) as url,
        bot(directory, url) as mine,
        started(
            ["-m", "tests.bench.naive_bot", url, NAIVE_TOKEN],
            r"ready (\S)",
            log=directory / "naive.log",
            variables=variables(directory / "none"),
        ) as other,
    ):
        database = directory / "data" / "doradura.db"
        for each in (WARM_UP_EACH, *[MESSAGES_EACH] * runs):
            ours.append(await _backlog(mine.pid, url, TOKEN, each, database))
            naive.append(await _backlog(other.pid, url, NAIVE_TOKEN, each, None))
        del ours[0], naive[0]
    row.compare(
        "per CPU second",
        ours=Series("ours", ours, "updates"),
        theirs=Series("naive", naive, "updates"),
    )
    # Not how many a second: ours sends 30 at most, as Telegram asks; the naive bot would meet 429s there.
    row.add("", "(ours stores each update and its effects, synchronous=FULL; the naive bot stores nothing)")
    return row


async def _backlog(pid: int, url: str, token: str, each: int, database: Path | None) -> float:
    """Let a backlog grow while the bot stands still, then see it answer all of it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        last = await _write_all(url, token, each)
        used = cpu_seconds(pid)
    finally:
        os.kill(pid, signal.SIGCONT)
    with trio.fail_after(PATIENCE_SECONDS):
        await _answered(url, token, each, last)
        while database is not None and _waiting(database):  # noqa: ASYNC110 - happens in another process
            await trio.sleep(LOOK_SECONDS)
    total = each * len(last)
    return total / (cpu_seconds(pid) - used)


async def _answered(url: str, token: str, each: int, last: dict[int, int]) -> None:
    """Wait until everybody has an answer to each message, and nobody more."""
    async with open_person(url, token) as person:
        for user_id, message_id in last.items():
            while (count := len(await person.messages(user_id, after=message_id))) < each:  # noqa: ASYNC110 - as above
                await trio.sleep(LOOK_SECONDS)
            if count > each:
                raise RigError(f"user {user_id} has {count} answers to {each} messages")


async def _write_all(url: str, token: str, each: int) -> dict[int, int]:
    """Let everybody write, over a few connections; give each one's last message."""
    last: dict[int, int] = {}

    async def write(users: Sequence[int]) -> None:
        async with open_person(url, token) as person:
            for number in range(each):
                for user_id in users:
                    last[user_id] = await person.say(user_id, "/help" if number % 2 else f"hello, number {number}")

    async with trio.open_nursery() as nursery:
        for writer in range(WRITERS):
            nursery.start_soon(write, USERS[writer::WRITERS])
    return last


def _waiting(database: Path) -> int:
    """Count the updates not marked handled: an answer goes out before its mark is stored."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM inbox WHERE state = 'waiting'").fetchone()[0])

"""Updates handled for each second of CPU, against a naive bot on Trio.

Each bot stands stopped (SIGSTOP) while 50 people write, 2,000 messages in all: so both meet the same backlog, and no
start-up is counted. Then it goes on, and its CPU time is taken when the last answer is there. Only the bot's main
process counts; the sandbox is a process of its own.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import trio

from tests.bench.figures import Row, Series
from tests.bench.rig import Person, RigError, bot, cpu_seconds, open_person, sandbox, started, variables

USERS = range(3001, 3051)
MESSAGES_EACH = 40
WARM_UP_EACH = 4
WRITERS = 8
NAIVE_TOKEN = "700002:NAIVEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Rate:
    """What one bot did with one backlog."""

    for_cpu_second: float
    for_second: float


async def measure(runs: int, directory: Path) -> Row:
    """Take turns, ours first; both bots live through all turns."""
    row = Row()
    ours: list[Rate] = []
    naive: list[Rate] = []
    async with (
        sandbox(directory) as url,
        bot(directory, url) as mine,
        started(
            ["-m", "tests.bench.naive_bot", url, NAIVE_TOKEN],
            r"ready (\S)",
            log=directory / "naive.log",
            variables=variables(directory / "none"),
        ) as other,
        open_person(url, NAIVE_TOKEN) as naive_person,
    ):
        database = directory / "data" / "doradura.db"
        for each in (WARM_UP_EACH, *[MESSAGES_EACH] * runs):
            ours.append(await _backlog(mine.pid, mine.person, each, database))
            naive.append(await _backlog(other.pid, naive_person, each, None))
        del ours[0], naive[0]
    row.compare(
        "per CPU second",
        ours=Series("ours", [rate.for_cpu_second for rate in ours], "updates"),
        theirs=Series("naive", [rate.for_cpu_second for rate in naive], "updates"),
    )
    row.compare(
        "per second",
        ours=Series("ours", [rate.for_second for rate in ours], "updates"),
        theirs=Series("naive", [rate.for_second for rate in naive], "updates"),
    )
    row.add("", "(ours stores each update and its effects, synchronous=FULL; the naive bot stores nothing)")
    return row


async def _backlog(pid: int, person: Person, each: int, database: Path | None) -> Rate:
    """Let a backlog grow while the bot stands still, then see it answer all of it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        last = await _write_all(person, each)
        used = cpu_seconds(pid)
    finally:
        os.kill(pid, signal.SIGCONT)
    began = trio.current_time()
    with trio.fail_after(PATIENCE_SECONDS):
        for user_id, message_id in last.items():
            while (count := len(await person.messages(user_id, after=message_id))) < each:  # noqa: ASYNC110 - happens in another process
                await trio.sleep(LOOK_SECONDS)
            if count > each:
                raise RigError(f"user {user_id} has {count} answers to {each} messages")
        seconds = trio.current_time() - began
        while database is not None and _waiting(database):  # noqa: ASYNC110 - as above
            await trio.sleep(LOOK_SECONDS)
    total = each * len(last)
    return Rate(total / (cpu_seconds(pid) - used), total / seconds)


async def _write_all(person: Person, each: int) -> dict[int, int]:
    """Let everybody write; give each one's last message."""
    last: dict[int, int] = {}
    limit = trio.CapacityLimiter(WRITERS)

    async def write(user_id: int) -> None:
        async with limit:
            for number in range(each):
                last[user_id] = await person.say(user_id, "/help" if number % 2 else f"hello, number {number}")

    async with trio.open_nursery() as nursery:
        for user_id in USERS:
            nursery.start_soon(write, user_id)
    return last


def _waiting(database: Path) -> int:
    """Count the updates not marked handled: an answer goes out before its mark is stored."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM inbox WHERE state = 'waiting'").fetchone()[0])

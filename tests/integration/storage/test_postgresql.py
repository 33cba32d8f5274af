"""PostgreSQL takes the SQL of the migrations and of every query, though this version runs it on SQLite alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doradura.storage.migrations import migrations
from tests.programs import found
from tests.statements import statements

SERVERS = Path("/usr/lib/postgresql")
"""Where Debian puts the server's programs, a folder a version."""
USER = "nobody" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL of the test's own, on a socket in its directory."""

    programs: Path
    directory: Path

    def run(self, program: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs to its end."""
        return subprocess.run(
            [self.programs / program, *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            user=USER,
            cwd=self.directory,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.directory)},
        )

    def refused(self, script: list[str]) -> dict[int, str]:
        """Run statements, one a line; return which were refused, by their place, and why."""
        options = ("-X", "-q", "-v", "VERBOSITY=terse", "-h", str(self.directory), "-U", "doradura", "postgres")
        ended = self.run("psql", *options, "-f", "-", text="\n".join(script) + "\n")
        assert ended.returncode == 0, ended.stderr
        said = re.findall(r"^psql:<stdin>:(\d+): (\w+:.*)$", ended.stderr, re.MULTILINE)
        return {int(line) - 1: why for line, why in said if not why.startswith("NOTICE")}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One with all tables, as the migrations make them."""
    initdb = found("initdb", *sorted(map(str, SERVERS.glob("*/bin/initdb")), reverse=True))
    directory = Path(tempfile.mkdtemp(prefix="doradura-postgresql-"))  # a socket's path may have 107 characters
    try:
        if USER is not None:
            shutil.chown(directory, USER)
        server = Server(programs=Path(initdb).resolve().parent, directory=directory)
        made = server.run("initdb", "-D", "data", "-U", "doradura", "-A", "trust", "-E", "UTF8", "--no-sync")
        assert made.returncode == 0, made.stderr
        options = f"-k {directory} -c listen_addresses= -c fsync=off"
        started = server.run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
        assert started.returncode == 0, (directory / "log").read_text(encoding="utf-8")
        try:
            yield server
        finally:
            server.run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def tables(server: Server) -> Server:
    """The server with the migrations applied; none of their statements is refused."""
    script = [" ".join(re.sub(r"--.*", "", sql).split()) for _, sql in migrations()]
    assert server.refused(script) == {}
    return server


def prepared(statement: str, number: int) -> str:
    """The statement for PostgreSQL, which numbers its marks, on one line."""
    marks = iter(range(1, statement.count("?") + 1))
    numbered = re.sub(r"\?", lambda _: f"${next(marks)}", " ".join(statement.split()))
    return f"PREPARE s{number} AS {numbered};"


def test_postgresql_takes_every_statement(tables: Server) -> None:
    """Each is parsed with the types of the tables; a parameter whose type can't be told is refused too."""
    known = statements()
    assert len(known) > 150
    refused = tables.refused([prepared(text, number) for number, text in enumerate(known.values())])
    where = list(known.items())
    assert {where[place]: why for place, why in refused.items()} == {}


def test_what_sqlite_alone_takes_is_refused(tables: Server) -> None:
    """The test above can fail: each of these runs on SQLite."""
    script = [
        "SELECT job_id FROM jobs WHERE ? IS NULL OR chat_id = ?",
        "INSERT OR IGNORE INTO bot_users (user_id) VALUES (?)",
        "SELECT state, COUNT(*) FROM jobs",
        "SELECT IFNULL(reason, '') FROM jobs",
        "SELECT job_id FROM jobs WHERE state = 1",
    ]
    assert list(tables.refused([prepared(text, number) for number, text in enumerate(script)])) == [0, 1, 2, 3, 4]

"""Each way in which a start refuses, `check` names: whoever looks before a start is not told that all is well."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import trio

import doradura.sandbox.server as sandbox
from doradura import data_directory, storage
from doradura.cli import check
from doradura.cli.check import run_checks
from doradura.cli.edge import leaves
from doradura.cli.run import RefusedTokenError
from doradura.data_directory import DataDirectoryLockedError, hold_data_directory
from doradura.downloads.paces import PaceError
from doradura.sandbox.media.samples import SamplesError
from doradura.sandbox.state.journal import JournalError
from doradura.startup import StartupError
from doradura.web.server import BindError
from doradura.workers.fork import WorkersError
from doradura.workers.gate import GateError
from doradura.workers.wall import WallMissingError
from doradura.workers.ways import WaysError
from tests.integration.app_tools import Home, make_media
from tests.ports import free_address


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A way of ours to spoil what a start needs, how the start ends, and what `check` names."""

    spoil: Callable[[Path], object]
    error: type[StartupError]
    said: str
    """What both say, with the data directory for {data}."""
    line: str
    mode: Literal["sandbox", "telegram"] = "sandbox"


def _mkdir(name: str) -> Callable[[Path], object]:
    return lambda data: (data / name).mkdir()


def _write(name: str, content: bytes = b"x") -> Callable[[Path], object]:
    return lambda data: (data / name).write_bytes(content)


def _newer(data: Path) -> None:
    _mark(data)
    with closing(sqlite3.connect(data / "doradura.db")) as database:
        database.execute("CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY)")
        database.execute("INSERT INTO schema_version VALUES (9999)")
        database.commit()


def _mark(data: Path) -> None:
    (data / "mode").write_text("sandbox\n")


def _database_directory(data: Path) -> None:
    _mark(data)
    (data / "doradura.db").mkdir()


def _database_link(data: Path) -> None:
    _mark(data)
    (data / "doradura.db").symlink_to(data / "x" / "y")


def _no_database(data: Path) -> None:
    _mark(data)
    (data / "doradura.db").write_bytes(b"no database, but long enough to be read as one" * 100)


def _keep_samples_out(data: Path) -> None:
    (data / "sandbox").mkdir()
    (data / "sandbox" / "media").write_bytes(b"x")


def _spoil_journal(data: Path) -> None:
    (data / "sandbox" / "sandbox.sqlite3").write_bytes(b"no database, but long enough to be read as one" * 100)


def _link_jobs(data: Path) -> None:
    (data / "jobs").symlink_to(data.parent)


DIRECTORY = data_directory.DataDirectoryError
REFUSED = {
    "the lock is a directory": Refused(
        spoil=_mkdir("lock"), error=DIRECTORY, line="directory", said="the directory {data} can't be used: Is a dir"
    ),
    "the data are the sandbox's": Refused(
        spoil=_write("mode", b"sandbox\n"),
        error=DIRECTORY,
        line="directory",
        said="the data directory {data} holds the sandbox's data",
        mode="telegram",
    ),
    "the data are a bot's": Refused(
        spoil=_write("mode", b"telegram\n"),
        error=DIRECTORY,
        line="directory",
        said="the data directory {data} holds your bot's data",
    ),
    "an unmarked directory has a bot's database": Refused(
        spoil=_write("doradura.db", b""), error=DIRECTORY, line="directory", said="{data} holds your bot's data"
    ),
    "the mark can't be read": Refused(
        spoil=_mkdir("mode"), error=DIRECTORY, line="directory", said="{data}/mode can't be read: Is a directory"
    ),
    "the webhook's secret is a directory": Refused(
        spoil=_mkdir("webhook.token"), error=DIRECTORY, line="directory", said="{data}/webhook.token can't be read"
    ),
    "the webhook's secret is no text": Refused(
        spoil=_write("webhook.token", b"\xff"), error=DIRECTORY, line="directory", said="{data}/webhook.token can't"
    ),
    "the jobs' directory is a file": Refused(
        spoil=_write("jobs"), error=DIRECTORY, line="directory", said="{data}/jobs is not a directory"
    ),
    "the jobs' directory is a link": Refused(
        spoil=_link_jobs, error=DIRECTORY, line="directory", said="{data}/jobs can't be used: it is a symbolic link"
    ),
    "the database is newer": Refused(
        spoil=_newer,
        error=storage.NewerDatabaseError,
        line="database",
        said="has schema 9999, this program knows ",
    ),
    "the database is a directory": Refused(
        spoil=_database_directory,
        error=storage.StorageError,
        line="database",
        said="{data}/doradura.db",
    ),
    "the database is a link to nothing": Refused(
        spoil=_database_link,
        error=storage.StorageError,
        line="database",
        said="{data}/doradura.db",
    ),
    "the database is none": Refused(
        spoil=_no_database,
        error=storage.StorageError,
        line="database",
        said="file is not a database",
    ),
    "the samples have no place": Refused(
        spoil=_keep_samples_out, error=SamplesError, line="sandbox", said="cannot be put into {data}/sandbox/media"
    ),
    "the sandbox has no place": Refused(
        spoil=_write("sandbox"), error=SamplesError, line="sandbox", said="cannot be put into {data}/sandbox/media"
    ),
    "the sandbox's state is none": Refused(
        spoil=_spoil_journal,
        error=JournalError,
        line="sandbox",
        said="state in {data}/sandbox/sandbox.sqlite3 cannot be opened: file is not a database",
    ),
}
ELSEWHERE: dict[type[StartupError], str] = {
    DataDirectoryLockedError: "a bot that runs is no fault: below",
    BindError: "an address that is taken: below",
    sandbox.ListenError: "an address that is taken: below",
    sandbox.SandboxBindError: "the settings refuse the address before, in both commands: tests/unit/test_settings.py",
    RefusedTokenError: "Telegram is asked: tests/unit/test_check_telegram.py",
    WorkersError: "only a start can tell",
    GateError: "what keeps it from starting lies outside the data directory: below",
    WaysError: "a setting: below",
    PaceError: "a setting: below",
    WallMissingError: "the kernel decides: tests/integration/wall/test_missing.py",
}


def test_every_refusal_of_a_start_is_tried() -> None:
    """A new subclass of StartupError has a row above, or a reason why it has none."""

    def below(error: type[StartupError]) -> Iterator[type[StartupError]]:
        for each in error.__subclasses__():
            yield each
            yield from below(each)

    ours = {each for each in below(StartupError) if each.__module__.startswith("doradura.")}
    assert ours == {row.error for row in REFUSED.values()} | set(ELSEWHERE)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's samples, made once."""
    return make_media(tmp_path_factory.mktemp("media"))


def _home(directory: Path, refused: Refused, media: Path) -> Home:
    """A data directory that is spoiled; the samples are there where the sandbox gets so far."""
    directory.mkdir()
    needs_samples = refused.line == "database" or refused.error is JournalError or "jobs" in refused.said
    home = Home(directory)
    if refused.mode == "telegram":
        home = Home(directory, telegram_url="http://127.0.0.1:1")
    elif needs_samples:
        home = Home.make(directory, media)
    refused.spoil(directory)
    return home


async def _start(home: Home) -> StartupError:
    """Start a bot that can't; return what it ends with."""
    try:
        with trio.fail_after(30):
            await home.app().run()
    except (Exception, ExceptionGroup) as error:
        found = [leaf for leaf in leaves(error) if isinstance(leaf, StartupError)]
        if found:
            return found[0]
        raise
    raise AssertionError("it started, and stopped")


async def _fault(home: Home, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one fault that `check` finds under a name."""
    capsys.readouterr()
    assert not await run_checks(home.settings())
    said = capsys.readouterr().out.splitlines()
    lines = [line for line in said if line.startswith("FAULT")]
    one = "1 fault: fix what the FAULT line describes."
    assert said[-1] == one if len(lines) == 1 else said[-1].startswith(f"{len(lines)} faults: ")
    (found,) = [line for line in lines if line.split()[1] == name]
    return found


@pytest.mark.parametrize("name", REFUSED)
async def test_check_names_what_a_start_refuses(
    name: str, tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after the start, in the start's own words, and without leaving anything of its own behind."""
    monkeypatch.setattr(check, "TELEGRAM_SECONDS", 0.1)  # none is there where the mode is Telegram's
    refused = REFUSED[name]
    home = _home(tmp_path / "data", refused, media)
    before = sorted(path.name for path in home.directory.iterdir())
    said = refused.said.format(data=home.directory)
    assert said in await _fault(home, refused.line, capsys)
    assert sorted(path.name for path in home.directory.iterdir()) == before
    error = await _start(home)
    assert type(error) is refused.error
    assert said in str(error)
    assert said in await _fault(home, refused.line, capsys)


@pytest.mark.parametrize("setting", ["DORADURA_HTTP_BIND", "DORADURA_SANDBOX_BIND"])
async def test_check_names_an_address_that_is_taken(
    setting: str, tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a program that is not the bot."""
    address = free_address()
    host, _, port = address.rpartition(":")
    with socket.socket() as taken:
        taken.bind((host, int(port)))
        home = Home.make(tmp_path / "data", media, extra={setting: address})
        error = await _start(home)
        assert type(error) in {BindError, sandbox.ListenError}
        assert address in str(error)
        assert setting in await _fault(home, "port", capsys)


@pytest.mark.parametrize(
    ("setting", "value", "area", "refusal"),
    [
        ("DORADURA_DOWNLOAD_PROXY", "nowhere=socks5://127.0.0.1:1", "gate", WaysError),
        ("DORADURA_SITE_PACE", "nowhere=12/10", "settings", PaceError),
    ],
)
async def test_check_names_a_site_that_is_unknown(
    *,
    setting: str,
    value: str,
    area: str,
    refusal: type[StartupError],
    tmp_path: Path,
    media: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Which sites there are only the bot knows, not the settings."""
    home = Home.make(tmp_path / "data", media, extra={setting: value})
    said = f"{setting} names nowhere, which is not a site"
    assert said in await _fault(home, area, capsys)
    error = await _start(home)
    assert type(error) is refusal
    assert said in str(error)


async def test_check_names_a_gate_that_does_not_start(
    tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last output is what a start ends with too."""
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    home = Home.make(tmp_path / "data", media)
    assert "the gate does not start: " in await _fault(home, "gate", capsys)
    error = await _start(home)
    assert type(error) is GateError
    assert "the gate does not start: " in str(error)


async def test_a_bot_that_runs_is_no_fault(tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second start is refused; `check` says who has the directory, and finds nothing wrong."""
    home = Home.make(tmp_path / "data", media)
    with hold_data_directory(home.directory):
        assert isinstance(await _start(home), DataDirectoryLockedError)
        assert await run_checks(home.settings())
    assert f"{home.directory} is in use by process {os.getpid()}: a bot is running there" in capsys.readouterr().out
    assert await run_checks(home.settings())
    assert "in use" not in capsys.readouterr().out

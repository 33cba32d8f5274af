"""`check` (`just doctor`): tries everything that the bot needs and prints a line for each.

It changes nothing, except that it creates a missing data directory.
"""

from __future__ import annotations

import argparse
import errno
import importlib.metadata
import importlib.util
import os
import shutil
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import trio

from doradura import logs
from doradura.cli.edge import settings_or_complaint
from doradura.cli.ffmpeg import find_ffmpeg, no_ffmpeg
from doradura.cli.health import ask_health
from doradura.cli.standing_wall import standing_wall
from doradura.data_directory import WEBHOOK_FILE, DataDirectoryError, holder, is_marked_for, read_secret, unusable
from doradura.downloads.paces import PaceError, checked
from doradura.downloads.workspace import root_in, try_root
from doradura.media.addresses import endpoint_of
from doradura.settings import Address, Settings
from doradura.settings.options import TELEGRAM_API_URL
from doradura.startup import EXIT_FAILED, EXIT_OK, EXIT_SETTINGS
from doradura.storage import DAMAGE, DAMAGE_ADVICE, StorageError
from doradura.storage.migrations import migrations
from doradura.storage.sqlite import examine
from doradura.telegram.client import open_bot_api
from doradura.telegram.errors import (
    DeadlineExceededError,
    NotSentError,
    RateLimitedError,
    ServerError,
    TelegramError,
    TokenRefusedError,
    UnconfirmedError,
)
from doradura.telegram.observer import SilentObserver
from doradura.workers.fork import environment_for_jobs
from doradura.workers.gate import Gate, GateError
from doradura.workers.wall import NEEDS
from doradura.workers.ways import WaysError, parse_ways

TELEGRAM_SECONDS = 8.0
LOW_SPACE_BYTES = 1024**3
EXTRAS = {
    "postgres": ("psycopg", "for a later version; this one stores its data in SQLite"),
    "charts": ("matplotlib", "graphs as pictures"),
    "youtube": ("deno", "the JavaScript runtime that YouTube needs"),
}

_BROWSER = "requests that look like a browser's, which Instagram and others want"

Mark = Literal["ok", "note", "FAULT"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. A note is worth reading; a fault keeps the bot from working."""

    mark: Mark
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark:5}  {self.name:10}  {self.text}"


def run(asked: argparse.Namespace) -> int:
    """Check everything; return EXIT_OK if nothing keeps the bot from working."""
    settings = settings_or_complaint(sandbox=asked.sandbox, token_required=False)
    if settings is None:
        return EXIT_SETTINGS
    # What its calls would log, its own lines say in the end.
    level = settings.log_level if settings.log_level == "debug" else "error"
    with logs.configure(settings.log_format, level, settings.secrets()):
        return EXIT_OK if trio.run(run_checks, settings) else EXIT_FAILED


async def run_checks(settings: Settings) -> bool:
    """Check everything, printing a line each; return True if there is no fault."""
    faults = 0
    checks: list[Callable[[], Awaitable[list[Finding]]]] = [
        lambda: _in_thread(_check_settings, settings),
        lambda: _in_thread(_check_directory, settings),
        lambda: _in_thread(_check_database, settings),
        lambda: _in_thread(_check_ports, settings),
        lambda: _in_thread(_check_ffmpeg),
        lambda: _in_thread(_check_yt_dlp),
        lambda: _check_wall(settings),
        lambda: _in_thread(_check_extras),
        lambda: _check_gate(settings),
        lambda: _check_telegram(settings),
    ]
    for check in checks:
        for line in await check():
            print(line)  # noqa: T201 - the command's answer
            faults += line.mark == "FAULT"
    if not faults:
        end = "The bot has everything it needs."
    elif faults == 1:
        end = "1 fault: fix what the FAULT line describes."
    else:
        end = f"{faults} faults: fix what the FAULT lines describe."
    print(f"\n{end}")  # noqa: T201
    return not faults


async def _in_thread(check: Callable[..., list[Finding]], *arguments: object) -> list[Finding]:
    return await trio.to_thread.run_sync(lambda: check(*arguments))


def _check_settings(settings: Settings) -> list[Finding]:
    lines = [Finding("ok", "settings", f"mode {settings.mode}, data in {settings.data_dir}")]
    lines += [Finding("note", "settings", f"{name} is unknown and ignored") for name in settings.unknown]
    try:
        checked(settings.site_pace)
    except PaceError as error:
        lines.append(Finding("FAULT", "settings", str(error)))
    if settings.pot_provider and not endpoint_of(settings.pot_provider):
        lines.append(
            Finding(
                "note",
                "settings",
                "DORADURA_POT_PROVIDER names a host, which is reached at a public address only; write a private address"
                " as a number, such as http://127.0.0.1:4416",
            )
        )
    if not settings.told_chats:
        lines.append(
            Finding("note", "settings", "DORADURA_ADMIN_IDS is not set: nobody will be told when something is wrong")
        )
    elif not settings.admin_ids:
        lines.append(Finding("note", "settings", "DORADURA_ADMIN_IDS is not set: nobody may press the alerts' buttons"))
    return lines


def _check_directory(settings: Settings) -> list[Finding]:
    """Ask each part that keeps something there whether it could; the first that could not is what `run` says too."""
    path = settings.data_dir
    tried = path
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / f".check-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
        held_by = holder(path)
        is_marked_for(path, settings.mode)
        if settings.webhook_token is None:
            read_secret(path / WEBHOOK_FILE)
        tried = root_in(path)
        try_root(tried)
    except DataDirectoryError as error:
        return [Finding("FAULT", "directory", str(error))]
    except OSError as error:
        return [Finding("FAULT", "directory", unusable(tried, error))]
    free = shutil.disk_usage(path).free
    text = f"{path} is writable, {free / 1024**3:.1f} GiB free"
    lines = [Finding("ok" if free > LOW_SPACE_BYTES else "note", "directory", text)]
    if held_by is not None:
        lines.append(Finding("ok", "directory", f"{path} is in use by {held_by}: a bot is running there"))
    if settings.mode == "sandbox":
        lines += _check_sandbox(path / "sandbox", is_running=held_by is not None)
    return lines


def _check_sandbox(directory: Path, *, is_running: bool) -> list[Finding]:
    from doradura.sandbox.media.samples import samples_fault  # noqa: PLC0415 - production never imports it
    from doradura.sandbox.state.journal import journal_fault  # noqa: PLC0415

    fault = samples_fault(directory / "media")
    if fault is None and not is_running:  # one that runs has its state open, and nobody else may
        fault = journal_fault(directory / "sandbox.sqlite3")
    return [] if fault is None else [Finding("FAULT", "sandbox", fault)]


def _check_database(settings: Settings) -> list[Finding]:
    path = settings.database_path
    if not os.path.lexists(path):
        return [Finding("ok", "database", f"{path} will be created at the first start")]
    if not path.is_file():
        return [Finding("FAULT", "database", f"{path} is not a file. Move it out of the way.")]
    if not os.access(path, os.R_OK | os.W_OK):
        text = f"{path} can't be read and written by this user; change its owner or its mode"
        return [Finding("FAULT", "database", text)]
    return [_examined(path)]


def _examined(path: Path) -> Finding:
    try:
        schema, found = examine(path)
    except StorageError as error:
        if error.reason not in DAMAGE:
            return Finding("FAULT", "database", f"{path} can't be read: {error}")
        schema, found = 0, str(error)
    if found is not None:
        return Finding("FAULT", "database", f"{path} is damaged ({found}). {DAMAGE_ADVICE}")
    newest = migrations()[-1][0]
    if schema > newest:
        text = f"{path} has schema {schema}, this program knows {newest}: a newer version wrote it"
        return Finding("FAULT", "database", text)
    return Finding("ok", "database", f"{path} is intact, schema {schema}")


def _check_ports(settings: Settings) -> list[Finding]:
    """Check whether `run` could listen on its addresses, or is listening there already."""
    runs = ask_health(settings.http_bind).is_doradura
    asked = [("DORADURA_HTTP_BIND", settings.http_bind)]
    if settings.mode == "sandbox":
        asked.append(("DORADURA_SANDBOX_BIND", settings.sandbox_bind))
    return [_check_port(setting, address, runs=runs) for setting, address in asked]


def _check_port(setting: str, address: Address, *, runs: bool) -> Finding:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        if taken and runs:
            return Finding("ok", "port", f"{address} is in use by the running bot")
        why = os.strerror(error.errno) if error.errno else str(error)
        fault = "another program listens there; stop it, or" if taken else f"{why};"
        return Finding("FAULT", "port", f"{address}: {fault} set {setting} to another address")
    return Finding("ok", "port", f"{address} is free")


def _check_ffmpeg() -> list[Finding]:
    try:
        program, version = find_ffmpeg()
    except RuntimeError as error:
        return [Finding("FAULT", "ffmpeg", no_ffmpeg(error))]
    return [Finding("ok", "ffmpeg", f"ffmpeg version {version} ({program})")]


def _check_yt_dlp() -> list[Finding]:
    version = importlib.metadata.version("yt-dlp")
    return [Finding("ok", "yt-dlp", f"{version}; `just update-ytdlp` installs a newer one")]


async def _check_wall(settings: Settings) -> list[Finding]:
    try:
        program, _ = find_ffmpeg()
        standing = await standing_wall(program, settings.data_dir)
    except (RuntimeError, OSError) as error:  # the lines above say more of both
        return [Finding("note", "wall", f"which wall stands around workers is not known: {error}")]
    if standing.kind != "hook":
        why = f". A better one does not stand: {standing.why}" if standing.why else ""
        text = f"the kernel's wall stands around workers ({standing.kind}): one that tried to get out could not{why}"
        wall = Finding("ok", "wall", text)
    else:
        text = f"no wall stands around workers, the audit hook alone guards them ({standing.why}). A wall needs {NEEDS}"
        wall = Finding("note", "wall", text)
        if settings.require_wall:
            wall = Finding("FAULT", "wall", f"{text}. DORADURA_REQUIRE_WALL is true, so the bot does not start")
    return [wall, _impersonation(walled=standing.kind != "hook")]


def _impersonation(*, walled: bool) -> Finding:
    if importlib.util.find_spec("curl_cffi") is None:
        return Finding("note", "extra", f"impersonate is not installed ({_BROWSER})")
    version = importlib.metadata.version("curl_cffi")
    if not walled:
        text = f"impersonate {version} is installed and not used, as no wall stands around workers ({_BROWSER})"
        return Finding("note", "extra", text)
    return Finding("ok", "extra", f"impersonate {version} ({_BROWSER})")


def _check_extras() -> list[Finding]:
    lines = []
    for name, (module, what) in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            lines.append(Finding("note", "extra", f"{name} is not installed ({what})"))
        else:
            lines.append(Finding("ok", "extra", f"{name} {importlib.metadata.version(module)} ({what})"))
    return lines


async def _check_gate(settings: Settings) -> list[Finding]:
    """Start a gate of our own, beside the one of a bot that may be running."""
    try:
        ways = parse_ways(settings.download_proxy)
    except WaysError as error:
        return [Finding("FAULT", "gate", str(error))]
    faults = []
    gate = Gate(environment=environment_for_jobs(os.environ), way=ways.get)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(gate.run)
            nursery.cancel_scope.cancel()
    except* GateError as group:
        faults = [str(error) for error in group.exceptions]
    if faults:
        return [Finding("FAULT", "gate", "; ".join(faults))]
    through = sorted(site for site, way in ways.items() if way is not None)
    by_proxy = "every site" if len(through) == len(ways) else ", ".join(through)
    return [Finding("ok", "gate", f"it starts; {by_proxy or 'no site'} is reached through a proxy")]


async def _check_telegram(settings: Settings) -> list[Finding]:
    if settings.mode == "sandbox":
        return [Finding("ok", "telegram", "the sandbox serves as Telegram")]
    if not settings.telegram_token:
        text = "DORADURA_TELEGRAM_TOKEN is not set: `run` will refuse to start, `run --sandbox` needs none"
        return [Finding("note", "telegram", text)]
    try:
        async with open_bot_api(
            settings.telegram_token, api_url=settings.telegram_api_url, observer=SilentObserver()
        ) as api:
            me = await api.get_me(deadline_seconds=TELEGRAM_SECONDS)
    except TelegramError as error:
        return [Finding("FAULT", "telegram", telegram_fault(error, settings.telegram_api_url))]
    return [Finding("ok", "telegram", f"the token belongs to @{me.username}")]


def telegram_fault(error: TelegramError, api_url: str) -> str:
    """Return why the Bot API's server at `api_url` did not confirm the token, and how to fix that."""
    last = error.__cause__ if isinstance(error, DeadlineExceededError) else error
    host = urlsplit(api_url).netloc
    own = None if api_url == TELEGRAM_API_URL else "is a Bot API server running at DORADURA_TELEGRAM_API_URL?"
    match last:
        case TokenRefusedError():
            return (
                f"Telegram refuses DORADURA_TELEGRAM_TOKEN ({last.detail}); copy it again from @BotFather "
                "(/mybots, API Token)"
            )
        case NotSentError(unreachable=str() as why):
            return f"can't reach {host} ({why}); {own or _WAYS_OUT.get(why, _ONLINE)}"
        case RateLimitedError():
            return f"{host} asks to wait; try again in {last.retry_after_seconds:.0f} s"
        case ServerError() if own is None:
            return f"{host} is having problems ({last.detail}); try again in a few minutes"
        case UnconfirmedError():
            return f"what answers at {host} is not Telegram ({last.detail}); {own or _ONLINE}"
    return f"{error}; {own or _ONLINE}"


_ONLINE = "is this machine online, and does its firewall allow it?"
_WAYS_OUT = {
    "name not found": "is this machine online, and does it have a name server (/etc/resolv.conf)?",
    "its certificate is not trusted": "is this machine's clock right, and is there a proxy in between?",
}

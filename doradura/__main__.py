"""The command line: run, check, health, sandbox.

This is the process's edge: the environment, signals and exit codes live here and nowhere else. Exit codes: 0 done, 1 an
unexpected error or a check that failed, 2 settings (or an address that can't be used), 3 the data directory is in use,
4 Telegram refuses the token.
"""

from __future__ import annotations

import argparse
import errno
import importlib.metadata
import logging
import os
import platform
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

try:
    import imageio_ffmpeg
    import trio

    from doradura import __version__, logs
    from doradura.memory import close_memory
    from doradura.settings import Settings, SettingsError, read_settings
except ModuleNotFoundError as error:
    sys.exit(
        f"doradura: {sys.executable} has no package {error.name}. `just run` makes .venv with all that is needed "
        "(pip install rust-just); then `just doctor`, `just health` and `just sandbox` work as well."
    )

EXIT_OK, EXIT_FAILED, EXIT_SETTINGS, EXIT_LOCKED, EXIT_TOKEN = 0, 1, 2, 3, 4
ANY_TOKEN = "1000000002:OWN" + "A" * 32
"""For a bot of the reader's own in a sandbox: every well-formed token is a bot there."""
SECOND_SIGNAL_SECONDS = 1.0
"""A signal to a process group arrives twice (a shell's and `just`'s): what comes sooner is the same wish."""

if TYPE_CHECKING:
    from doradura.app import App

log = logging.getLogger("doradura")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    asked = _parser().parse_args(arguments)
    return int(asked.command(asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="doradura", description="A self-hosted media bot for Telegram.")
    parser.add_argument("--version", action="version", version=f"doradura {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start the bot, in the foreground")
    run.add_argument(
        "--sandbox", action="store_true", help="against a local Telegram with a web chat: no token, no net"
    )
    run.set_defaults(command=_run)
    check = commands.add_parser("check", help="verify settings, database, tools and token, line by line")
    check.add_argument("--sandbox", action="store_true", help="check what `run --sandbox` needs")
    check.set_defaults(command=_check)
    health = commands.add_parser("health", help="ask the running bot; exit 0 when it works, for containers")
    which = health.add_mutually_exclusive_group()
    which.add_argument("--live", dest="probe", action="store_const", const="/livez", help="ask only whether it runs")
    which.add_argument("--ready", dest="probe", action="store_const", const="/readyz", help="ask whether it takes work")
    health.set_defaults(command=_health)
    sandbox = commands.add_parser("sandbox", help="start the local Telegram alone, for any bot")
    sandbox.add_argument("--keep", metavar="DIR", help="keep its chats in this directory (else in memory)")
    sandbox.add_argument("--flood-limits", action="store_true", help="answer 429 to bots that send too much at once")
    sandbox.set_defaults(command=_sandbox)
    return parser


def _run(asked: argparse.Namespace) -> int:
    close_memory()  # before anything else: the token is in the environment from the first moment
    settings = _settings(sandbox=asked.sandbox)
    if settings is None:
        return EXIT_SETTINGS
    if settings.database_path is None:
        return _complain(
            "DORADURA_DATABASE_URL: this version keeps its data in SQLite; PostgreSQL is not supported yet. "
            "Unset it to use SQLite in DORADURA_DATA_DIR.",
        )
    from doradura.app import App  # noqa: PLC0415 - `health` in a container starts without the weight of the bot
    from doradura.metrics import BuildFacts  # noqa: PLC0415

    try:
        ffmpeg, ffmpeg_version = _find_ffmpeg()
    except RuntimeError as error:
        _complain(_no_ffmpeg(error))
        return EXIT_FAILED
    build = BuildFacts(
        version=__version__,
        python=platform.python_version(),
        yt_dlp=importlib.metadata.version("yt-dlp"),
        ffmpeg=ffmpeg_version,
        mode=settings.mode,
    )
    os.umask(0o077)  # what the database and the sandbox keep is people's
    app = App(settings, environment=os.environ, build=build, ffmpeg=ffmpeg)
    with logs.configure(settings.log_format, settings.log_level, settings.secrets()):
        for name in settings.unknown:
            log.warning("setting not known, ignored", extra={"setting": name})
        return _exit_code(lambda: trio.run(_run_until_signal, app, strict_exception_groups=True))


def _find_ffmpeg() -> tuple[str, str]:
    """Return ffmpeg's path and version. Raises RuntimeError (ToolError) where there is none that works."""
    from doradura.downloads.ffmpeg import version  # noqa: PLC0415 - `health` in a container has no use for it

    program = imageio_ffmpeg.get_ffmpeg_exe()
    return program, version(program)


def _no_ffmpeg(error: RuntimeError) -> str:
    chosen = "IMAGEIO_FFMPEG_EXE names it: unset that, or name one that works." if os.environ.get(_FFMPEG) else ""
    return f"{str(error).strip()}. {chosen or 'Install the package imageio-ffmpeg again, which carries one.'}"


_FFMPEG = "IMAGEIO_FFMPEG_EXE"


async def _run_until_signal(app: App) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as watching:
            watching.start_soon(_stop_on_signals, signals, app)
            # Not nursery.start: a stop before the start is complete is no error.
            await app.run(task_status=_Greeting(app))
            watching.cancel_scope.cancel()


class _Greeting:
    """What the app tells that it has started: says so to whoever sits at the terminal."""

    def __init__(self, app: App) -> None:
        self._app = app

    def started(self, value: None = None) -> None:  # noqa: ARG002 - as trio's TaskStatus has it
        """Greet."""
        _greet(self._app)


async def _stop_on_signals(signals: AsyncIterator[int], app: App) -> None:
    first: float | None = None
    async for number in signals:
        if first is None:
            first = trio.current_time()
            log.info("asked to stop", extra={"signal": signal.Signals(number).name})
            _say_what_is_finished(app)
            app.stop()
        elif trio.current_time() - first >= SECOND_SIGNAL_SECONDS:
            log.warning("asked again: stopping at once")
            app.abort()


def _say_what_is_finished(app: App) -> None:
    """Say why the program does not leave at once, to whoever pressed Ctrl-C."""
    if app.in_hand:
        what, they = ("1 download", "it goes") if app.in_hand == 1 else (f"{app.in_hand} downloads", "they go")
        seconds = f"{app.settings.drain_seconds:g}"
        print(  # noqa: T201
            f"\n  Finishing {what}, at most {seconds} s. Ctrl-C again stops at once; {they} on at the next start.\n",
            flush=True,
        )


def _greet(app: App) -> None:
    """Say where to look. On standard output, for people; the log says the same for machines."""
    if app.sandbox_url is not None:
        print(f"\n  Doradura's sandbox is ready. Open {app.sandbox_url}/ in a browser and send it a link.", flush=True)  # noqa: T201
    elif app.me is not None:
        print(f"\n  @{app.me.username} is ready.", flush=True)  # noqa: T201
    url = (app.http_url or "").replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    print(f"  Numbers: {url}/metrics   Health: {url}/health   Stop with Ctrl-C.", flush=True)  # noqa: T201
    if not app.settings.told_chats:
        print("  No admin is set, so nobody is told of alerts. /start tells you your id.", flush=True)  # noqa: T201
    if app.sandbox_url is not None:
        apart = f"{_in_sandbox(app.sandbox_url)} DORADURA_HTTP_BIND=127.0.0.1:0 just run"
        print(f"  A second bot in this sandbox, to copy (`just sandbox` starts one alone):\n    {apart}", flush=True)  # noqa: T201
    print(flush=True)  # noqa: T201


def _check(asked: argparse.Namespace) -> int:
    settings = _settings(sandbox=asked.sandbox, token_required=False)
    if settings is None:
        return EXIT_SETTINGS
    from doradura.check import run_checks  # noqa: PLC0415 - only this command needs it

    # What its calls log on the way, its lines say in the end.
    level = settings.log_level if settings.log_level == "debug" else "error"
    with logs.configure(settings.log_format, level, settings.secrets()):
        return EXIT_OK if trio.run(run_checks, settings, _find_ffmpeg, print) else EXIT_FAILED


def _health(asked: argparse.Namespace) -> int:
    settings = _settings(token_required=False)
    if settings is None:
        return EXIT_SETTINGS
    from doradura.check import ask_health, ask_probe  # noqa: PLC0415 - only this command needs it

    bind = settings.http_bind
    answer = ask_probe(bind, asked.probe) if asked.probe else ask_health(bind)
    print(answer.text)  # noqa: T201 - the command's answer
    return EXIT_OK if answer.healthy else EXIT_FAILED


def _sandbox(asked: argparse.Namespace) -> int:
    settings = _settings(sandbox=True)
    if settings is None:
        return EXIT_SETTINGS
    from doradura.sandbox import Sandbox  # noqa: PLC0415 - production never imports it

    try:
        ffmpeg, _ = _find_ffmpeg()
    except RuntimeError as error:
        _complain(_no_ffmpeg(error))
        return EXIT_FAILED
    os.umask(0o077)
    sandbox = Sandbox(
        bind=str(settings.sandbox_bind),
        media_directory=settings.data_dir / "sandbox" / "media",
        keep_directory=Path(asked.keep) if asked.keep else None,
        ffmpeg=ffmpeg,
        flood_limits=asked.flood_limits,
    )

    async def run() -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                url = await nursery.start(sandbox.run)
                print(f"\n  The sandbox is ready: {url}/\n  For a bot: {_in_sandbox(url)} just run\n", flush=True)  # noqa: T201
                async for _ in signals:
                    nursery.cancel_scope.cancel()

    with logs.configure(settings.log_format, settings.log_level, settings.secrets()):
        return _exit_code(lambda: trio.run(run, strict_exception_groups=True))


def _in_sandbox(url: str) -> str:
    """Return the settings of a bot apart from the sandbox at `url`, to be copied: its token, server and media."""
    own = f"DORADURA_TELEGRAM_TOKEN={ANY_TOKEN} DORADURA_ADMIN_IDS=1000 DORADURA_DATA_DIR=./data-own"
    return f"DORADURA_TELEGRAM_API_URL={url} DORADURA_ALLOWED_PRIVATE={url.partition('//')[2]} {own}"


def _settings(*, sandbox: bool = False, token_required: bool = True) -> Settings | None:
    try:
        return read_settings(os.environ, sandbox=sandbox, token_required=token_required)
    except SettingsError as error:
        _complain(str(error))
        return None


def _complain(text: str) -> int:
    print(f"doradura: {text}", file=sys.stderr)  # noqa: T201 - before there is a log
    return EXIT_SETTINGS


def _exit_code(run: Callable[[], None]) -> int:
    """Run the program to its end, and turn the errors a person can mend into a sentence and a code.

    The outermost barrier: any other error is logged with its traceback and is a code too.
    """
    try:
        run()
    except BaseException as error:
        for found in _leaves(error):
            code = _KNOWN.get(type(found).__name__)
            if isinstance(found, OSError) and found.errno in _ADDRESS_FAULTS:
                log.critical("%s. Stop what listens there, or set DORADURA_SANDBOX_BIND.", found.strerror or found)
                return EXIT_SETTINGS
            if code == EXIT_TOKEN:
                log.critical(
                    "Telegram refuses DORADURA_TELEGRAM_TOKEN (%s). Copy it once more from @BotFather (/mybots, API "
                    "Token); a revoked one never works again.",
                    str(found).partition(": ")[2],  # without the call's name
                )
                return code
            if code is not None:
                log.critical("%s%s", found, _what_to_do(found))
                return code
        if isinstance(error, KeyboardInterrupt):
            return 130
        log.critical("stopped by an unexpected error", exc_info=error)
        return EXIT_FAILED
    return EXIT_OK


_KNOWN = MappingProxyType(
    {
        "BindError": EXIT_SETTINGS,
        "DataDirectoryError": EXIT_SETTINGS,
        "NewerDatabaseError": EXIT_SETTINGS,
        "JournalError": EXIT_FAILED,
        "SamplesError": EXIT_FAILED,
        "WorkersError": EXIT_FAILED,
        "StorageError": EXIT_FAILED,
        "DataDirectoryLockedError": EXIT_LOCKED,
        "TokenRefusedError": EXIT_TOKEN,
    },
)
"""By name, so that a command does not import what it has no use for."""

_ADDRESS_FAULTS = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES})


def _what_to_do(error: BaseException) -> str:
    """Return what to add to an error's own words."""
    if type(error).__name__ != "StorageError":
        return ""
    from doradura.storage import DAMAGE, DAMAGE_ADVICE  # noqa: PLC0415 - where its error comes from, it is there

    return f". {DAMAGE_ADVICE}." if getattr(error, "reason", None) in DAMAGE else ""


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


if __name__ == "__main__":
    sys.exit(main())

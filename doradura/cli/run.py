"""`run`: the bot, in the foreground, until SIGINT or SIGTERM; a second signal stops it at once."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import platform
import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from doradura import __version__, logs
from doradura.cli.edge import exit_code, leaves, settings_or_complaint
from doradura.cli.ffmpeg import ffmpeg_or_complaint
from doradura.cli.sandbox import settings_in
from doradura.memory import close_memory
from doradura.settings import Address
from doradura.startup import EXIT_FAILED, EXIT_SETTINGS, EXIT_TOKEN, StartupError

if TYPE_CHECKING:
    from doradura.app import App
    from doradura.telegram.errors import TokenRefusedError

SECOND_SIGNAL_SECONDS = 1.0
"""A signal to a process group arrives twice (from a shell and from `just`): a second one within this time is
ignored."""

log = logging.getLogger("doradura")


class RefusedTokenError(StartupError):
    """Telegram refuses the bot's token, at the start or later."""

    exit_code = EXIT_TOKEN

    def __init__(self, answer: TokenRefusedError) -> None:
        super().__init__(
            f"Telegram refuses DORADURA_TELEGRAM_TOKEN ({answer.detail}). Copy it once more from @BotFather "
            "(/mybots, API Token); a revoked one never works again."
        )


def run(asked: argparse.Namespace) -> int:
    """Run the bot; return the exit code."""
    close_memory()  # before anything else: the environment contains the token from the first moment
    settings = settings_or_complaint(sandbox=asked.sandbox)
    if settings is None:
        return EXIT_SETTINGS
    from doradura.app import App  # noqa: PLC0415 - what is wrong with the settings is said before the weight of the bot
    from doradura.metrics import BuildFacts  # noqa: PLC0415

    found = ffmpeg_or_complaint()
    if found is None:
        return EXIT_FAILED
    ffmpeg, ffmpeg_version = found
    build = BuildFacts(
        version=__version__,
        python=platform.python_version(),
        yt_dlp=importlib.metadata.version("yt-dlp"),
        ffmpeg=ffmpeg_version,
        mode=settings.mode,
    )
    os.umask(0o077)  # the database and the sandbox contain people's data
    app = App(settings, environment=os.environ, build=build, ffmpeg=ffmpeg)
    with logs.configure(settings.log_format, settings.log_level, settings.secrets()):
        for name in settings.unknown:
            log.warning("setting not known, ignored", extra={"setting": name})
        return exit_code(lambda: trio.run(_run_until_signal, app, strict_exception_groups=True))


async def _run_until_signal(app: App) -> None:
    from doradura.telegram.errors import TokenRefusedError  # noqa: PLC0415 - as in `run`

    try:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as watching:
                watching.start_soon(_stop_on_signals, signals, app)
                # Not nursery.start: a stop before the start is complete is not an error.
                await app.run(task_status=_Greeting(app))
                watching.cancel_scope.cancel()
    except* TokenRefusedError as group:
        raise RefusedTokenError(next(leaf for leaf in leaves(group) if isinstance(leaf, TokenRefusedError))) from group


class _Greeting:
    """Receives the app's `started()`, and tells whoever sits at the terminal."""

    def __init__(self, app: App) -> None:
        self._app = app

    def started(self, value: None = None) -> None:  # noqa: ARG002 - as trio's TaskStatus has it
        """Print the greeting."""
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
    """Tell whoever pressed Ctrl-C why the program does not end at once."""
    if app.in_hand:
        what, they = (
            ("1 download", "it continues") if app.in_hand == 1 else (f"{app.in_hand} downloads", "they continue")
        )
        seconds = f"{app.settings.drain_seconds:g}"
        print(  # noqa: T201
            f"\n  Finishing {what}, at most {seconds} s. Ctrl-C again stops at once; {they} at the next start.\n",
            flush=True,
        )


def _greet(app: App) -> None:
    """Print where to look, on standard output for people; the log says the same for machines."""
    if app.sandbox_url is not None:
        print(f"\n  Doradura's sandbox is ready. Open {app.sandbox_url}/ in a browser and send it a link.", flush=True)  # noqa: T201
    elif app.me is not None:
        print(f"\n  @{app.me.username} is ready.", flush=True)  # noqa: T201
    if app.http_url is not None:
        listens = urlsplit(app.http_url)
        url = f"http://{Address(listens.hostname or '', listens.port or 0).reachable}"
        print(f"  Numbers: {url}/metrics   Health: {url}/health   Stop with Ctrl-C.", flush=True)  # noqa: T201
    if not app.settings.told_chats:
        print("  No admin is set, so nobody will get alerts. Send /start to learn your id.", flush=True)  # noqa: T201
    if app.sandbox_url is not None:
        apart = f"{settings_in(app.sandbox_url)} DORADURA_HTTP_BIND=127.0.0.1:0 just run"
        print("  To run a second bot in this sandbox (`just sandbox` starts one alone), copy this line:")  # noqa: T201
        print(f"    {apart}", flush=True)  # noqa: T201
    print(flush=True)  # noqa: T201

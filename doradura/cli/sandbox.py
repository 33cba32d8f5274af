"""`sandbox`: the local Telegram alone, for any bot."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import trio

from doradura import logs
from doradura.cli.edge import exit_code, settings_or_complaint
from doradura.cli.ffmpeg import ffmpeg_or_complaint
from doradura.startup import EXIT_FAILED, EXIT_SETTINGS

ANY_TOKEN = "1000000002:OWN" + "A" * 32
"""For a bot of the reader's own in a sandbox: every well-formed token is a bot there."""


def run(asked: argparse.Namespace) -> int:
    """Run the sandbox until SIGINT or SIGTERM; return the exit code."""
    settings = settings_or_complaint(sandbox=True)
    if settings is None:
        return EXIT_SETTINGS
    from doradura.sandbox import Sandbox  # noqa: PLC0415 - production never imports it

    found = ffmpeg_or_complaint()
    if found is None:
        return EXIT_FAILED
    os.umask(0o077)
    sandbox = Sandbox(
        bind=str(settings.sandbox_bind),
        media_directory=settings.data_dir / "sandbox" / "media",
        keep_directory=Path(asked.keep) if asked.keep else None,
        ffmpeg=found[0],
        flood_limits=asked.flood_limits,
    )

    async def until_signal() -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                url = await nursery.start(sandbox.run)
                print(f"\n  The sandbox is ready: {url}/\n  For a bot: {settings_in(url)} just run\n", flush=True)  # noqa: T201
                async for _ in signals:
                    nursery.cancel_scope.cancel()

    with logs.configure(settings.log_format, settings.log_level, settings.secrets()):
        return exit_code(lambda: trio.run(until_signal, strict_exception_groups=True))


def settings_in(url: str) -> str:
    """Return the settings of a separate bot in the sandbox at `url`, to be copied: its token, server and media."""
    own = f"DORADURA_TELEGRAM_TOKEN={ANY_TOKEN} DORADURA_ADMIN_IDS=1000 DORADURA_DATA_DIR=./data-own"
    return f"DORADURA_TELEGRAM_API_URL={url} DORADURA_ALLOWED_PRIVATE={url.partition('//')[2]} {own}"

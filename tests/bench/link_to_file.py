"""From a link to the file in the chat, against the yt-dlp command on the same link.

Ours is measured from the message with `/download LINK FORMAT` handed to the sandbox to the file message being in the
chat: poll, inbox, queue, fetch, convert, cover, tags, upload. The command is measured from its start to its end: fetch
and convert, to a file on the same disk. Each link is new, so that nothing comes from the cache of sent files.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import trio

from tests.bench.figures import Row, Series
from tests.bench.rig import Bot, RigError, bot, next_file, sandbox, variables

USER = 2000
WAYS = (
    ("m4a", "m4a", ("--audio-format", "m4a")),
    ("mp3 320k", "mp3 320k", ("--audio-format", "mp3", "--audio-quality", "320K")),
)


async def measure(runs: int, directory: Path) -> Row:
    """Take turns, format by format; one turn before them warms the disk's cache for both."""
    row = Row()
    numbers = itertools.count()
    async with sandbox(directory) as url, bot(directory, url) as ours:
        for label, words, options in WAYS:
            taken: list[float] = []
            command: list[float] = []
            for turn in range(runs + 1):
                mine = await _bot_seconds(ours, f"{url}/media/sample.mp4?n={next(numbers)}", words)
                other = await _command_seconds(f"{url}/media/sample.mp4?n={next(numbers)}", options, directory)
                if turn:
                    taken.append(1000 * mine)
                    command.append(1000 * other)
            row.compare(label, ours=Series("in the chat", taken, "ms"), theirs=Series("yt-dlp -x", command, "ms"))
    return row


async def _bot_seconds(ours: Bot, link: str, words: str) -> float:
    async with ours.person.listening() as messages:
        began = trio.current_time()
        await ours.person.say(USER, f"/download {link} {words}")
        await next_file(messages, USER)
        return trio.current_time() - began


async def _command_seconds(link: str, options: tuple[str, ...], directory: Path) -> float:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        began = trio.current_time()
        done = await trio.run_process(
            [*_command(), "-x", *options, "--output", f"{place}/%(title)s.%(ext)s", link],
            env=variables(directory / "none"),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        seconds = trio.current_time() - began
        if done.returncode != 0 or not await trio.to_thread.run_sync(os.listdir, place):
            raise RigError(f"yt-dlp ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
        return seconds


def _command() -> Iterator[str]:
    yield from (sys.executable, "-m", "yt_dlp", "--ignore-config", "--ffmpeg-location")
    yield imageio_ffmpeg.get_ffmpeg_exe()

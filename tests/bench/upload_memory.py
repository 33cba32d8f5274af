"""How much the bot's main process grows while a file of 45 MB goes up, against that file's size.

Held whole in memory the file would make it grow by all of its size. Files of half a megabyte go up in turns with the
big ones and say what of the growth is there for any file.

The file is really that large: the sandbox's big.mp4 is padding, which is gone once ffmpeg has written the product. So
the sample is repeated until it fills 45 MB, and served by the standard library's server.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import imageio_ffmpeg
import trio

from tests.bench.figures import Row, Series
from tests.bench.rig import (
    MEBIBYTE,
    Bot,
    Event,
    RigError,
    bot,
    forget_peak,
    next_file,
    resident_bytes,
    sandbox,
    started,
    variables,
)

USER = 2000
BIG_MEBIBYTES = 45
AIM_MEBIBYTES = 20.0


async def measure(runs: int, directory: Path) -> Row:
    """Send a small file and a big one in turns, each under a link of its own."""
    row = Row()
    small: list[float] = []
    big: list[float] = []
    sizes: list[float] = []
    async with sandbox(directory) as url:
        media = directory / "media"
        await trio.to_thread.run_sync(_make_files, directory, media)
        async with (
            started(
                ["-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(media)],
                r"\((http://\S+?)/\)",
                log=directory / "media.log",
                variables=variables(directory / "none"),
            ) as server,
            bot(
                directory, url, DORADURA_ALLOWED_PRIVATE=f"{urlsplit(url).netloc},{urlsplit(server.said).netloc}"
            ) as ours,
        ):
            await _growth(ours, f"{server.said}/small.mp4?n=warm")
            at_first = resident_bytes(ours.pid)[0]
            for turn in range(runs):
                small.append((await _growth(ours, f"{server.said}/small.mp4?n={turn}"))[0])
                grown, sent_bytes = await _growth(ours, f"{server.said}/big.mp4?n={turn}")
                big.append(grown)
                sizes.append(sent_bytes / MEBIBYTE)
            at_last = resident_bytes(ours.pid)[0]
    row.compare("growth / file", ours=Series("grown", big, "MiB", 1), theirs=Series("file", sizes, "MiB", 1))
    row.add("a small file", f"grown {', '.join(f'{each:.1f}' for each in small)} MiB")
    row.add("resident", f"{at_first / MEBIBYTE:.0f} MiB before, {at_last / MEBIBYTE:.0f} MiB after {runs} of each")
    row.aim(f"below {AIM_MEBIBYTES:.0f} MiB (most {max(big):.1f})", met=max(big) < AIM_MEBIBYTES)
    return row


async def _growth(ours: Bot, link: str) -> tuple[float, int]:
    """Let one file go to the chat; give the growth at its peak in MiB and the bytes that arrived."""
    async with ours.person.listening() as messages:
        forget_peak(ours.pid)
        before = resident_bytes(ours.pid)[0]
        await ours.person.say(USER, f"/download {link} mp4 best")
        message: Event = await next_file(messages, USER)
        _, peak = resident_bytes(ours.pid)
    return (peak - before) / MEBIBYTE, int(message["video"]["file_size"])


def _make_files(directory: Path, media: Path) -> None:
    """Repeat the sandbox's sample, without encoding it, until the file is large enough."""
    media.mkdir()
    sample = next(directory.rglob("sample.mp4"))
    shutil.copy(sample, media / "small.mp4")
    repeats = BIG_MEBIBYTES * MEBIBYTE // sample.stat().st_size
    repeated = ["-stream_loop", str(repeats), "-i", str(sample)]
    copied = ["-map", "0:v", "-map", "0:a", "-c", "copy", "-fs", str(BIG_MEBIBYTES * MEBIBYTE), str(media / "big.mp4")]
    program = imageio_ffmpeg.get_ffmpeg_exe()
    made = subprocess.run(
        [program, "-nostdin", "-loglevel", "error", *repeated, *copied], capture_output=True, check=False
    )
    if made.returncode != 0:
        raise RigError(f"no big file: {made.stderr.decode(errors='replace')[-500:]}")

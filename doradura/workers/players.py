"""Players that were solved, kept between jobs: what yt-dlp makes of YouTube's player with a JavaScript runtime.

Owns the kept files. Working a player out takes seconds of a runtime's time, and YouTube changes it every few days. A
job gets a copy of what is kept in its own directory; of what it adds there, one job at a time may leave something
behind. What is taken was made in a process that reads hostile answers, so it is judged as a product is: a regular file
of one name, bounded, in the shape that yt-dlp writes. It is only ever read by yt-dlp and by the runtime, which runs
behind the same wall as the job and has no files and no network.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from doradura.media.protocol import PLAYERS_DIRECTORY

log = logging.getLogger(__name__)

KEPT: Final = 2
"""Of so many players the solved form is kept: YouTube tries a new one on some while others have the old one."""
KEPT_SECONDS: Final = 24 * 3600.0
"""After this a player is worked out anew, so that one that is wrong does not stay."""
MOST_BYTES: Final = 16 * 1024 * 1024
_SECTION: Final = "challenge-solver"
_NAME: Final = re.compile(r"player,3Ahttps,3A,2F,2Fwww\.youtube\.com,2Fs,2Fplayer,2F[\w.,-]{1,150}\.json")


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """What yt-dlp writes."""

    version: str = msgspec.field(name="yt-dlp_version")
    data: str


def lend(directory: Path, job: Path) -> frozenset[str]:
    """Copy what is kept and not too old into a job's directory; return the names.

    OSError is ignored, because a job works without it.
    """
    lent = set()
    with contextlib.suppress(OSError):
        to = job / PLAYERS_DIRECTORY / _SECTION
        to.mkdir(parents=True)
        for path in _kept(directory):
            if time.time() - path.stat().st_mtime <= KEPT_SECONDS:
                (to / path.name).write_bytes(path.read_bytes())
                lent.add(path.name)
    return frozenset(lent)


def take(job: Path, lent: frozenset[str], directory: Path) -> None:
    """Keep what an ended job has solved and was not lent. Nothing is raised; what is odd is logged and left there."""
    try:
        with _opened(job) as opened:
            found = os.listdir(opened)  # noqa: PTH208 -- of what is open, so that no link is followed
            names = [name for name in found if _NAME.fullmatch(name) and name not in lent]
            for name in names[:KEPT]:
                content = _content(name, opened)
                msgspec.json.decode(content, type=_Entry)
                _keep(directory, name, content)
    except FileNotFoundError:
        return  # it did not come to that
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("a solved player is not kept", extra={"job": job.name, "error": str(error)})


@contextlib.contextmanager
def _opened(job: Path) -> Iterator[int]:
    """Open the directory in which yt-dlp leaves players, following no link."""
    opened: list[int] = []
    try:
        for name in (str(job), PLAYERS_DIRECTORY, _SECTION):
            within = opened[-1] if opened else None
            opened.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within))
        yield opened[-1]
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _content(name: str, directory: int) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    with open(descriptor, "rb") as file:  # noqa: PTH123 -- of what is open
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > MOST_BYTES:
            raise OSError(f"{name!r} is no file of a solved player")
        return file.read(MOST_BYTES)


def _keep(directory: Path, name: str, content: bytes) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    beside = directory / f".{secrets.token_hex(8)}"
    beside.write_bytes(content)
    beside.replace(directory / name)
    for old in _kept(directory)[KEPT:]:
        old.unlink(missing_ok=True)


def _kept(directory: Path) -> list[Path]:
    """Return the files that are kept, the newest first."""
    return sorted(directory.glob("player,*.json"), key=lambda path: path.stat().st_mtime, reverse=True)

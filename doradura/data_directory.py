"""The data directory: mode 0700, held by one process at a time, and either the sandbox's or production's.

The lock is an flock on DATA_DIR/lock: the kernel releases it however the process ends, and children don't inherit it
(the descriptor is closed on exec, and the fork server's children come from a program of their own). DATA_DIR/mode says
whose data it is: the sandbox's users, chats and jobs must never become production's, whose bot would write to real
people with those ids.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from doradura.settings import Mode
from doradura.startup import EXIT_LOCKED, EXIT_SETTINGS, StartupError


class DataDirectoryError(StartupError):
    """The data directory can't be used; the text says why and what to do."""

    exit_code = EXIT_SETTINGS


class DataDirectoryLockedError(DataDirectoryError):
    """Another process holds it."""

    exit_code = EXIT_LOCKED


WEBHOOK_FILE = "webhook.token"
"""The file of the secret that Alertmanager shows with each POST, where the settings name none."""

LEFT_SECONDS = 60.0
"""After how long a half-written secret counts as abandoned."""

_OTHERS: dict[Mode, str] = {
    "telegram": (
        "the data directory {path} holds the sandbox's data: its people, chats and downloads don't exist on Telegram. "
        "Give your bot a directory of its own with DORADURA_DATA_DIR, or keep the sandbox's elsewhere: "
        "{move}. (If your bot has been working here all along: {remove})"
    ),
    "sandbox": (
        "the data directory {path} holds your bot's data, and the sandbox must not work on it. "
        "Give the sandbox a directory of its own with DORADURA_DATA_DIR, or leave that unset: it takes ./data-sandbox."
    ),
}
"""The message of a start that finds the other mode's data."""


def claim_for_mode(path: Path, mode: Mode) -> None:
    """Mark a directory that this process holds as this mode's. Raises DataDirectoryError if it is the other's."""
    if not is_marked_for(path, mode):
        made = path / "mode.new"  # the same name at each start, so that the next one reuses what a kill left
        with suppress(OSError):  # a full disk: the next start writes the mark
            made.write_text(f"{mode}\n", encoding="ascii")
            made.replace(path / "mode")


def is_marked_for(path: Path, mode: Mode) -> bool:
    """Return whether a directory has this mode's mark; False if it has none. Writes nothing.

    Raises DataDirectoryError if it is the other's. A directory from before such marks is the sandbox's if it contains a
    sandbox's state, else production's if there is a database, else nobody's.
    """
    mark = path / "mode"
    try:
        marked = mark.read_text(encoding="ascii", errors="replace").strip() if mark.exists() else ""
    except OSError as error:
        raise DataDirectoryError(f"{mark} can't be read: {error.strerror}. {_WRITABLE}") from error
    if (marked or _unmarked(path)) not in {"", mode}:
        move = shlex.join(["mv", str(path), _free_name(path)])
        remove = shlex.join(["rm", "-rf", str(path / "sandbox"), str(mark)])
        raise DataDirectoryError(_OTHERS[mode].format(path=path, move=move, remove=remove))
    return bool(marked)


def _free_name(path: Path) -> str:
    """Return a path beside a directory at which nothing is: `mv` would move the directory into what is there."""
    name = f"{str(path).removesuffix('-sandbox')}-sandbox"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(free for free in names if not os.path.lexists(free))


def _unmarked(path: Path) -> str:
    """Return the mode whose data an unmarked directory seems to hold; "" if it holds none."""
    if (path / "sandbox").is_dir():
        return "sandbox"
    return "telegram" if (path / "doradura.db").exists() else ""


_WRITABLE = "Set DORADURA_DATA_DIR to a directory this user may write to."


@contextmanager
def hold_data_directory(path: Path) -> Iterator[None]:
    """Make the directory if necessary and hold it for the block. Raises DataDirectoryError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirectoryError(unusable(path, error)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataDirectoryLockedError(
                f"the data directory {path} is in use by {_named(descriptor)}. "
                "Stop that one first, or set DORADURA_DATA_DIR to another directory.",
            ) from error
        with suppress(OSError):  # a full disk; the lock holds even without our pid in it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> str | None:
    """Return which process holds a directory; None if none does. Raises DataDirectoryError if none could.

    It writes nothing and holds nothing: it takes a shared lock and releases it at once.
    """
    try:
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataDirectoryError(unusable(path, error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _named(descriptor)
    finally:
        os.close(descriptor)
    return None


def _named(descriptor: int) -> str:
    """Return who holds a lock, by the process id in its open file."""
    number = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return f"process {number}" if number else "another process"


def unusable(path: Path, error: OSError) -> str:
    """Return why a directory can't be used, and what to do."""
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return f"{path} is not a directory, or something on the way to it is not. Move it out of the way."
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT}:
        return f"the directory {path} can't be used: {error.strerror}."
    return f"the directory {path} can't be used: {error.strerror}. {_WRITABLE}"


def generated_secret(path: Path) -> str:
    """Return the secret in a file; write the file, mode 0600, if it is missing or empty.

    The file is never visible half-written, and two programs that make it at once get the same secret. Raises
    DataDirectoryError.
    """
    try:
        _remove_leftovers(path)
        if (known := read_secret(path)) is not None:
            return known
        made = path.with_name(f"{path.name}.{os.getpid()}.new")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, secrets.token_urlsafe(32).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path.exists():
            made.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(made, path)
            made.unlink()
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _no_secret(path, error) from error


def read_secret(path: Path) -> str | None:
    """Return the secret in a file; None if the file is missing or empty. Raises DataDirectoryError."""
    try:
        return (path.read_text(encoding="utf-8").strip() or None) if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise _no_secret(path, error) from error


def _no_secret(path: Path, error: Exception) -> DataDirectoryError:
    return DataDirectoryError(
        f"the secret in {path} can't be read or made: {error}. "
        "Set DORADURA_WEBHOOK_TOKEN, or make the file readable for this user."
    )


def _remove_leftovers(path: Path) -> None:
    """Remove half-written secrets of killed programs; a recent one may still be in progress."""
    for made in path.parent.glob(f"{path.name}.*.new"):
        with suppress(OSError):  # gone meanwhile, or not ours to remove
            if time.time() - made.stat().st_mtime > LEFT_SECONDS:
                made.unlink()

"""Seccomp's user notification, from the side that answers: a call that waits, and what it is given.

Owns the kernel's structures (seccomp_unotify(2)). The caller's memory is never read: it could change between a look and
the answer. Who answers puts a descriptor of its own in the place of the caller's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
from pathlib import Path
from typing import Final, NamedTuple

_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_ADD_DESCRIPTOR: Final = 0x40182103
_NOTICE: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_ADD: Final = struct.Struct("=QIIII")
_SET: Final = 1
"""SECCOMP_ADDFD_FLAG_SETFD: at the number that is given."""
_LAST_ID: Final = 2**64 - 1


class Call(NamedTuple):
    """A call that waits for its answer."""

    id: int
    """The kernel numbers the calls of one listener consecutively, from a random start."""
    pid: int
    """The caller, as this process sees it."""
    descriptor: int
    """The call's first argument."""


def waiting(listener: int) -> Call | None:
    """Return a call that waits; None if there is none, or its caller was killed meanwhile.

    Raises EOFError when no process is left that could make one.
    """
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    events = poll.poll(0)
    ready = events[0][1] if events else 0
    if not ready & select.POLLIN:
        if ready & (select.POLLHUP | select.POLLERR):
            raise EOFError
        return None
    notice = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, notice)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EINTR}:  # the caller was killed meanwhile
            return None
        raise
    told = _NOTICE.unpack(notice)
    return Call(told[0], told[1], told[6] & 0xFFFFFFFF)


class Flags(NamedTuple):
    """What the caller had set on its descriptor."""

    nonblocking: bool
    close_on_exec: bool


def flags_of(call: Call) -> Flags:
    """Return the flags of the caller's descriptor. Raises OSError if it is not a socket, or /proc may not be read.

    The caller can change them meanwhile, which harms nobody else.
    """
    process = Path("/proc") / str(call.pid)
    try:
        what = str((process / "fd" / str(call.descriptor)).readlink())
    except FileNotFoundError as error:
        raise OSError(errno.EBADF, "no descriptor") from error
    if not what.startswith("socket:"):
        raise OSError(errno.ENOTSOCK, "no socket")
    for line in (process / "fdinfo" / str(call.descriptor)).read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            found = int(value, 8)
            return Flags(bool(found & os.O_NONBLOCK), bool(found & os.O_CLOEXEC))
    raise OSError(errno.EBADF, "no flags")


def put(listener: int, call: Call, descriptor: int, *, close_on_exec: bool) -> None:
    """Put a descriptor of ours where the caller has the one it called with. Raises OSError; ENOENT: it is gone."""
    flags = os.O_CLOEXEC if close_on_exec else 0
    fcntl.ioctl(listener, _ADD_DESCRIPTOR, _ADD.pack(call.id, _SET, descriptor, call.descriptor, flags))


def give_up(listener: int, call_id: int) -> None:
    """Let a call fail that was received by a process which died before it answered.

    The kernel offers such a call to nobody else, so its caller would wait for as long as the listener is open. Does
    nothing if the call is answered, waits to be received, or was never made.
    """
    try:
        fcntl.ioctl(listener, _SEND, bytearray(_ANSWER.pack(call_id & _LAST_ID, 0, -errno.ECONNABORTED, 0)))
    except OSError as failure:
        if failure.errno not in {errno.ENOENT, errno.EINPROGRESS}:
            raise


def answer(listener: int, call: Call, error: int = 0) -> None:
    """Let the call return 0, or fail with an errno. A caller that is gone needs no answer."""
    try:
        fcntl.ioctl(listener, _SEND, bytearray(_ANSWER.pack(call.id, 0, -error, 0)))
    except OSError as failure:
        if failure.errno != errno.ENOENT:
            raise

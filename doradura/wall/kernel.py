"""System calls that Python has no function for, through libc's `syscall`, and errors as OSError.

Owns the calling alone. ctypes, because the packages there are for Landlock have no release and libseccomp can't make
a program before the fork.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final

from doradura.wall.architectures import Architecture

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_GET_NO_NEW_PRIVS: Final = 39
_SECCOMP_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 1 << 3
_WAIT_KILLABLE_RECV: Final = 1 << 5
_CAPABILITIES: Final = struct.pack("=Ii", 0x20080522, 0)
"""_LINUX_CAPABILITY_VERSION_3 of the caller (capget(2)): sets of 64 bits, as two structs of 32."""
CAP_DAC_OVERRIDE: Final = 1 << 1


class _FilterProgram(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """A seccomp program in memory, ready to be set; made before the fork."""

    def __init__(self, program: bytes) -> None:
        self._held = ctypes.create_string_buffer(program, len(program))
        self.pointer = _FilterProgram(len(program) // 8, ctypes.addressof(self._held))


class Kernel:
    """The calls, on one architecture. Made before the fork: loading libc's functions takes time."""

    def __init__(self, of: Architecture) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._syscall = libc.syscall
        self._syscall.restype = ctypes.c_long
        self._prctl = libc.prctl
        self._numbers = of.numbers

    def call(self, name: str, *arguments: object) -> int:
        """Make a call; integers go as longs. Raises OSError."""
        longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
        result: int = self._syscall(ctypes.c_long(self._numbers[name]), *longs)
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")
        return result

    def give_up_privileges(self) -> None:
        """Set no_new_privs, which filters and rules need, and see that it is set. Raises OSError."""
        set_it = self._prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if set_it != 0 or self._prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
            number = ctypes.get_errno()
            raise OSError(number, f"no_new_privs: {os.strerror(number)}")

    def keep_capabilities(self, kept: int) -> None:
        """Give up all capabilities (what makes root root) but those in `kept`. Raises OSError.

        With no_new_privs set, no program that is started gets them back (capabilities(7)).
        """
        header, sets = (ctypes.create_string_buffer(each, len(each)) for each in (_CAPABILITIES, bytes(24)))
        self.call("capget", header, sets)
        effective, permitted, _, *upper = struct.unpack("=6I", sets.raw)
        low, high = kept & 0xFFFFFFFF, kept >> 32
        left = (effective & low, permitted & low, 0, upper[0] & high, upper[1] & high, 0)
        self.call("capset", header, struct.pack("=6I", *left))

    def set_filter(self, program: Filter, *, listening: bool) -> int | None:
        """Set a filter for good; where it is `listening`, return the descriptor of its notifications. Raises OSError.

        From Linux 5.19 on, only a fatal signal interrupts a call that was received (WAIT_KILLABLE_RECV).
        """
        pointer = ctypes.byref(program.pointer)
        if not listening:
            self.call("seccomp", _SECCOMP_SET_MODE_FILTER, 0, pointer)
            return None
        try:
            return self.call("seccomp", _SECCOMP_SET_MODE_FILTER, _NEW_LISTENER | _WAIT_KILLABLE_RECV, pointer)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return self.call("seccomp", _SECCOMP_SET_MODE_FILTER, _NEW_LISTENER, pointer)

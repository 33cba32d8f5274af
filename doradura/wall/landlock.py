"""Landlock: rights by version of the kernel's interface (ABI), and rules as the kernel takes them.

Owns what each version knows; a right of a later version than those listed is never assumed (landlock(7),
Documentation/userspace-api/landlock.rst).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from doradura.wall.kernel import Kernel

EXECUTE: Final = 1 << 0
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
REMOVE_DIR: Final = 1 << 4
REMOVE_FILE: Final = 1 << 5
MAKE_CHAR: Final = 1 << 6
MAKE_DIR: Final = 1 << 7
MAKE_REG: Final = 1 << 8
MAKE_SOCK: Final = 1 << 9
MAKE_FIFO: Final = 1 << 10
MAKE_BLOCK: Final = 1 << 11
MAKE_SYM: Final = 1 << 12
REFER: Final = 1 << 13
TRUNCATE: Final = 1 << 14
IOCTL_DEV: Final = 1 << 15

READING: Final = READ_FILE | READ_DIR
RUNNING: Final = READ_FILE | EXECUTE
OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""Rights that a rule on a file may have; the rest are a directory's, and EINVAL on a file."""
OWN_DIRECTORY: Final = READING | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER
"""Neither execution, nor links, fifos, sockets and devices: the bot reads what lies in there."""

CONNECT_TCP: Final = 1 << 1
_BIND_TCP: Final = 1 << 0
_SCOPE_ABSTRACT_UNIX: Final = 1 << 0
_SCOPE_SIGNAL: Final = 1 << 1

NEWEST_ABI: Final = 7
"""The newest version whose every right is listed here."""
TRUNCATE_ABI: Final = 3
PORTS_ABI: Final = 4
SCOPES_ABI: Final = 6
"""The first versions that know truncation, ports, and scopes (signals among them)."""
_LOG_ABI: Final = 7
_CREATE_VERSION: Final = 1
_RULE_PATH: Final = 1
_RULE_PORT: Final = 2
_LOG_SAME_EXEC_OFF: Final = 1


class Handled(NamedTuple):
    """What a ruleset takes away, but for its rules."""

    files: int
    ports: int
    scopes: int


def handled(abi: int) -> Handled:
    """Return all that a version can take away."""
    files = (1 << 13) - 1
    for since, right in ((2, REFER), (TRUNCATE_ABI, TRUNCATE), (5, IOCTL_DEV)):
        files |= right if abi >= since else 0
    ports = _BIND_TCP | CONNECT_TCP if abi >= PORTS_ABI else 0
    scopes = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if abi >= SCOPES_ABI else 0
    return Handled(files, ports, scopes)


class PathRule:
    """Rights on a file, or on a directory and all below it; opened and packed before it is needed."""

    def __init__(self, path: str | os.PathLike[str], rights: int, abi: int) -> None:
        """Raise OSError for what is not there."""
        self.descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        possible = handled(abi).files
        if not stat.S_ISDIR(os.fstat(self.descriptor).st_mode):
            possible &= OF_FILES
        packed = struct.pack("=Qi", rights & possible, self.descriptor)
        self.attribute = ctypes.create_string_buffer(packed, len(packed))

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


class Landlock:
    """Landlock at one version of it."""

    def __init__(self, kernel: Kernel, abi: int) -> None:
        self._kernel = kernel
        self.abi = abi
        # Later versions' members are not sent to an older kernel.
        members = 1 if abi < PORTS_ABI else 2 if abi < SCOPES_ABI else 3
        packed = struct.pack(f"={members}Q", *handled(abi)[:members])
        self._attribute = ctypes.create_string_buffer(packed, len(packed))

    def restrict(self, rules: Iterable[PathRule], *, port: int | None) -> None:
        """Take from this process all but the rules, and where the version knows ports, all but that one, for good.

        Raises OSError.
        """
        ruleset = self._kernel.call("landlock_create_ruleset", self._attribute, len(self._attribute), 0)
        try:
            for rule in rules:
                self._kernel.call("landlock_add_rule", ruleset, _RULE_PATH, rule.attribute, 0)
            if port is not None:
                packed = struct.pack("=QQ", CONNECT_TCP, port)
                self._kernel.call("landlock_add_rule", ruleset, _RULE_PORT, packed, 0)
            # What is refused is a child's own affair, and not the machine's audit log's.
            flags = _LOG_SAME_EXEC_OFF if self.abi >= _LOG_ABI else 0
            self._kernel.call("landlock_restrict_self", ruleset, flags)
        finally:
            os.close(ruleset)


def version(kernel: Kernel) -> int:
    """Return the newest version that both this kernel and we know. Raises OSError where there is no Landlock."""
    return min(NEWEST_ABI, kernel.call("landlock_create_ruleset", None, 0, _CREATE_VERSION))

"""Closes this process's memory to the other processes of its user.

Workers run as the bot's user and handle what strangers send, while the bot's memory and environment contain its token.
Linux lets a process read another's memory if they have the same user, unless the other process forbids it. Closing the
memory also turns off core dumps and debuggers; root can still attach (docs/security.md). Programs that this process
starts have readable memory again: exec undoes it (prctl(2), PR_SET_DUMPABLE).
"""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def close_memory() -> bool:
    """Refuse /proc/PID/mem, environ, fd and ptrace to everybody but root; return False if the kernel can't."""
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0

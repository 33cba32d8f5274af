"""The process-wide limits that a child sets for itself before it knows its job.

Nothing that runs under them can lift them again. Linux only; it must not know what a job is about.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from typing import Final

from doradura.media.processes import PROC
from doradura.media.protocol import Limits

NICE: Final = 10
OOM_SCORE: Final = 500
"""When memory runs out, the kernel shall kill a job before the bot or the database beside it."""
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_CPU_GRACE_SECONDS: Final = 5


def apply(limits: Limits) -> None:
    """Set the limits for this process and everything that it will start.

    They do not include memory and process counts: address-space limits break ffmpeg, and RLIMIT_NPROC counts by user,
    so the fork server sums those from /proc.
    """
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds, grace=_CPU_GRACE_SECONDS)
    _lower(resource.RLIMIT_CORE, 0)
    os.umask(0o077)
    with contextlib.suppress(PermissionError):  # already nicer than that: only root could go back
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    with contextlib.suppress(OSError):
        # Where the kernel groups processes by session, niceness counts inside the group alone: the job's session is a
        # group of its own and would have as much of the processors as the bot (sched(7), "The autogroup feature").
        (PROC / "self" / "autogroup").write_text(str(NICE))
    with contextlib.suppress(OSError):
        (PROC / "self" / "oom_score_adj").write_text(str(OOM_SCORE))
    _prctl(_PR_SET_NO_NEW_PRIVS)


def _lower(kind: int, soft: int, *, grace: int = 0) -> None:
    """Set the soft limit, and the hard one `grace` above it, never above what this process was given."""
    _, hard = resource.getrlimit(kind)
    ceiling = soft + grace if hard == resource.RLIM_INFINITY else min(soft + grace, hard)
    resource.setrlimit(kind, (min(soft, ceiling), ceiling))


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies (PR_SET_CHILD_SUBREAPER).

    Otherwise they would go to pid 1, which in a container is often a program that never reaps.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER)


def _prctl(option: int) -> None:
    """Set an option of the process. If the kernel refuses, the job runs without it.

    Both are a second line of defence.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, 1, 0, 0, 0)

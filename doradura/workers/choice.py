"""Chooses the workers for this system: the fork server if possible, else one process per job."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping

from doradura.workers.fork import ForkWorkers, Supervise, environment_for_jobs
from doradura.workers.plain import PlainWorkers


def make_workers(
    environment: Mapping[str, str], observe_start: Callable[[float], None], supervise: Supervise, ffmpeg: str
) -> ForkWorkers | PlainWorkers:
    """Return the fork server if the system has what it needs, else one process per job with a warm spare."""
    if hasattr(os, "fork") and hasattr(socket, "SOCK_SEQPACKET") and sys.platform == "linux":
        return ForkWorkers(observe_start=observe_start, environment=environment, supervise=supervise, ffmpeg=ffmpeg)
    return PlainWorkers(environment=environment_for_jobs(environment))

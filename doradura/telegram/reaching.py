"""Logs whether the Bot API's server can be reached: once, then at most once a minute.

An outage ends hundreds of calls, each with several attempts; a line for each of them would hide the cause.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
from collections.abc import Iterator

import httpx
import trio

logger = logging.getLogger(__name__)

SAID_SECONDS = 60.0
"""How often a continuing outage is logged again."""
DEEPEST = 8
"""How many exceptions of a chain are examined."""


class Reaching:
    """What is known of the connection to the server; shared by all callers of one bot."""

    def __init__(self) -> None:
        self._said_at = -math.inf
        self._since: float | None = None

    def failed(self, host: str, why: str) -> None:
        """Record that no connection could be made, and log it unless that was done within the last minute."""
        now = trio.current_time()
        self._since = now if self._since is None else self._since
        if now - self._said_at < SAID_SECONDS:
            return
        self._said_at = now
        local = host in {"127.0.0.1", "::1", "localhost"}
        ask = "Does the Bot API server run there?" if local else "Is this machine online?"
        logger.warning("Can't reach %s (%s). %s Trying on.", host, why, ask)

    def answered(self) -> None:
        """Record an answer. The end of an outage is logged, and the next outage is logged at once."""
        if self._since is not None:
            logger.info("reached again, after %.0f s", trio.current_time() - self._since)
            self._since, self._said_at = None, -math.inf


def why_unreachable(error: Exception) -> str | None:
    """Return in a few words why there was no connection; None if there was one."""
    if isinstance(error, httpx.ConnectTimeout):
        return "no answer"
    if not isinstance(error, httpx.ConnectError):
        return None
    found = list(_causes(error, DEEPEST))
    for kind, words in _WORDS.items():
        if any(isinstance(each, kind) for each in found):
            return words
    said = next((each.strerror for each in found if isinstance(each, OSError) and each.errno and each.strerror), None)
    return said.lower() if said else type(error).__name__


_WORDS: dict[type[BaseException], str] = {
    socket.gaierror: "name not found",
    ssl.SSLCertVerificationError: "its certificate is not trusted",
    ssl.SSLError: "no encrypted connection",
    ConnectionRefusedError: "connection refused",
}


def _causes(error: BaseException, depth: int) -> Iterator[BaseException]:
    """Yield an error and the chain of its causes, `depth` links of it."""
    yield error
    if depth == 0:
        return
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (*inner, error.__cause__, error.__context__):
        if each is not None:
            yield from _causes(each, depth - 1)

"""A call in progress: what it asks for and how far it has come. Plain data; `caller` makes the attempts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import trio

from doradura.telegram.bodies import Body
from doradura.telegram.connections import ConnectionPool
from doradura.telegram.edits import MessageKey
from doradura.telegram.errors import DeadlineExceededError, TelegramError
from doradura.telegram.observer import RequestKind
from doradura.telegram.pacing import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, however many attempts it takes.

    A call that is not `paced` uses no budget. A `patient` call's time does not run while it waits for a connection.
    """

    method: str
    kind: RequestKind
    connections: ConnectionPool
    make_body: Callable[[], Body]
    timeouts: Mapping[str, float | None]
    hold_key: int | str
    priority: Priority
    paced: bool
    deadline_seconds: float
    unconfirmed_repeats: float
    edits: MessageKey | None = None
    lasting: bool = False
    patient: bool = False


@dataclass(slots=True)
class CallProgress:
    """How far a call has come."""

    deadline: float
    attempts: int = 0
    unconfirmed: int = 0
    """How many attempts may have succeeded although no answer came."""
    waited: bool = False

    def left_seconds(self) -> float:
        """Return how many seconds of the call's time are left."""
        return self.deadline - trio.current_time()

    def given_up(self, method: str, last: TelegramError) -> DeadlineExceededError:
        """Return the DeadlineExceededError for this call; `last` is what the last attempt ended in."""
        return DeadlineExceededError(method, attempts=self.attempts, last=last, unconfirmed=self.unconfirmed > 0)

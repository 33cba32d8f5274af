"""How a job's end is told: once, in its progress message.

Owns the telling, through Telegram's outages and over restarts. What the end is, the supervisor has recorded before.
"""

from __future__ import annotations

import logging

import trio

from doradura.clock import Clock
from doradura.downloads.board import Board
from doradura.downloads.closed_chats import note_closed
from doradura.downloads.stages import Cancelled, Delivered, Failed, Outcome
from doradura.media.reasons import Reason
from doradura.metrics import Metrics
from doradura.storage import Storage, jobs
from doradura.storage.persistence import write_until_stored
from doradura.telegram.errors import (
    CHAT_CLOSED,
    DeadlineExceededError,
    TelegramError,
    TokenRefusedError,
    UnconfirmedError,
    UnexpectedResultError,
)

TELL_PAUSE_SECONDS = 5.0
TELLINGS_IN_DOUBT = 3
"""A new message whose answer never came may be there: it is not written again and again."""

log = logging.getLogger(__name__)


class Endings:
    """Tells the ends of jobs."""

    def __init__(self, storage: Storage, board: Board, metrics: Metrics, *, clock: Clock) -> None:
        self._storage = storage
        self._board = board
        self._metrics = metrics
        self._clock = clock

    async def tell_recorded(self, job: jobs.Job) -> None:
        """Tell what a process before this one recorded and did not tell."""
        if job.state == "done":
            await self.tell(job, None)
        else:
            failed = Failed(_stored_reason(job), maybe_sent=bool(job.maybe_sent))
            await self.tell(job, cancelled_end(job) if job.state == "cancelled" else failed)

    async def tell(self, job: jobs.Job, outcome: Outcome | None) -> None:
        """Show a job's end in its progress message (take it away when the file is there), and note that it was.

        Goes on through Telegram's outages; what is not told when the process ends is told by the next one.
        """
        in_doubt = 0
        try:
            while in_doubt < TELLINGS_IN_DOUBT:
                try:
                    await self._tell_once(job, outcome)
                    break
                except (DeadlineExceededError, UnconfirmedError) as error:
                    unconfirmed = not isinstance(error, DeadlineExceededError) or error.unconfirmed
                    in_doubt += unconfirmed and not self._board.card(job).is_there
                    log.warning("a job's end is not told yet", extra={"job": job.job_id, "error": str(error)})
                await trio.sleep(TELL_PAUSE_SECONDS)
        finally:
            self._board.drop(job.job_id)
        await write_until_stored(self._storage, lambda db: jobs.set_told(db, job.job_id), what="a job's end")

    async def _tell_once(self, job: jobs.Job, outcome: Outcome | None) -> None:
        """Tell once. The barrier of one telling: a fault in one job's words must not end the others."""
        card = self._board.card(job)
        try:
            if outcome is None or isinstance(outcome, Delivered):
                if outcome is None or not outcome.in_progress_message:
                    await card.remove()
            elif not (isinstance(outcome, Failed) and outcome.reason is Reason.USER_BLOCKED):
                await card.end(outcome)
        except CHAT_CLOSED:
            await note_closed(self._storage, job.chat_id, self._clock)
        except UnexpectedResultError as error:  # done, so it is not done again
            log.warning("a job's end is told, the answer odd", extra={"job": job.job_id, "error": str(error)})
        except (DeadlineExceededError, UnconfirmedError, TokenRefusedError):
            raise
        except TelegramError as error:
            log.warning("a job's end can't be told", extra={"job": job.job_id, "error": str(error)})
        except Exception:  # the barrier named above
            log.exception("a job's end can't be told", extra={"job": job.job_id})
            self._metrics.errors.labels(category="internal").inc()


def _stored_reason(job: jobs.Job) -> Reason:
    """Return why a recorded job failed; `internal` where its row has no word that this version knows."""
    try:
        return Reason(job.reason or "")
    except ValueError:
        return Reason.INTERNAL


def cancelled_end(job: jobs.Job | None) -> Cancelled:
    """Return the end of a job that is recorded as cancelled; None is one whose row is gone."""
    return Cancelled() if job is None else Cancelled(by_admin=job.reason == jobs.BY_ADMIN, title=job.title)

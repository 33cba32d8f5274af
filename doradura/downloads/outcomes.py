"""Shows each job's outcome to its user, once, in the job's progress message.

Retries through Telegram's outages; after a restart, the next process goes on. The supervisor has recorded the outcome
before it is shown.
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

RETRY_PAUSE_SECONDS = 5.0
UNCONFIRMED_AT_MOST = 3
"""After so many unconfirmed new messages no other is sent, since each of them may have arrived."""

log = logging.getLogger(__name__)


class OutcomeMessages:
    """Shows outcomes in progress messages."""

    def __init__(self, storage: Storage, board: Board, metrics: Metrics, *, clock: Clock) -> None:
        self._storage = storage
        self._board = board
        self._metrics = metrics
        self._clock = clock

    async def show_recorded(self, job: jobs.Job) -> None:
        """Show an outcome that an earlier process recorded and did not show. Repeats and cancels are as in `show`."""
        if job.state == "done":
            await self.show(job, None)
        else:
            failed = Failed(_stored_reason(job), maybe_sent=bool(job.maybe_sent))
            await self.show(job, cancelled_outcome(job) if job.state == "cancelled" else failed)

    async def show(self, job: jobs.Job, outcome: Outcome | None) -> None:
        """Show a job's outcome in its progress message, or delete the message if the file was delivered; record that.

        `outcome` is None for a job that an earlier process delivered. Outages are waited out. If cancelled, nothing is
        recorded, and the next process shows the outcome.
        """
        in_doubt = 0
        try:
            while in_doubt < UNCONFIRMED_AT_MOST:
                try:
                    await self._show_once(job, outcome)
                    break
                except (DeadlineExceededError, UnconfirmedError) as error:
                    unconfirmed = not isinstance(error, DeadlineExceededError) or error.unconfirmed
                    in_doubt += unconfirmed and not self._board.progress_message(job).is_there
                    log.warning("a job's outcome is not shown yet", extra={"job": job.job_id, "error": str(error)})
                    retry_after = error.retry_after_seconds if isinstance(error, DeadlineExceededError) else None
                await trio.sleep(max(RETRY_PAUSE_SECONDS, retry_after or 0.0))
        finally:
            self._board.drop(job.job_id)
        await write_until_stored(self._storage, lambda db: jobs.set_told(db, job.job_id), what="a job's outcome")

    async def _show_once(self, job: jobs.Job, outcome: Outcome | None) -> None:
        """Make one attempt to show an outcome. A barrier: an error in one job's texts must not end the others."""
        message = self._board.progress_message(job)
        try:
            if outcome is None or isinstance(outcome, Delivered):
                if outcome is None or not outcome.in_progress_message:
                    await message.remove()
            elif not (isinstance(outcome, Failed) and outcome.reason is Reason.USER_BLOCKED):
                await message.show_outcome(outcome)
        except CHAT_CLOSED:
            await note_closed(self._storage, job.chat_id, self._clock)
        except UnexpectedResultError as error:  # the call succeeded, so it is not repeated
            log.warning("a job's outcome is shown, the answer odd", extra={"job": job.job_id, "error": str(error)})
        except (DeadlineExceededError, UnconfirmedError, TokenRefusedError):
            raise
        except TelegramError as error:
            log.warning("a job's outcome can't be shown", extra={"job": job.job_id, "error": str(error)})
        except Exception:  # the barrier named above
            log.exception("a job's outcome can't be shown", extra={"job": job.job_id})
            self._metrics.errors.labels(category="internal").inc()


def _stored_reason(job: jobs.Job) -> Reason:
    """Return why a recorded job failed; `internal` if this version does not know the reason in its row."""
    try:
        return Reason(job.reason or "")
    except ValueError:
        return Reason.INTERNAL


def cancelled_outcome(job: jobs.Job | None) -> Cancelled:
    """Return the outcome of a job that is recorded as cancelled. `job` is None if its row was deleted."""
    return Cancelled() if job is None else Cancelled(by_admin=job.reason == jobs.BY_ADMIN, title=job.title)

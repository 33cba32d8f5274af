"""Makes a call until it succeeds, is refused, remains unconfirmed, is superseded or runs out of time.

Owns the retrying; methods and parameters are only names and values here. `retry` decides what is retried, `pacing` when
a call may go out, `edits` which edit of a message is sent, and `requests` makes the HTTP request of one attempt.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import trio

from doradura.telegram.bodies import JsonBody
from doradura.telegram.calls import Call, CallProgress
from doradura.telegram.connections import ConnectionPool
from doradura.telegram.coordination import Coordination
from doradura.telegram.edits import MessageKey
from doradura.telegram.errors import (
    ApiError,
    ChatMigratedError,
    DeadlineExceededError,
    MessageNotFoundError,
    NotSentError,
    RateLimitedError,
    ServerError,
    TelegramError,
    UnconfirmedError,
    UnexpectedResultError,
)
from doradura.telegram.media import MediaParts
from doradura.telegram.multipart import Multipart, measure
from doradura.telegram.observer import RequestKind, TelegramObserver
from doradura.telegram.pacing import Permit, PermitTooLateError, Priority
from doradura.telegram.requests import Requester
from doradura.telegram.retry import Again, GiveUp, Raise, decide, is_paced, rate_limit_wait, unconfirmed_repeats

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
CONNECT_SECONDS = 10.0
ATTEMPT_SECONDS = 20.0
"""The longest silence within one attempt of a repeatable call (at most half of the call's time), so that a lost
connection leaves time for another attempt."""
PIECE_SECONDS = 60.0
"""The longest time that an upload may take for one piece of 1 MiB."""
UPLOAD_BYTES_PER_SECOND = 128 << 10


def upload_deadline_seconds(size_bytes: int) -> float:
    """Return the time for sending a file: what a small call gets, plus the time at 128 KiB/s."""
    return DEADLINE_SECONDS + size_bytes / UPLOAD_BYTES_PER_SECOND


class Caller:
    """Makes calls with one bot's token.

    All callers of one bot share `coordination`. `readers` bounds the threads that read files; `draw` returns random
    numbers from 0 to 1.
    """

    def __init__(
        self,
        token: str,
        *,
        api_url: str,
        observer: TelegramObserver,
        replies: ConnectionPool,
        uploads: ConnectionPool,
        polls: ConnectionPool,
        readers: trio.CapacityLimiter,
        draw: Callable[[], float],
        coordination: Coordination,
    ) -> None:
        self._host = urlsplit(api_url).hostname or api_url
        self._observer = observer
        self._replies = replies
        self._uploads = uploads
        self._polls = polls
        self._draw = draw
        self._coordination = coordination
        self._requester = Requester(token, api_url=api_url, observer=observer, reaching=coordination.reaching)
        self._pacer = coordination.pacer
        self._edits = coordination.edits
        self._readers = readers

    async def call(
        self,
        method: str,
        parameters: Mapping[str, object],
        *,
        chat_id: int | None = None,
        kind: RequestKind = "other",
        deadline_seconds: float = DEADLINE_SECONDS,
        repeat_unconfirmed: bool | None = None,
        priority: Priority = "reply",
        edits: MessageKey | None = None,
        lasting: bool = True,
    ) -> msgspec.Raw | None:
        """Call a method with small parameters and return its result.

        `chat_id` is the chat whose budget the call uses or whose holds it waits for. `edits` is the message that the
        call edits; the result is None if a newer edit of that message made this one needless, unless it is `lasting`.
        `repeat_unconfirmed` says whether the call may be repeated when it may have succeeded; by default only where
        twice has the same effect as once. Where it has not, the call is repeated at most twice. Raises the ApiError of
        a refusal, UnconfirmedError if the call may have succeeded and must not be repeated (again), and
        DeadlineExceededError after `deadline_seconds`. A cancelled call may or may not have taken effect.
        """
        repeats = unconfirmed_repeats(method, repeat=repeat_unconfirmed)
        silence = min(ATTEMPT_SECONDS, deadline_seconds / 2) if repeats else None

        def make(chat: int | None) -> Call:
            given = parameters if chat == chat_id else _elsewhere(method, parameters, chat)
            return Call(
                method=method,
                kind=kind,
                connections=self._replies,
                make_body=lambda: JsonBody(given),
                timeouts=_timeouts(write=ATTEMPT_SECONDS, read=silence),
                hold_key=method if chat is None else chat,
                priority=priority,
                paced=is_paced(method) and chat is not None,
                deadline_seconds=deadline_seconds,
                unconfirmed_repeats=repeats,
                edits=edits,
                lasting=lasting,
            )

        return await self._wherever_it_is(make, chat_id)

    async def upload(
        self,
        method: str,
        parameters: Mapping[str, object],
        media: MediaParts,
        *,
        chat_id: int,
        edits: MessageKey | None,
    ) -> msgspec.Raw:
        """Call a method with files, streamed from disk. Raises as `call` does, and UploadFileError for the file.

        The deadline depends on the size, and its time starts when one of the upload connections is free.
        """
        sizes = {name: await self._measure(method, upload.path) for name, upload in media.files.items()}
        heavy_bytes = await self._measure(method, media.heavy) if media.heavy else 0

        def make(chat: int | None) -> Call:
            assert chat is not None
            form = Multipart(
                method,
                {**(parameters if chat == chat_id else _elsewhere(method, parameters, chat)), **media.parameters},
                {name: (upload, sizes[name]) for name, upload in media.files.items()},
                limiter=self._readers,
            )
            return Call(
                method=method,
                kind="upload",
                connections=self._uploads,
                make_body=form.body,
                timeouts=_timeouts(write=PIECE_SECONDS, read=None),
                hold_key=chat,
                priority="file",
                paced=True,
                deadline_seconds=upload_deadline_seconds(max(form.length, heavy_bytes)),
                unconfirmed_repeats=unconfirmed_repeats(method, repeat=None),
                edits=edits,
                lasting=True,
                patient=True,
            )

        result = await self._wherever_it_is(make, chat_id)
        assert result is not None  # a lasting call is always answered
        return result

    async def poll(self, parameters: Mapping[str, object], *, read_seconds: float) -> msgspec.Raw:
        """Call getUpdates once, on its own connection. Raises whatever that one attempt ended in."""
        call = Call(
            method="getUpdates",
            kind="poll",
            connections=self._polls,
            make_body=lambda: JsonBody(parameters),
            timeouts=_timeouts(write=CONNECT_SECONDS, read=read_seconds),
            hold_key="getUpdates",
            priority="reply",
            paced=False,
            deadline_seconds=math.inf,
            unconfirmed_repeats=0,
        )
        return await self._requester.request(call, CallProgress(deadline=math.inf))

    async def _measure(self, method: str, path: Path) -> int:
        return await measure(method, path, limiter=self._readers)

    async def _wherever_it_is(self, make: Callable[[int | None], Call], chat_id: int | None) -> msgspec.Raw | None:
        """Make a call to a chat; once more if Telegram answers that the chat has a new id."""
        chat = None if chat_id is None else self._coordination.current_chat_id(chat_id)
        try:
            return await self._until_done(make(chat))
        except ChatMigratedError as error:
            if chat is None:
                raise
            logger.info("%s: a group became a supergroup", error.method)
            await self._coordination.record_move(chat, error.new_chat_id)
            return await self._until_done(make(error.new_chat_id))

    async def _until_done(self, call: Call) -> msgspec.Raw | None:
        """Make attempts until one decides; return None if a newer edit replaced this one."""
        progress = CallProgress(deadline=trio.current_time() + call.deadline_seconds)
        if call.edits is None:
            while (result := await self._one_attempt(call, progress, nullcontext)) is None:
                pass
            return result
        edit = self._edits.arrive(call.edits, lasting=call.lasting)
        try:
            async with _until(progress.deadline, edit.calling) as reached:
                if edit.superseded:
                    return None
                if not reached:
                    last = NotSentError(call.method, "an earlier edit of the message is on its way still")
                    raise self._given_up(call, progress, last)
                result = None
                while result is None and not edit.superseded:
                    result = await self._one_attempt(call, progress, edit.waiting)
                return result
        finally:
            self._edits.leave(call.edits, edit)

    async def _one_attempt(
        self, call: Call, progress: CallProgress, waiting: Callable[[], AbstractContextManager[object]]
    ) -> msgspec.Raw | None:
        """Wait for a permit and make one attempt; None if there may be another. `waiting` may end the waits."""
        permits: list[Permit] = []
        with waiting():
            permits.append(await self._wait_for_permit(call, progress))
        if not permits:
            return None
        progress.attempts += 1
        draw = self._draw()
        try:
            return await self._attempt_with(permits[0], call, progress, draw)
        except TelegramError as error:
            unreachable = error.unreachable if isinstance(error, NotSentError) else None
            if unreachable is not None:
                self._coordination.reaching.failed(self._host, unreachable)
            after_seconds = self._next_attempt(call, progress, error, draw)
            if after_seconds is None:
                raise
            if unreachable is None:
                logger.info("%s again in %.1f s, after: %s", call.method, after_seconds, error.detail)
        with waiting():
            await trio.sleep(after_seconds)
        return None

    async def _attempt_with(self, permit: Permit, call: Call, progress: CallProgress, draw: float) -> msgspec.Raw:
        """Make one attempt under its permit, and tell the pacer what Telegram answered."""
        with permit:
            try:
                result = await self._requester.request(call, progress)
            except RateLimitedError as error:
                seconds = rate_limit_wait(error, attempt=progress.attempts, draw=draw)
                self._pacer.hold(call.hold_key, until=trio.current_time() + seconds, permit=permit)
                raise
            except ServerError:
                raise  # the server is in trouble, which says nothing about limits
            except (ApiError, UnexpectedResultError):
                self._pacer.answered(permit)
                raise
            self._pacer.answered(permit)
            return result

    def _next_attempt(self, call: Call, progress: CallProgress, error: TelegramError, draw: float) -> float | None:
        """Return the seconds until the next attempt, or None to raise `error`. Raises DeadlineExceededError."""
        progress.unconfirmed += isinstance(error, UnconfirmedError)
        decision = decide(
            error,
            attempt=progress.attempts,
            remaining_seconds=progress.left_seconds(),
            unconfirmed_repeats_left=call.unconfirmed_repeats - (progress.unconfirmed - 1),
            draw=draw,
        )
        match decision:
            case Again(after_seconds):
                return after_seconds
            case GiveUp():
                raise self._given_up(call, progress, error) from error
            case Raise():
                return None

    def _given_up(
        self, call: Call, progress: CallProgress, last: TelegramError, *, counted: bool = True
    ) -> DeadlineExceededError:
        """Log that the call is given up, and return the error.

        `counted` is false when the chat was told to wait longer than the call had: that 429 was counted before.
        """
        if not isinstance(last, NotSentError) or last.unreachable is None:
            logger.warning("%s given up after %d attempts: %s", call.method, progress.attempts, last.detail)
        if counted:
            self._observer.given_up(call.method)
        return progress.given_up(call.method, last)

    async def _wait_for_permit(self, call: Call, progress: CallProgress) -> Permit:
        """Wait until no hold applies and the budgets allow the call. Return the permit.

        Raises DeadlineExceededError.
        """
        key, deadline = call.hold_key, progress.deadline
        try:
            if call.paced:
                assert isinstance(key, int)
                permit = await self._pacer.take_permit(key, call.priority, deadline=deadline)
            else:
                permit = await self._pacer.pass_hold(key, deadline=deadline, alert=call.priority == "alert")
        except PermitTooLateError as late:
            self._observer.rate_limited("local")
            last = RateLimitedError(call.method, "no permit in time", retry_after_seconds=late.seconds)
            raise self._given_up(call, progress, last, counted=not late.told) from last
        if permit.waited and not progress.waited:
            progress.waited = True
            self._observer.rate_limited("local")
        return permit


def _elsewhere(method: str, parameters: Mapping[str, object], chat_id: int | None) -> dict[str, object]:
    """Return the parameters for a chat that has a new id.

    Message ids started anew there, so an old id would hit somebody else's message. Raises MessageNotFoundError for
    those.
    """
    if "message_id" in parameters:
        raise MessageNotFoundError(method, 400, "Bad Request: message to edit not found: its group has another id now")
    kept = {key: value for key, value in parameters.items() if key not in {"reply_parameters", "message_thread_id"}}
    return {**kept, "chat_id": chat_id}


@asynccontextmanager
async def _until(deadline: float, lock: trio.Lock) -> AsyncIterator[bool]:
    """Hold a lock if it becomes free by then. Return whether it did."""
    reached = False
    with trio.move_on_at(deadline):
        await lock.acquire()
        reached = True
    try:
        yield reached
    finally:
        if reached:
            lock.release()


def _timeouts(*, write: float, read: float | None) -> dict[str, float | None]:
    """Return httpx's timeouts for each phase. None for the pool: our pool lends connections, so httpx never waits."""
    return {"connect": CONNECT_SECONDS, "pool": None, "write": write, "read": read}

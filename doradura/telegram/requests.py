"""Makes the HTTP request of one attempt at a call, counts it and reads its answer.

Owns the URLs, which carry the token. Knows nothing of retries, permits and holds.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from urllib.parse import quote

import httpx
import msgspec
import trio

from doradura.telegram.answers import read_answer
from doradura.telegram.bodies import Body
from doradura.telegram.calls import Call, CallProgress
from doradura.telegram.connections import HttpAnswer, exchange
from doradura.telegram.errors import NotSentError, RateLimitedError, TelegramError, UnconfirmedError
from doradura.telegram.observer import TelegramObserver
from doradura.telegram.reaching import Reaching


class Requester:
    """Makes requests with one bot's token."""

    def __init__(self, token: str, *, api_url: str, observer: TelegramObserver, reaching: Reaching) -> None:
        """`reaching` is told of each answer, since an answer shows that Telegram can be reached."""
        self._token = token
        self._base_url = f"{api_url.rstrip('/')}/bot{quote(token, safe=':')}/"
        self._urls: dict[str, httpx.URL] = {}
        self._observer = observer
        self._reaching = reaching

    async def request(self, call: Call, progress: CallProgress) -> msgspec.Raw:
        """Make one HTTP request and return the result; a patient call's time stands still until it has a connection.

        The call has its permit already: if calls waited for permits with a connection in hand, one busy group would
        block all uploads. Raises the TelegramError that the attempt ended in. A cancelled request may or may not have
        reached Telegram.
        """
        if not call.patient:
            return await self._exchange(call, progress, call.connections.take())
        asked = trio.current_time()
        async with call.connections.take() as transport:
            progress.deadline += trio.current_time() - asked
            return await self._exchange(call, progress, nullcontext(transport))

    async def _exchange(
        self, call: Call, progress: CallProgress, connection: AbstractAsyncContextManager[httpx.AsyncBaseTransport]
    ) -> msgspec.Raw:
        """Send the request and read its answer. The request is counted however it ends, except when it is cancelled."""
        started = trio.current_time()
        body = call.make_body()
        answer = None
        try:
            with trio.move_on_at(progress.deadline):
                async with connection as transport:
                    started = trio.current_time()
                    answer = await exchange(call.method, transport, self._request(call, body), body)
            result = self._result(call.method, answer, body)
        except TelegramError as error:
            self._observer.request_finished(call.method, call.kind, error.outcome, trio.current_time() - started)
            if isinstance(error, RateLimitedError):
                self._observer.rate_limited("server")
            raise
        self._observer.request_finished(call.method, call.kind, "ok", trio.current_time() - started)
        return result

    def _result(self, method: str, answer: HttpAnswer | None, body: Body) -> msgspec.Raw:
        """Return the result of an answer; None stands for an exchange that the call's deadline cut off."""
        if answer is not None:
            self._reaching.answered()
            return read_answer(method, answer.status, answer.body, retry_after=answer.retry_after, secret=self._token)
        if body.handed_over:
            raise UnconfirmedError(method, "no answer within the call's time", outcome="timeout")
        raise NotSentError(method, "not sent within the call's time", outcome="timeout")

    def _request(self, call: Call, body: Body) -> httpx.Request:
        url = self._urls.get(call.method)
        if url is None:
            url = self._urls[call.method] = httpx.URL(self._base_url + call.method)
        return httpx.Request(
            "POST",
            url,
            headers=[
                (b"Host", url.netloc),
                (b"User-Agent", b"doradura"),
                (b"Content-Type", body.content_type.encode()),
                (b"Content-Length", b"%d" % body.length),
            ],
            stream=body,
            extensions={"timeout": call.timeouts},
        )

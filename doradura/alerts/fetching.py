"""Fetches JSON from Prometheus and Alertmanager, with limits on the time and the size of an answer.

It raises MonitoringError only, with a reason from a closed set. If a request may have taken effect although its answer
never arrived, the error is `unconfirmed`. Addresses are neither logged nor put into errors, as they may contain a
password.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Literal, TypeVar

import httpx
import msgspec
import trio

ANSWER_SECONDS = 5.0
"""How long one answer may take. It is short because an admin who pressed a button waits for it."""
ANSWER_BYTES = 8 * 1024**2
SAID_UNITS = 200
THREAD_BYTES = 256 * 1024
"""Larger answers are decoded in a thread, as they would block the event loop for too long."""

MonitoringReason = Literal["unreachable", "silent", "refused", "garbage", "too_large"]
T = TypeVar("T")


class MonitoringError(Exception):
    """Prometheus or Alertmanager gave no usable answer. `status` is the HTTP status of a refusal."""

    def __init__(
        self, reason: MonitoringReason, detail: str, *, status: int | None = None, unconfirmed: bool = False
    ) -> None:
        super().__init__(detail)
        self.reason: MonitoringReason = reason
        self.detail = detail
        self.status = status
        self.unconfirmed = unconfirmed


def open_client(url: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Return a client for Prometheus or Alertmanager, which the caller closes.

    It ignores the environment's proxies, as both usually run beside the bot.
    """
    return httpx.AsyncClient(
        base_url=url,
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=ANSWER_SECONDS,
        # No pool, because a cancelled request can occupy its place there forever.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


async def fetch(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    result: type[T],
    *,
    parameters: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    body: object = None,
    most_bytes: int = ANSWER_BYTES,
    seconds: float = ANSWER_SECONDS,
) -> T:
    """Send one request and decode the answer as `result`; `bytes` returns it undecoded. Raises MonitoringError."""
    raw, _ = await fetch_raw(
        client, method, path, parameters=parameters, form=form, body=body, most_bytes=most_bytes, seconds=seconds
    )
    if result is bytes:
        return raw  # type: ignore[return-value] # that is what was asked for
    read = partial(understood, raw, result, unconfirmed=method != "GET" and form is None)
    return await trio.to_thread.run_sync(read) if len(raw) > THREAD_BYTES else read()


def understood(raw: bytes, result: type[T], *, unconfirmed: bool = False) -> T:
    """Decode an answer's body as `result`. Raises MonitoringError."""
    try:
        return msgspec.json.decode(raw, type=result)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MonitoringError("garbage", f"not understood: {error}"[:SAID_UNITS], unconfirmed=unconfirmed) from error


async def fetch_raw(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    parameters: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    body: object = None,
    most_bytes: int = ANSWER_BYTES,
    seconds: float = ANSWER_SECONDS,
) -> tuple[bytes, httpx.Headers]:
    """Send one request and return the answer's body and headers. Raises MonitoringError.

    After a cancel, a request that changes something may or may not have taken effect.
    """
    content = None if body is None else msgspec.json.encode(body)
    headers = {} if content is None else {"Content-Type": "application/json"}
    changes = method != "GET" and form is None
    try:
        with trio.fail_after(seconds):
            async with client.stream(
                method, path, params=parameters, data=form, content=content, headers=headers
            ) as response:
                raw = await _read(response, most_bytes)
    except trio.TooSlowError:
        raise MonitoringError("silent", f"no answer within {seconds:g} s", unconfirmed=changes) from None
    except httpx.ConnectError as error:
        raise MonitoringError("unreachable", str(error) or "not reachable") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise MonitoringError("silent", type(error).__name__, unconfirmed=changes) from error
    if not response.is_success:
        said = " ".join(raw[:SAID_UNITS].decode(errors="replace").split())
        # After a 5xx, which may come from a proxy, the request may still have taken effect.
        raise MonitoringError(
            "refused",
            f"{response.status_code} {said}".strip(),
            status=response.status_code,
            unconfirmed=changes and response.status_code >= 500,
        )
    return raw, response.headers


async def _read(response: httpx.Response, most_bytes: int) -> bytes:
    """Return a body of at most `most_bytes`. Raises MonitoringError if it is longer: half an answer may mislead."""
    raw = bytearray()
    stream = response.aiter_bytes()
    # If the loop ends early, the stream must be closed right here, not by the garbage collector.
    assert isinstance(stream, AsyncGenerator)
    async with contextlib.aclosing(stream):
        async for piece in stream:
            raw += piece
            if len(raw) > most_bytes:
                raise MonitoringError("too_large", f"an answer over {most_bytes // 1024**2} MB")
    return bytes(raw)

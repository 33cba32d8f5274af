"""JSON over HTTP from Prometheus and Alertmanager, with bounds: how long it takes, and how much it may be.

Raises MonitoringError alone, whose reason is from a closed set. A request that may have been carried out although its
answer never came says so (`unconfirmed`). Never logs or tells an address: there may be a password in it.
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
"""How long one answer may take: somebody waits with a finger on a button."""
ANSWER_BYTES = 8 * 1024**2
SAID_UNITS = 200
THREAD_BYTES = 256 * 1024
"""A larger answer is decoded in a thread: it takes longer than the loop may stand still."""

MonitoringReason = Literal["unreachable", "silent", "refused", "garbage", "too_large"]
T = TypeVar("T")


class MonitoringError(Exception):
    """Prometheus or Alertmanager gave no usable answer."""

    def __init__(
        self, reason: MonitoringReason, detail: str, *, status: int | None = None, unconfirmed: bool = False
    ) -> None:
        super().__init__(detail)
        self.reason: MonitoringReason = reason
        self.detail = detail
        self.status = status
        self.unconfirmed = unconfirmed


def open_client(url: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Return a client for one of the two; to be closed. No proxy of the environment's: they are our neighbours."""
    return httpx.AsyncClient(
        base_url=url,
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=ANSWER_SECONDS,
        # No pool: a request that is cut off can keep its place there for good.
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
    """Ask once, and read the answer as `result`. Raises MonitoringError."""
    raw, _ = await fetch_raw(
        client, method, path, parameters=parameters, form=form, body=body, most_bytes=most_bytes, seconds=seconds
    )
    if result is bytes:
        return raw  # type: ignore[return-value] # that is what was asked for
    read = partial(understood, raw, result, unconfirmed=method != "GET" and form is None)
    return await trio.to_thread.run_sync(read) if len(raw) > THREAD_BYTES else read()


def understood(raw: bytes, result: type[T], *, unconfirmed: bool = False) -> T:
    """Read an answer's body as `result`. Raises MonitoringError."""
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
    """Ask once, and return the answer's body and headers. Raises MonitoringError."""
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
        # An error of the server's (a proxy's, too) does not say that nothing was done.
        raise MonitoringError(
            "refused",
            f"{response.status_code} {said}".strip(),
            status=response.status_code,
            unconfirmed=changes and response.status_code >= 500,
        )
    return raw, response.headers


async def _read(response: httpx.Response, most_bytes: int) -> bytes:
    """Read a body, up to the bound: what is longer is not used at all, as half of it may say the opposite."""
    raw = bytearray()
    stream = response.aiter_bytes()
    # Left early, it must be closed here and now, not by the garbage collector.
    assert isinstance(stream, AsyncGenerator)
    async with contextlib.aclosing(stream):
        async for piece in stream:
            raw += piece
            if len(raw) > most_bytes:
                raise MonitoringError("too_large", f"an answer over {most_bytes // 1024**2} MB")
    return bytes(raw)

"""POST /alerts: who may, how much, and which answer lets Alertmanager try again."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from doradura.alerts import Reply
from doradura.web import AccessRules
from doradura.web.routes import ALERTS_LIMIT_BYTES
from tests.integration.web.conftest import Site
from tests.integration.web.test_server import answer

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
NOWHERE = (ipaddress.ip_network("192.0.2.0/24"),)
TOKEN = "s3cret-webhook-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Start = Callable[..., Awaitable[Any]]


@pytest.fixture
async def site(start: Start) -> Any:
    """A server that takes alerts with the token."""
    return await start(AccessRules(LOOPBACK, webhook_token=TOKEN))


@pytest.fixture
async def poster(site: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with httpx.AsyncClient(base_url=site.url, trust_env=False, timeout=60) as opened:
        yield opened


async def test_a_body_is_handed_over_as_it_came(site: Any, poster: httpx.AsyncClient) -> None:
    """200 with the number; whatever the Content-Type says the bytes are the sender's."""
    site.reply = Reply(200, stored=3)
    for content_type in ("application/json", "application/x-www-form-urlencoded", ""):
        answer = await poster.post("/alerts", content=b'{"a=b": 1}', headers={**BEARER, "Content-Type": content_type})
        assert (answer.status_code, answer.json()) == (200, {"stored": 3})
    assert site.bodies == [b'{"a=b": 1}'] * 3


@pytest.mark.parametrize("status", [400, 503])
async def test_a_refusal_says_why(site: Any, poster: httpx.AsyncClient, status: int) -> None:
    """What the alerts answer is the answer."""
    site.reply = Reply(status, "not stored")
    answer = await poster.post("/alerts", content=b"x", headers=BEARER)
    assert (answer.status_code, answer.json()) == (status, {"error": "not stored"})


@pytest.mark.parametrize(
    "authorization",
    [None, "", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xe9"],
)
async def test_without_the_token_nothing_is_taken(
    site: Any, poster: httpx.AsyncClient, authorization: str | None
) -> None:
    """401 with a challenge, before the body is looked at."""
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    answer = await poster.post("/alerts", content=b"x" * 2_000_000, headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert site.bodies == []


async def test_the_scheme_in_any_case(poster: httpx.AsyncClient) -> None:
    """RFC 9110: the scheme's case does not matter."""
    answer = await poster.post("/alerts", content=b"x", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.status_code == 200


async def test_foreign_networks_and_no_token(start: Start) -> None:
    """403 from a network that is not allowed, token or not; a server without a token lets nobody in."""
    for rules, status in ((AccessRules(NOWHERE, webhook_token=TOKEN), 403), (AccessRules(LOOPBACK), 401)):
        site = await start(rules)
        async with httpx.AsyncClient(base_url=site.url, trust_env=False, timeout=60) as client:
            for headers in (BEARER, {"Authorization": "Bearer"}, {}):
                assert (await client.post("/alerts", content=b"x", headers=headers)).status_code == status
        assert site.bodies == []


async def test_ten_thousand_alerts_fit_and_more_than_the_limit_does_not(site: Any, poster: httpx.AsyncClient) -> None:
    """The limit is for the whole: at it the body is taken, a byte over it nothing is, said or streamed."""
    many = json.dumps({"alerts": [{"annotations": {"description": "d" * 3000}}] * 10_000}).encode()
    assert len(many) <= ALERTS_LIMIT_BYTES
    for body in (many, b"x" * ALERTS_LIMIT_BYTES):
        assert (await poster.post("/alerts", content=body, headers=BEARER)).status_code == 200

    async def streamed() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b"x" * 1024 * 1024

    over = b"x" * (ALERTS_LIMIT_BYTES + 1)
    assert (await poster.post("/alerts", content=over, headers=BEARER)).status_code == 413
    assert (await poster.post("/alerts", content=streamed(), headers=BEARER)).status_code == 413
    assert [len(body) for body in site.bodies] == [len(many), ALERTS_LIMIT_BYTES]


async def test_a_body_that_does_not_come_may_be_sent_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stalls gets 503: a 4xx would keep Alertmanager from trying again."""
    monkeypatch.setattr("doradura.web.routes.BODY_SECONDS", 0.2)
    site = await start(AccessRules(LOOPBACK, webhook_token=TOKEN))
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        head = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 10\r\n\r\n{{"
        await stream.send_all(head.encode())
        with trio.fail_after(9):  # a body as such may take ten seconds
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 503")
    assert site.bodies == []


def head(length: int, *more: str) -> bytes:
    """The head of a webhook with so long a body."""
    lines = [f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def status(stream: trio.SocketStream) -> bytes:
    """The next answer's status."""
    with trio.fail_after(30):
        return (await stream.receive_some())[9:12]


async def test_bodies_in_hand_are_bounded_together(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bodies of 32 MiB are being read: a third, said or in chunks, is told 503, and is taken once one is done."""
    whole = ALERTS_LIMIT_BYTES
    async with AsyncExitStack() as stack:
        one, two, three, four = [
            await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", site.port)) for _ in range(4)
        ]
        for stream in (one, two):
            await stream.send_all(head(whole, "Expect: 100-continue"))
            assert await status(stream) == b"100"
        await three.send_all(head(1))
        assert await status(three) == b"503"
        await four.send_all(head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"1\r\nx\r\n")
        assert await status(four) == b"503"
        await one.send_all(b"x" * whole)
        assert await status(one) == b"200"
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as later:
            await later.send_all(head(1) + b"x")
            assert await status(later) == b"200"
    assert [len(body) for body in site.bodies] == [whole, 1]


async def test_bodies_count_until_they_are_stored(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that was read is in hand while it is parsed and stored; when that breaks, its bytes are free again."""
    monkeypatch.setattr("doradura.web.routes.BODIES_LIMIT_BYTES", 10)
    inside, done = trio.Event(), trio.Event()

    async def accept(body: bytes) -> Reply:
        inside.set()
        await done.wait()
        raise ValueError(body)

    other = Site()
    other.accept = accept  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        await nursery.start(other.run, other.server(("127.0.0.1", 0), AccessRules(LOOPBACK, webhook_token=TOKEN)))
        async with httpx.AsyncClient(base_url=other.url, trust_env=False, timeout=60) as client:
            async with trio.open_nursery() as posting:
                posting.start_soon(partial(client.post, "/alerts", content=b"x" * 10, headers=BEARER))
                await inside.wait()
                assert (await client.post("/alerts", content=b"x", headers=BEARER)).status_code == 503
                done.set()
            assert (await client.post("/alerts", content=b"x" * 10, headers=BEARER)).status_code == 500
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("end", ["slow", "gone"])
async def test_a_body_that_does_not_come_holds_nothing(start: Start, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Bytes that were announced are free again once their time is over, or their sender has left."""
    monkeypatch.setattr("doradura.web.routes.BODY_SECONDS", 0.3 if end == "slow" else 60)
    site = await start(AccessRules(LOOPBACK, webhook_token=TOKEN))
    streams = [await trio.open_tcp_stream("127.0.0.1", site.port) for _ in range(2)]
    for stream in streams:
        await stream.send_all(head(ALERTS_LIMIT_BYTES, "Expect: 100-continue"))
        assert await status(stream) == b"100"
        if end == "slow":
            await stream.send_all(b"{")
        else:
            await trio.aclose_forcefully(stream)
    async with httpx.AsyncClient(base_url=site.url, trust_env=False, timeout=60) as client:
        with trio.fail_after(9 if end == "slow" else 30):  # a body as such may take ten seconds
            while (await client.post("/alerts", content=b"x", headers=BEARER)).status_code != 200:
                pass
    for stream in streams:
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(
    ("authorization", "expected"), [("", b"401"), (f"Authorization: Bearer {TOKEN}x\r\n", b"401"), (None, b"413")]
)
async def test_a_refused_body_is_not_asked_for(site: Any, authorization: str | None, expected: bytes) -> None:
    """Who waits to be told to go on with the body is told why not in its stead."""
    sent = head(1_000_000, "Expect: 100-continue") if authorization is not None else head(10**9, "Expect: 100-continue")
    if authorization is not None:
        sent = sent.replace(f"Authorization: Bearer {TOKEN}\r\n".encode(), authorization.encode())
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(sent)
        assert await status(stream) == expected


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n", b"-1\r\n", b"1\nx\n", b"2\r\nx\r\n0\r\n", b"1\r\nxx\r\n", b"f" * 21 + b"\r\n"]
)
async def test_a_body_that_is_framed_wrong_is_a_400(site: Any, chunk: bytes) -> None:
    """Chunks that are none are the sender's fault: nothing is handed over, and the connection ends."""
    sent = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + chunk + b"0\r\n\r\n"
    found = await answer(site.port, sent)
    assert found.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in found.lower()
    assert site.bodies == []
    assert site.errors("http") == 0.0


async def test_a_route_that_breaks_is_a_500(site: Any, poster: httpx.AsyncClient) -> None:
    """Counted, and for Alertmanager a reason to try again."""
    site.break_with = ValueError("broken")
    assert (await poster.post("/alerts", content=b"x", headers=BEARER)).status_code == 500
    assert site.errors("http") == 1.0


async def test_only_post(poster: httpx.AsyncClient) -> None:
    """Another method is 405, with the token; without it nothing is said."""
    assert (await poster.get("/alerts", headers=BEARER)).status_code == 405
    assert (await poster.get("/alerts")).status_code == 401

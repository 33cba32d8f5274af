"""POST /alerts: who may, how much, and which answer lets Alertmanager try again."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio

from doradura.alerts import Reply
from doradura.web import AccessRules
from doradura.web.routes import ALERTS_LIMIT_BYTES

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
        async with httpx.AsyncClient(base_url=site.url, trust_env=False) as client:
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
        with trio.fail_after(10):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 503")
    assert site.bodies == []


async def test_a_route_that_breaks_is_a_500(site: Any, poster: httpx.AsyncClient) -> None:
    """Counted, and for Alertmanager a reason to try again."""
    site.break_with = ValueError("broken")
    assert (await poster.post("/alerts", content=b"x", headers=BEARER)).status_code == 500
    assert site.errors("http") == 1.0


async def test_only_post(poster: httpx.AsyncClient) -> None:
    """Another method is 405, with the token; without it nothing is said."""
    assert (await poster.get("/alerts", headers=BEARER)).status_code == 405
    assert (await poster.get("/alerts")).status_code == 401

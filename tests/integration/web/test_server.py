from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from doradura.web import AccessRules, BindError, connection_limits, server
from tests.ports import free_port

Start = Callable[..., Awaitable[Any]]

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def deaf_client(port: int, sent: bytes) -> socket.socket:
    """A client with a small window that sends and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", port))
    client.sendall(sent)
    return client


async def answer(port: int, sent: bytes) -> bytes:
    """What comes back until the server closes."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(sent)
        parts = []
        with trio.fail_after(30):
            try:
                async for part in stream:
                    parts.append(part)  # noqa: PERF401 - what came before a reset counts
            except trio.BrokenResourceError:
                pass
        return b"".join(parts)


async def test_two_servers_in_one_process(start: Start) -> None:
    """Each has its own port, metrics and health."""
    one, two = await start(), await start()
    one.health.mark_running()
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        assert (await client.get(f"{one.url}/health")).status_code == 200
        assert (await client.get(f"{two.url}/health")).status_code == 503


async def test_ipv6(start: Start) -> None:
    """An IPv6 address is served, and its URL can be used as it stands."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    site = await start(bind=("::1", 0))
    assert site.url == f"http://[::1]:{site.port}"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        assert (await client.get(f"{site.url}/metrics")).status_code == 200


async def test_taken_port_is_explained(site: Any) -> None:
    """A bind error names the port and the setting."""
    with pytest.raises(BindError) as caught:
        await site.server(("127.0.0.1", site.port)).run()
    text = str(caught.value)
    assert f"port {site.port} is taken" in text
    assert "DORADURA_HTTP_BIND" in text


async def test_foreign_address_is_explained(site: Any) -> None:
    """An address this machine doesn't have is said to be one."""
    with pytest.raises(BindError, match=r"no address 192\.0\.2\.1.*DORADURA_HTTP_BIND"):
        await site.server(("192.0.2.1", 0)).run()


async def test_port_is_free_after_the_end_although_a_child_lives(start: Start, nursery: trio.Nursery) -> None:
    """No child inherits the listening socket, so a restart finds its port free."""
    bind = ("127.0.0.1", free_port())
    site = await start(bind=bind)
    run = partial(
        trio.run_process, [sys.executable, "-c", "input()"], close_fds=False, stdin=subprocess.PIPE, check=False
    )
    child: trio.Process = await nursery.start(run)
    site.scope.cancel()
    await site.ended.wait()
    again = await start(bind=bind)
    assert again.port == site.port == bind[1]
    assert child.returncode is None
    child.kill()


async def test_end_waits_for_nobody(start: Start) -> None:
    """An idle keep-alive client, one in the middle of its head and one that doesn't read an answer are cut at once."""
    site = await start()
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await client.get(f"{site.url}/metrics")
        half = deaf_client(site.port, b"GET /metr")
        deaf = deaf_client(site.port, REQUEST * 100)
        # A request of ours answered after theirs were sent: the server has theirs in hand.
        await client.get(f"{site.url}/metrics")
        site.scope.cancel()
        with trio.fail_after(server.SEND_SECONDS * 0.75):
            await site.ended.wait()
        half.close()
        deaf.close()


async def test_many_slow_clients_hurt_nobody(start: Start) -> None:
    """With twenty clients that send half a head or don't read, a scrape is answered as ever."""
    site = await start()
    slow = [deaf_client(site.port, REQUEST * 100 if number % 2 else b"GET /metr") for number in range(20)]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for _ in range(5):
            with trio.fail_after(server.SEND_SECONDS * 0.75):
                assert (await client.get(f"{site.url}/metrics")).status_code == 200
    assert site.errors("http") == 0.0
    for connection in slow:
        connection.close()


async def test_slow_head_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who doesn't finish a request's head in time is disconnected."""
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    site = await start()
    with trio.fail_after(20):
        assert await answer(site.port, b"GET /metr") == b""


async def test_deaf_client_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who doesn't read is disconnected after a while, and that is no error of ours."""
    monkeypatch.setattr(server, "SEND_SECONDS", 0.3)
    site = await start()
    deaf = deaf_client(site.port, REQUEST * 100)
    # An end of file is no sign here, because there is data before it that we don't read: the poll shows the reset.
    poll = select.poll()
    poll.register(deaf, 0)
    with trio.fail_after(15):
        events = await trio.to_thread.run_sync(poll.poll, 15_000)
    assert events
    assert events[0][1] & (select.POLLHUP | select.POLLERR)
    deaf.close()
    assert site.errors("http") == 0.0


async def test_too_many_connections_are_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the limit, and over the open pages' places, a connection is closed unanswered; later there is room again."""
    monkeypatch.setattr(server, "CONNECTION_LIMIT", 2)
    monkeypatch.setattr(connection_limits, "STRANGER_LIMIT", 1)
    site = await start()
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    streams = [await trio.open_tcp_stream("127.0.0.1", site.port) for _ in range(3)]
    for stream in streams:
        await stream.send_all(health)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 503")
    assert await answer(site.port, b"") == b""
    for stream in streams:
        await stream.aclose()
    found = b""
    with trio.fail_after(30):
        while not found:
            found = await answer(site.port, health.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert found.startswith(b"HTTP/1.1 503")


async def test_refusal_reaches_who_still_sends(site: Any) -> None:
    """A client refused in the middle of its body reads why, instead of a reset."""
    head = b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(head)
        first = await stream.receive_some()
        await stream.send_all(b"x" * 1_000_000)
        await stream.send_eof()
        with trio.fail_after(30):
            rest = b"".join([part async for part in stream])
    assert (first + rest).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("sent", "begin"),
    [
        (b"\x00\x01\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET /metrics HTTP/1.0\r\n\r\n", b"HTTP/1.1 200"),
        (b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 404"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 404"),
        (
            b"GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text;version=x\r\n\r\n",
            b"HTTP/1.1 200",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400"),
    ],
)
async def test_odd_requests_are_answered(site: Any, sent: bytes, begin: bytes) -> None:
    """What is no HTTP is a 400, what is strange HTTP gets its answer, and none of it is an error of ours."""
    assert (await answer(site.port, sent)).startswith(begin)
    assert site.errors("http") == 0.0


async def test_websocket_is_refused(site: Any) -> None:
    """There is nothing to upgrade to."""
    head = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\n" + head + key)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 4")
    assert site.errors("http") == 0.0


async def test_guard_holds_for_http2_too(start: Start) -> None:
    """The upgrade to HTTP/2 is no way around the networks."""
    site = await start(AccessRules(()))
    sent = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(sent + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        parts = b""
        with trio.fail_after(30):
            while b"DORADURA_ALLOWED_NETWORKS" not in parts:
                parts += await stream.receive_some()
    assert b"doradura_build_info" not in parts

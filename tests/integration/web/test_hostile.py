"""Clients that mean no good, over real sockets: odd heads, other spellings of a path, trickles, HTTP/2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from quart import request

from doradura.web import AccessRules, routes, server
from tests.integration.web.test_server import answer

Start = Callable[..., Awaitable[Any]]

END = b"Host: x\r\nConnection: close\r\n\r\n"

HOSTILE = {
    "a head of 200 kB": (b"GET /health HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n" + END, b"431"),
    "a path of 70 kB": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + END, b"431"),
    "2,000 headers": (b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 2_000 + END, b"503"),
    "two lengths": (b"POST /health HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n" + END + b"hello!", b"400"),
    "a length twice": (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n" + END + b"hello", b"405"),
    "a length that is no number": (b"POST /health HTTP/1.1\r\nContent-Length: 0x5\r\n" + END, b"400"),
    "a coding nobody knows": (b"POST /health HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + END, b"501"),
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\nG",
        b"400",
    ),
    "chunks and a length": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n" + END + b"0\r\n\r\n",
        b"400",
    ),
    "a coding twice": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n" + END, b"501"),
    "two codings": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n" + END, b"501"),
    "a coding with a tab": (b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n" + END, b"400"),
    "a coding with a space before its colon": (b"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n" + END, b"400"),
    "chunks in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\n", b"400"),
    "two lengths in one": (b"POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n" + END + b"hello!", b"400"),
    "a negative length": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n" + END, b"400"),
    "a length with a sign": (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n" + END + b"hello", b"400"),
    "an empty length": (b"POST / HTTP/1.1\r\nContent-Length:\r\n" + END, b"400"),
    "a huge length": (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" + END, b"413"),
    "a length of 5,000 digits": (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n" + END, b"400"),
    "a line that goes on": (b"GET /health HTTP/1.1\r\nX: a\r\n b\r\n" + END, b"400"),
    "a coding on a line that goes on": (b"POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n" + END, b"400"),
    "a bare LF": (b"GET /health HTTP/1.1\nHost: x\nConnection: close\n\n", b"400"),
    "one bare LF": (b"GET /health HTTP/1.1\r\nX: y\nContent-Length: 5\r\n" + END, b"400"),
    "a head that ends with a bare LF": (b"GET /health HTTP/1.1\r\nHost: x\r\n\n", b"400"),
    "a bare CR": (b"GET /health HTTP/1.1\r\nX: y\rContent-Length: 5\r\n" + END, b"400"),
    "a NUL in a header": (b"GET /health HTTP/1.1\r\nX: a\x00b\r\n" + END, b"400"),
    "a header without a colon": (b"GET /health HTTP/1.1\r\nX\r\n" + END, b"400"),
    "an empty line first": (b"\r\nGET /health HTTP/1.1\r\n" + END, b"400"),
    "a chunk that is none": (b"POST /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + END + b"zz\r\n", b"40"),
    "two hosts": (b"GET /health HTTP/1.1\r\nHost: a\r\n" + END, b"400"),
    "a host of somebody else": (b"GET /health HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n", b"503"),
    "a host that is none": (b"GET /health HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n", b"503"),
    "a URL for a path": (b"GET http://other.example/health HTTP/1.1\r\n" + END, b"503"),
    "a URL that breaks parsers": (b"GET http://[x/nowhere HTTP/1.1\r\n" + END, b"404"),
    "a target that is none": (b"GET ? HTTP/1.1\r\n" + END, b"400"),
    "a tunnel": (b"CONNECT other.example:80 HTTP/1.1\r\n" + END, b"400"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
    "a method of their own": (b"FOO /health HTTP/1.1\r\n" + END, b"405"),
    "TRACE": (b"TRACE /health HTTP/1.1\r\n" + END, b"405"),
    "a method in a header": (b"POST / HTTP/1.1\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n" + END, b"405"),
    "bytes that are no text": (b"GET /health HTTP/1.1\r\nCookie: \xff=\xfe\r\nAccept: \xff\r\n" + END, b"503"),
    "a query that is no text": (b"GET /health?%ff=%00&a HTTP/1.1\r\n" + END, b"503"),
    "a NUL": (b"GET /health%00 HTTP/1.1\r\n" + END, b"404"),
    "dots": (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + END, b"404"),
    "dots before a path": (b"GET /%2e/health HTTP/1.1\r\n" + END, b"404"),
    "a body nobody wants": (b"GET /health HTTP/1.1\r\nContent-Length: 50\r\n" + END, b"503"),
    "HTTP/0.9": (b"GET /health\r\n\r\n", b"400"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_requests_are_answered(site: Any, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each has the status of its kind (503: /health while starting), nothing in our log, and is no error of ours."""
    sent, status = HOSTILE[what]
    assert (await answer(site.port, sent)).startswith(b"HTTP/1.1 " + status)
    assert site.errors("http") == 0.0
    assert not caplog.records


SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a="\nb\r\nx\r\n0\r\n\r\n',
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: y\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n",
    ],
)
async def test_nothing_follows_a_request_whose_end_is_doubtful(site: Any, sent: bytes) -> None:
    """One answer, and the connection ends: what stands behind is not taken for a request."""
    found = await answer(site.port, sent + SMUGGLED)
    assert found.startswith(b"HTTP/1.1 ")
    assert found.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in found.lower()
    assert b"doradura_build_info" not in found


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
async def test_no_spelling_is_a_way_around_the_networks(start: Start, method: bytes) -> None:
    """However the path is written, who may not see the page does not."""
    site = await start(AccessRules(()))
    for path in (
        *(b"/metrics", b"//metrics", b"///metrics", b"/%6detrics", b"/metrics?", b"/metrics;a", b"/metrics/"),
        *(b"http://x/metrics", b"http://x//metrics", b"/./metrics", b"/x/../metrics", b"/%2fmetrics", b"/metrics%20"),
        *(b"/", b"//", b"/?", b"http://x", b"http://x?y", b"/%2f", b"/%2e", b"/\\metrics", b"*"),
    ):
        found = await answer(site.port, method + b" " + path + b" HTTP/1.1\r\n" + END)
        assert found[9:12] in {b"403", b"404", b"405"}, path
        assert b"doradura_build_info" not in found
        assert b"uptime" not in found


async def test_http2_is_not_spoken(site: Any) -> None:
    """An upgrade to HTTP/2 is not heard: its streams would escape the limits on time."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    found = await answer(
        site.port, b"GET /health HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n" + b"GET / HTTP/1.1\r\n" + END
    )
    assert found.startswith(b"HTTP/1.1 503")
    assert b"HTTP/1.1 101" not in found


async def trickle(stream: trio.abc.SendStream) -> None:
    """Send a letter ten times a second until that fails."""
    while True:
        await stream.send_all(b"x")
        await trio.sleep(0.1)


async def trickle_on(stream: trio.abc.SendStream) -> None:
    """Trickle until the other side has had enough."""
    with suppress(trio.BrokenResourceError):
        await trickle(stream)


async def test_trickling_head_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that comes letter by letter has the same time as any: each letter does not begin it anew."""
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.5)
    site = await start()
    began = trio.current_time()
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(b"GET /health HTTP/1.1\r\nX: ")
        with trio.fail_after(20), pytest.raises(trio.BrokenResourceError):
            await trickle(stream)
        assert trio.current_time() - began >= 0.5


@pytest.fixture
def with_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more route, that reads its body."""
    built = routes.build_app

    def build(*arguments: Any) -> Any:
        app = built(*arguments)

        @app.post("/read")
        async def read() -> dict[str, int]:
            return {"bytes": len(await request.get_data())}

        return app

    monkeypatch.setattr(server, "build_app", build)


@pytest.mark.usefixtures("with_a_reader")
async def test_trickling_body_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that comes letter by letter is a 408 after its time, with the letters still coming."""
    monkeypatch.setattr(routes, "BODY_SECONDS", 0.5)
    site = await start()
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream, trio.open_nursery() as nursery:
        await stream.send_all(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")
        nursery.start_soon(trickle_on, stream)
        with trio.fail_after(9):  # a body as such may take ten seconds
            found = await stream.receive_some()
            assert found.startswith(b"HTTP/1.1 408")
            while found:
                found = await stream.receive_some()
        nursery.cancel_scope.cancel()
    assert site.errors("http") == 0.0


@pytest.mark.usefixtures("with_a_reader")
async def test_body_without_a_length_is_limited_too(site: Any) -> None:
    """A body in chunks is read up to the limit and refused over it."""

    def chunked(size: int) -> bytes:
        return b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"

    head = b"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + END
    assert b'{"bytes":1048576}' in await answer(site.port, head + chunked(1024 * 1024))
    found = await answer(site.port, head + chunked(1024 * 1024 + 1))
    assert found.startswith(b"HTTP/1.1 413")
    assert b'{"error":"request entity too large"}' in found
    assert site.errors("http") == 0.0

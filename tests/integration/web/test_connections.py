"""Many connections, ended and abandoned ones: who still gets an answer, and how soon a place is free again."""

from __future__ import annotations

import errno
import ipaddress
import select
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio

from doradura.web import AccessRules, server
from doradura.web.access import IPAddress
from doradura.web.connection_limits import ConnectionLimits, ConnectionSlot, Room
from tests.integration.web.test_server import answer

Start = Callable[..., Awaitable[Any]]

TOKEN = "s3cret-webhook-token"
ALLOWED = "127.0.0.7"
STRANGER = "127.0.0.66"
RULES = AccessRules((ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network(f"{ALLOWED}/32")), webhook_token=TOKEN)
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PROBE = SCRAPE.replace(b"metrics", b"livez")
WEBHOOK = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}".encode()


class Held(ConnectionLimits):
    """Places that tell how many were taken since the start, and how many still are."""

    taken = 0
    now = 0

    def take(self, address: IPAddress | None) -> ConnectionSlot | None:
        place = super().take(address)
        if place is not None:
            self.taken += 1
            self.now += 1
        return place

    def give_back(self, place: ConnectionSlot) -> None:
        super().give_back(place)
        self.now -= 1

    def count(self, room: Room) -> int:
        """Return how many places of a room are taken."""
        return self._rooms[room]

    async def free(self, *, after: int, seconds: float = server.IDLE_SECONDS * 0.7) -> None:
        """Wait until so many places were taken and none is, much less than any time limit of the server's."""
        with trio.fail_after(seconds):
            while self.taken < after or self.now:  # noqa: ASYNC110 - the server has no event for it
                await trio.sleep(0.005)
        assert not +self._rooms, "a room's count is off"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Held]:
    """The places of the server that was started last."""
    made: list[Held] = []

    def make(*arguments: Any, **options: Any) -> Held:
        made.append(Held(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(server, "ConnectionLimits", make)
    return lambda: made[-1]


async def opened(stack: AsyncExitStack, port: int, source: str, count: int) -> list[trio.SocketStream]:
    """Open connections from an address; give those that the server keeps."""
    streams = []
    for _ in range(count):
        stream = await trio.open_tcp_stream("127.0.0.1", port, local_address=source)
        stack.push_async_callback(trio.aclose_forcefully, stream)
        streams.append(stream)
    # One after the other is accepted: an answer to a later connection of ours means that all have been judged.
    await answer(port, PROBE)
    poll = select.poll()
    for stream in streams:
        poll.register(stream.socket, select.POLLIN)
    ended = {number for number, _ in poll.poll(0)}
    return [stream for stream in streams if stream.socket.fileno() not in ended]


async def served(port: int, source: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """The status lines of a scrape and of a webhook from an address."""
    found = []
    for sent in (SCRAPE, WEBHOOK):
        async with await trio.open_tcp_stream("127.0.0.1", port, local_address=source) as stream:
            with trio.fail_after(30):
                await stream.send_all(sent)
                found.append((await stream.receive_some())[:12])
    return found[0], found[1]


SERVED = (b"HTTP/1.1 200", b"HTTP/1.1 200")


@pytest.mark.parametrize(("source", "count"), [(STRANGER, 16), (ALLOWED, 64)])
async def test_a_thousand_connections_at_once(
    start: Start, monkeypatch: pytest.MonkeyPatch, source: str, count: int
) -> None:
    """A stranger keeps 16 and an allowed address 64, the rest is cut at once; scrapes and webhooks come through."""
    monkeypatch.setattr(server, "STRANGER_IDLE_SECONDS", server.IDLE_SECONDS)
    site = await start(RULES)
    async with AsyncExitStack() as stack:
        assert len(await opened(stack, site.port, source, 300)) == count
        assert await served(site.port) == SERVED
        if source == STRANGER:
            assert await served(site.port, ALLOWED) == SERVED
        assert len(await opened(stack, site.port, source, 100)) == 0
    assert site.errors("http") == 0.0


async def test_strangers_are_answered_on_the_open_pages_only(start: Start) -> None:
    """/health, /livez and /readyz answer every network; everything else is 403 for a stranger."""
    site = await start(RULES)
    site.health.mark_running()
    for path in ("/health", "/livez", "/readyz", "/metrics", "/", "/alerts", "/runbooks/", "/runbooks/BotDown", "/no"):
        async with await trio.open_tcp_stream("127.0.0.1", site.port, local_address=STRANGER) as stream:
            await stream.send_all(SCRAPE.replace(b"/metrics", path.encode()))
            found = await stream.receive_some()
        expected = b"200" if path in {"/health", "/livez", "/readyz"} else b"403"
        assert found[9:12] == expected, path


async def test_a_port_scan_holds_no_place(start: Start, held: Callable[[], Held]) -> None:
    """Connections that are opened and closed without a byte, by FIN or by reset, give their places back at once."""
    site = await start(RULES)
    for number in range(300):
        stream = await trio.open_tcp_stream("127.0.0.1", site.port, local_address=STRANGER)
        if number % 2:
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)
        await trio.lowlevel.checkpoint()
    await held().free(after=300, seconds=server.STRANGER_IDLE_SECONDS * 0.8)
    assert await served(site.port) == SERVED
    assert site.errors("http") == 0.0


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"\x16\x03", SCRAPE, WEBHOOK, WEBHOOK[:-1], WEBHOOK[:60]])
@pytest.mark.parametrize("end", ["fin", "half", "reset"])
async def test_an_ended_connection_is_given_back(start: Start, held: Callable[[], Held], sent: bytes, end: str) -> None:
    """Whatever had come before its end, a connection's place is free at once, and its end is no error of ours."""
    site = await start(RULES)
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(sent)
        if end == "half":
            await stream.send_eof()
            await held().free(after=1)
        elif end == "reset":
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.socket.close()
    await held().free(after=1)
    assert site.errors("http") == 0.0


@pytest.mark.parametrize(("sent", "begin"), [(SCRAPE, b"HTTP/1.1 200"), (WEBHOOK, b"HTTP/1.1 200")])
async def test_half_closed_after_a_whole_request_is_answered(start: Start, sent: bytes, begin: bytes) -> None:
    """A client that says it sends nothing more still wants its answer."""
    site = await start(RULES)
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
        await stream.send_all(sent)
        await stream.send_eof()
        with trio.fail_after(30):
            found = b"".join([part async for part in stream])
    assert found.startswith(begin)
    assert found.endswith((b"\n", b"}"))


async def test_a_client_that_vanished_is_given_up(
    start: Start, held: Callable[[], Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any sign of its end a connection has the idle time; a stranger's has its own, shorter one."""
    monkeypatch.setattr(server, "STRANGER_IDLE_SECONDS", 0.2)
    site = await start(RULES)
    async with AsyncExitStack() as stack:

        async def vanish(source: str) -> None:
            stream = await trio.open_tcp_stream("127.0.0.1", site.port, local_address=source)
            stack.push_async_callback(trio.aclose_forcefully, stream)

        await vanish(ALLOWED)
        await vanish(STRANGER)
        with trio.fail_after(server.IDLE_SECONDS * 0.7):
            while held().taken < 2 or held().now != 1:  # noqa: ASYNC110 - the server has no event for it
                await trio.sleep(0.005)
        assert (held().count("stranger"), held().count("kept")) == (0, 1)
    await held().free(after=2)
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    async with AsyncExitStack() as stack:
        await vanish(ALLOWED)
        await held().free(after=3, seconds=20)


async def test_a_slow_head_from_everywhere(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slowloris from a stranger and from an allowed address leaves the scrape and the webhook alone."""
    monkeypatch.setattr(server, "STRANGER_IDLE_SECONDS", server.IDLE_SECONDS)
    site = await start(RULES)
    async with AsyncExitStack() as stack:
        slow = await opened(stack, site.port, STRANGER, 16) + await opened(stack, site.port, ALLOWED, 64)
        assert len(slow) == 80
        for _ in range(3):
            for stream in slow:
                await stream.send_all(b"G")
            assert await served(site.port) == SERVED


async def test_no_descriptor_left(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without descriptors accepting rests and goes on by itself: said once, counted once, and nobody is lost."""
    short = iter([errno.EMFILE, errno.ENFILE, errno.EMFILE])
    accepting = trio.SocketListener.accept
    tries = 0

    async def accept(self: trio.SocketListener) -> trio.SocketStream:
        nonlocal tries
        tries += 1
        number = next(short, None)
        if number is not None:
            await trio.lowlevel.checkpoint()
            raise OSError(number, "Too many open files")
        return await accepting(self)

    monkeypatch.setattr(trio.SocketListener, "accept", accept)
    site = await start(RULES)
    assert await served(site.port) == SERVED
    assert tries < 10
    assert site.errors("http") == 1.0
    assert [record.getMessage() for record in caplog.records] == [
        "can't accept connections; raise the limit of open files"
    ]

"""The border to httpx, and the lending of connections."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest
import trio

from doradura.telegram.bodies import JsonBody
from doradura.telegram.connections import TRANSPORT_ERRORS, ConnectionPool, exchange, translate
from doradura.telegram.errors import NotSentError, TelegramError, UnconfirmedError

HTTPX_ERRORS = sorted(
    (
        thing
        for thing in vars(httpx).values()
        if isinstance(thing, type) and issubclass(thing, Exception) and not issubclass(thing, Warning)
    ),
    key=lambda error: error.__name__,
)


def made(error: type[Exception]) -> Exception:
    """Make an instance without its constructor, as httpx's take different arguments; its text has the token in it."""
    exc = error.__new__(error)
    exc.args = ("https://api.telegram.org/bot1:SECRET/getMe",)
    return exc


def test_every_httpx_exception_has_a_mapping() -> None:
    """An exception that a newer httpx brings fails this test until somebody has said what it means."""
    assert set(TRANSPORT_ERRORS) == set(HTTPX_ERRORS)


@pytest.mark.parametrize("error", HTTPX_ERRORS)
@pytest.mark.parametrize("handed_over", [False, True])
def test_translation_keeps_apart_what_may_have_arrived(error: type[Exception], *, handed_over: bool) -> None:
    """Only a request that was written whole can be unconfirmed, and no translated text quotes the original's."""
    translated = translate("sendMessage", made(error), handed_over=handed_over)

    unconfirmed = handed_over and TRANSPORT_ERRORS[error][0] == "by body"
    assert type(translated) is (UnconfirmedError if unconfirmed else NotSentError)
    assert translated.outcome == TRANSPORT_ERRORS[error][1]
    assert "SECRET" not in str(translated)


def caused(error: Exception, *causes: Exception) -> Exception:
    """Chain errors as httpx, httpcore and trio do."""
    for outer, inner in zip((error, *causes), causes, strict=False):
        outer.__cause__ = inner
    return error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (caused(httpx.ConnectError("x"), OSError("all failed"), socket.gaierror(-2, "unknown")), "name not found"),
        (caused(httpx.ConnectError("x"), ConnectionRefusedError(111, "Connection refused")), "connection refused"),
        (caused(httpx.ConnectError("x"), OSError(101, "Network is unreachable")), "network is unreachable"),
        (caused(httpx.ConnectError("x"), ssl.SSLCertVerificationError(1, "x")), "its certificate is not trusted"),
        (caused(httpx.ConnectError("x"), ExceptionGroup("", [ConnectionRefusedError(111, "x")])), "connection refused"),
        (httpx.ConnectTimeout("x"), "no answer"),
        (httpx.ConnectError("https://a/bot1:SECRET"), "ConnectError"),
        (httpx.WriteError("x"), None),
        (httpx.PoolTimeout("x"), None),
    ],
)
def test_why_there_is_no_connection(error: Exception, why: str | None) -> None:
    """In words that say what to look at, and never in httpx's own, which may hold the token."""
    translated = translate("getMe", error, handed_over=False)
    assert isinstance(translated, NotSentError)
    assert translated.unreachable == why


@pytest.mark.parametrize(
    ("error", "handed_over", "expected", "outcome"),
    [
        (httpx.ConnectError, True, NotSentError, "network"),
        (httpx.ConnectTimeout, True, NotSentError, "timeout"),
        (httpx.PoolTimeout, True, NotSentError, "timeout"),
        (httpx.WriteError, False, NotSentError, "network"),
        (httpx.WriteTimeout, False, NotSentError, "timeout"),
        (httpx.ReadError, False, NotSentError, "network"),
        (httpx.ReadError, True, UnconfirmedError, "network"),
        (httpx.ReadTimeout, True, UnconfirmedError, "timeout"),
        (httpx.RemoteProtocolError, True, UnconfirmedError, "network"),
    ],
)
def test_the_usual_failures(
    error: type[Exception], expected: type[TelegramError], outcome: str, *, handed_over: bool
) -> None:
    """Failing to connect or to write is "not sent"; failing to read after all was written is "unconfirmed"."""
    translated = translate("getMe", made(error), handed_over=handed_over)

    assert (type(translated), translated.outcome) == (expected, outcome)


class Answering(httpx.AsyncBaseTransport):
    """A transport that takes the body and answers; remembers that it was closed."""

    def __init__(self, content: bytes = b"{}") -> None:
        self.content = content
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return httpx.Response(200, content=self.content)

    async def aclose(self) -> None:
        self.closed = True


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer over the limit is no answer, so that a foreign server cannot fill the memory."""
    monkeypatch.setattr("doradura.telegram.connections.ANSWER_BYTES", 10)
    body = JsonBody({})
    request = httpx.Request("POST", "http://server/", stream=body)

    with pytest.raises(UnconfirmedError, match="more than 10 bytes"):
        await exchange("getMe", Answering(b"x" * 11), request, body)


async def test_a_sound_connection_is_used_again_and_a_failed_one_is_not() -> None:
    """What failed is closed and replaced; what worked is lent again before a new one is made."""
    made_transports: list[Answering] = []

    def make() -> Answering:
        made_transports.append(Answering())
        return made_transports[-1]

    pool = ConnectionPool(4, make)
    async with pool.take() as first:
        pass
    async with pool.take() as second:
        assert second is first
    with pytest.raises(KeyError):
        async with pool.take():
            raise KeyError
    assert made_transports[0].closed
    async with pool.take() as third:
        assert third is not first
    await pool.aclose()

    assert [transport.closed for transport in made_transports] == [True, True]


async def test_a_cancelled_connection_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    """A request cut off in the middle leaves its connection in an unknown state, so it is thrown away."""
    transport = Answering()
    pool = ConnectionPool(1, lambda: transport)

    with trio.move_on_after(1):
        async with pool.take():
            await trio.sleep_forever()

    assert transport.closed


async def test_no_more_connections_than_allowed(autojump_clock: trio.testing.MockClock) -> None:
    """The work in flight is bounded by the number of lines; the rest waits its turn."""
    pool = ConnectionPool(2, Answering)
    inside = 0
    most = 0

    async def work() -> None:
        nonlocal inside, most
        async with pool.take():
            inside += 1
            most = max(most, inside)
            await trio.sleep(1)
            inside -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(work)

    assert most == 2
    assert trio.current_time() == pytest.approx(3)

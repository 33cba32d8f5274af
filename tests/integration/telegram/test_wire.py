"""The client against real sockets that tear, keep silent and talk nonsense."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from doradura.telegram import errors
from doradura.telegram.client import BotApi, open_bot_api
from doradura.telegram.media import Media
from doradura.telegram.observer import SilentObserver
from doradura.telegram.poller import Poller, RawUpdate

KNOWN = Media("audio", "FILE")


async def test_connections_are_used_again(api: BotApi, server: Any) -> None:
    """Calls one after another share one connection; calls at once have one each."""
    for _ in range(5):
        await api.send_message(5, "hi")
    assert server.connections == 1

    async with trio.open_nursery() as nursery:
        for chat_id in range(8):
            nursery.start_soon(api.send_message, chat_id, "hi")
    assert 1 < server.connections <= 8
    assert len(server.requests) == 13


@pytest.mark.parametrize(
    ("manner", "status", "content"),
    [
        ("tear after the body", "200 OK", None),
        ("tear the answer", "200 OK", None),
        ("answer", "502 Bad Gateway", b"<html><h1>502 Bad Gateway</h1></html>"),
        ("answer", "504 Gateway Time-out", b""),
        ("answer", "200 OK", b'{"ok": true, "result": {"mess'),
        ("answer", "200 OK", b"\x00\xff garbage"),
    ],
)
async def test_a_lost_answer_leaves_a_file_unconfirmed_and_repeats_a_reply(
    api: BotApi, server: Any, behaviour: Any, *, manner: str, status: str, content: bytes | None
) -> None:
    """After the request has gone out whole, only what may happen twice is sent again."""
    server.behaviours = [behaviour(manner=manner, status=status, content=content)]
    with pytest.raises(errors.UnconfirmedError):
        await api.send_media(5, KNOWN)
    assert len(server.requests) == 1

    server.behaviours = [behaviour(manner=manner, status=status, content=content)]
    assert (await api.send_message(5, "hi")).message_id == 7
    assert len(server.requests) == 3


async def test_a_refused_connection_is_not_sent() -> None:
    """Nobody listens: the call is repeated until its deadline, and certainly did not happen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with open_bot_api("1:A", api_url=url, observer=SilentObserver()) as api:
            with pytest.raises(errors.DeadlineExceededError) as caught:
                await api.send_message(5, "hi", repeat_unconfirmed=False, deadline_seconds=1)

    assert not caught.value.unconfirmed
    assert isinstance(caught.value.__cause__, errors.NotSentError)
    assert caught.value.attempts >= 2


async def test_a_silent_server_is_unconfirmed(api: BotApi, server: Any, behaviour: Any) -> None:
    """It took the request and says nothing: at the deadline the outcome is open, and a fresh connection works."""
    server.behaviours = [behaviour(manner="silent")]

    with pytest.raises(errors.UnconfirmedError) as caught:
        await api.send_message(5, "hi", repeat_unconfirmed=False, deadline_seconds=0.3)
    await api.send_message(5, "hi")

    assert caught.value.outcome == "timeout"
    assert server.connections == 2


async def test_cancelling_a_call_frees_its_connection(open_api: Any, server: Any, behaviour: Any) -> None:
    """The only line is free again after a call was cancelled in the middle, on a new connection."""
    server.behaviours = [behaviour(manner="silent")]

    async with open_api(connections=1) as api:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(api.send_message, 5, "hi")
            await server.silent_reached.wait()
            nursery.cancel_scope.cancel()
        with trio.fail_after(30):
            await api.send_message(5, "hi")

    assert server.connections == 2


async def test_a_connection_closed_while_idle_is_not_used(api: BotApi, server: Any, behaviour: Any) -> None:
    """A keep-alive connection the server has closed is noticed before anything is written to it."""
    server.behaviours = [behaviour(), behaviour(manner="tear the answer", content=b""), behaviour()]
    await api.send_message(5, "hi")
    with pytest.raises(errors.UnconfirmedError):
        await api.send_media(5, KNOWN)

    await api.send_media(5, KNOWN)

    assert server.connections == 2


async def test_the_poller_lives_through_tears(open_api: Any, server: Any, behaviour: Any) -> None:
    """Torn polls and malformed updates lose no update and confirm none that was not stored."""
    update = {"message": {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"}, "text": "hi"}}
    server.behaviours = [
        behaviour(result={"id": 1, "is_bot": True, "first_name": "B"}),
        behaviour(result=True),
        behaviour(result=[{"update_id": 50, **update}]),
        behaviour(manner="tear after the body"),
        behaviour(manner="tear at once"),
        behaviour(result=[{"update_id": 51, **update}, 17]),
        behaviour(manner="silent"),
    ]
    stored: list[int] = []

    async def store(updates: Sequence[RawUpdate]) -> None:
        stored.extend(raw.update_id for raw in updates)

    async with open_api() as api, trio.open_nursery() as nursery:
        poller = Poller(
            api, store=store, allowed_updates=["message"], observer=SilentObserver(), poll_seconds=1, draw=lambda: 1.0
        )
        user = await nursery.start(poller.run)
        assert user.id == 1
        with trio.fail_after(60):
            await server.silent_reached.wait()
        nursery.cancel_scope.cancel()

    assert stored == [50, 51]
    polls = [request.body for request in server.requests if request.method == "getUpdates"]
    assert b'"offset"' not in polls[0]
    assert all(b'"offset":51,' in poll for poll in polls[1:-1])
    assert b'"offset":52,' in polls[-1]


async def test_a_redirect_is_not_followed(api: BotApi, server: Any, behaviour: Any) -> None:
    """Whoever answers with another address gets no second request: the token is in its path."""
    server.behaviours = [behaviour(status="302 Found\r\nLocation: /elsewhere", content=b"")]

    with pytest.raises(errors.UnconfirmedError, match="status 302"):
        await api.send_message(5, "hi", repeat_unconfirmed=False)

    assert [request.method for request in server.requests] == ["sendMessage"]

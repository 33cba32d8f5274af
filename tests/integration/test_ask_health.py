"""What `health` says of whatever listens where the bot should."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from doradura.cli.health import ask_health
from doradura.settings import Address
from tests.ports import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"


@contextmanager
def answering(answer: bytes) -> Iterator[Address]:
    """Listen, and give one connection this answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Address("127.0.0.1", listener.getsockname()[1])
        thread.join(5)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hello</html>",
        b"[]",
        b"{}",
        b"1",
        b'{"status": "ok"}',
        b'{"checks": 3}',
        b'{"status": 1, "checks": [1]}',
        b"[" * 100_000,
        b"",
    ],
)
def test_a_foreign_server_is_called_one(body: bytes) -> None:
    """Whatever another program answers, the sentence says that it isn't Doradura, and where was looked."""
    with answering(OK % (len(body), body)) as address:
        answer = ask_health(address)
    assert not answer.healthy
    assert not answer.is_doradura
    assert answer.text == f"what answers on {address} is not Doradura. DORADURA_HTTP_BIND says where to look."


def test_what_speaks_no_http_is_called_foreign() -> None:
    """A mail server's greeting is no answer either."""
    with answering(b"220 mail.example.org ESMTP\r\n") as address:
        assert ask_health(address).text.startswith(f"what answers on {address} is not Doradura")


def test_a_closed_connection_is_no_late_answer() -> None:
    """What closes the connection without a word, as the bot does to one too many, is not called slow."""
    with answering(b"") as address:
        answer = ask_health(address)
    assert not answer.healthy
    assert answer.text.startswith(f"nothing answers on {address} (Remote end closed connection without response). ")


def test_nothing_there() -> None:
    """Where nothing listens, the sentence asks whether the bot runs."""
    address = Address("127.0.0.1", free_port())
    answer = ask_health(address)
    assert not answer.healthy
    assert answer.text.startswith(f"nothing answers on {address} (Connection refused). Is the bot running?")

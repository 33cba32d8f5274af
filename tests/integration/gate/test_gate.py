"""The gate over real sockets: who is let in, where it leads, and how its relays end."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from doradura.gate import connection, server
from doradura.media.gatecontrol import CONNECTIONS_OF_ONE_JOB, GateReply
from tests.integration.gate.conftest import login, request, take

if TYPE_CHECKING:
    from tests.integration.gate.conftest import Gate, Site


@contextmanager
def sending(sock: socket.socket, content: bytes) -> Iterator[None]:
    """Send in a thread; at the end of the block all of it was sent."""
    thread = threading.Thread(target=sock.sendall, args=(content,))
    thread.start()
    yield
    thread.join()


def test_bytes_go_both_ways(gate: Gate, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty MiB down, most of them by the kernel alone, and two up arrive whole; the gate knows how many."""
    spliced: list[int] = []
    real = os.splice

    def splice(source: int, target: int, count: int, *, flags: int) -> int:
        spliced.append(real(source, target, count, flags=flags))
        return spliced[-1]

    monkeypatch.setattr(os, "splice", splice)
    gate.job("t", site.endpoint)
    client, code = gate.connect("t", "localhost", site.port)
    assert code == GateReply.DONE
    content = os.urandom(1 << 20)
    with client, site.accept() as accepted:
        down = hashlib.sha256()
        with sending(accepted, content * 20):
            for _ in range(20):
                down.update(take(client, 1 << 20))
        with sending(client, content * 2):
            assert take(accepted, 2 << 20) == content * 2
    assert down.digest() == hashlib.sha256(content * 20).digest()
    assert sum(spliced) > 36 << 20, "into the pipe and out of it"
    told = gate.end("t")
    assert (told["received"], told["sent"], told["connections"], told["hosts"]) == (20 << 20, 2 << 20, 1, ["localhost"])


@pytest.mark.parametrize("number", [errno.EPERM, errno.EMFILE])
def test_without_large_pipes_it_goes_on(gate: Gate, site: Site, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A user who has many pipes already gets small ones, one without descriptors none: neither is an error."""

    def refuse(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(*((fcntl, "fcntl", refuse) if number == errno.EPERM else (os, "pipe2", refuse)))
    gate.job("t", site.endpoint)
    client, _ = gate.connect("t", "127.0.0.1", site.port)
    content = os.urandom(6 << 20)
    with client, site.accept() as accepted, sending(accepted, content):
        assert take(client, len(content)) == content


def test_a_download_that_rests_brings_the_last_byte_too(gate: Gate, site: Site) -> None:
    """A site that sent much and now sends a byte at a time is heard each time, although nobody polls it meanwhile."""
    gate.job("t", site.endpoint)
    client, _ = gate.connect("t", "127.0.0.1", site.port)
    content = os.urandom(4 << 20)
    with client, site.accept() as accepted:
        with sending(accepted, content):
            assert take(client, len(content)) == content
        for _ in range(20):
            accepted.sendall(b"x")
            assert take(client, 1) == b"x"
        client.sendall(b"and upwards")
        assert take(accepted, 11) == b"and upwards"
        accepted.sendall(b"the end")
        accepted.close()
        assert take(client, 100) == b"the end"


def test_a_slow_reader_gets_all_of_a_large_download(gate: Gate, site: Site) -> None:
    """What it does not take waits in the pipe and at the site, and no rest loses or reorders any of it."""
    gate.job("t", site.endpoint)
    client, _ = gate.connect("t", "127.0.0.1", site.port)
    content = os.urandom(1 << 20)
    with client, site.accept() as accepted, sending(accepted, content * 24):
        came = hashlib.sha256()
        left = 24 << 20
        while left:
            piece = client.recv(min(left, 7001))
            assert piece
            came.update(piece)
            left -= len(piece)
    assert came.digest() == hashlib.sha256(content * 24).digest()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "fe80::1",
        "fe80::1%lo",
        "LOCALHOST",
        "localhost.",
    ],
)
def test_every_spelling_of_a_private_address_is_refused(gate: Gate, site: Site, host: str) -> None:
    """Name or number, IPv4 or IPv6: nobody is reached, the gate says so, and why stands in the job's account."""
    gate.job("t")
    assert gate.code("t", host, site.port) in {GateReply.REFUSED_ADDRESS, GateReply.NO_SUCH_NAME}
    if not host.endswith("."):
        assert gate.end("t")["refused"]
    assert site.untouched


def test_only_the_allowed_endpoint_is_reached(gate: Gate, site: Site) -> None:
    """What was allowed is one address and one port, of that job alone."""
    gate.job("t", site.endpoint)
    gate.job("other")
    assert gate.code("t", "127.0.0.1", site.port) == GateReply.DONE
    site.accept().close()
    assert gate.code("t", "127.0.0.2", site.port) == GateReply.REFUSED_ADDRESS
    assert gate.code("t", "127.0.0.1", gate.address[1]) == GateReply.REFUSED_ADDRESS
    assert gate.code("other", "127.0.0.1", site.port) == GateReply.REFUSED_ADDRESS
    assert site.untouched


def test_an_answer_that_changes_changes_nothing(gate: Gate, site: Site) -> None:
    """A name is resolved once a connection, and what was judged is what is connected to."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) % 2 else ["10.0.0.1"]

    gate.opener.resolve = resolve
    gate.job("t", site.endpoint)
    codes = [gate.code("t", "rebinding.example", site.port) for _ in range(4)]
    assert codes == [GateReply.DONE, GateReply.REFUSED_ADDRESS] * 2
    assert asked == ["rebinding.example"] * 4
    for _ in range(2):
        site.accept().close()
    assert site.untouched


@pytest.mark.parametrize("answer", ["", "nonsense", "127.0.0.1%lo", "127.1", "0x7f.1", "fe80::1%1", "1.2.3.4.5"])
def test_a_resolver_that_lies_leads_nowhere(gate: Gate, site: Site, answer: str) -> None:
    """What it says is judged as an address, and what is no plain one is refused."""
    gate.opener.resolve = lambda _host, _port: [answer]
    gate.job("t", site.endpoint)
    assert gate.code("t", "lies.example", site.port) == GateReply.REFUSED_ADDRESS
    assert site.untouched


def test_a_good_address_beside_a_bad_one_is_taken(gate: Gate, site: Site) -> None:
    """As with a connection of one's own: what is refused is passed over."""
    gate.opener.resolve = lambda _host, _port: ["10.0.0.1", "127.0.0.1"]
    gate.job("t", site.endpoint)
    assert gate.code("t", "mixed.example", site.port) == GateReply.DONE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), GateReply.NO_SUCH_NAME),
        (socket.gaierror(socket.EAI_AGAIN, "later"), GateReply.RESOLVER_SILENT),
        (UnicodeError("label too long"), GateReply.NO_SUCH_NAME),
        (OSError(errno.EMFILE, "no"), GateReply.RESOLVER_SILENT),
        (RuntimeError("a fault of ours"), GateReply.FAILED),
    ],
)
def test_names_that_are_not_resolved(gate: Gate, error: Exception, code: GateReply) -> None:
    """A name that does not exist is told from a resolver that does not answer, whatever else may go wrong."""

    def resolve(_host: str, _port: int) -> list[str]:
        raise error

    gate.opener.resolve = resolve
    gate.job("t")
    assert gate.code("t", "nowhere.example", 80) == code


def test_a_silent_resolver_holds_up_nobody_else(gate: Gate, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs are told in time, however many names they ask for; another job is served meanwhile."""
    never = threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        if host == "silent.example":
            never.wait(60)
        return ["127.0.0.1"]

    monkeypatch.setattr(connection, "RESOLVING_SECONDS", 1.0)
    monkeypatch.setattr(server, "OPENING_AT_ONCE", server.OPENING_OF_ONE_JOB + 1)
    gate.opener.resolve = resolve
    gate.job("silent", site.endpoint)
    gate.job("other", site.endpoint)
    try:
        clients = [gate.client() for _ in range(server.OPENING_OF_ONE_JOB + 4)]
        for client in clients:
            client.sendall(b"\x05\x01\x02" + login("silent") + request("silent.example", site.port))
        assert gate.code("other", "fine.example", site.port) == GateReply.DONE
        for client in clients:
            assert take(client, 14)[5] == GateReply.RESOLVER_SILENT
            client.close()
        assert gate.code("other", "fine.example", site.port) == GateReply.DONE
        told = gate.end("silent")
        assert told["outcomes"] == {"connected": 0, "refused": 0, "failed": len(clients)}
        assert set(told["refused"]) == {"'silent.example': resolver silent"}
    finally:
        never.set()


def test_a_site_that_refuses_is_told_as_that(gate: Gate, site: Site) -> None:
    """A closed port of an address that may be reached."""
    gate.job("t", site.endpoint)
    site.listener.close()
    assert gate.code("t", "127.0.0.1", site.port) == GateReply.REFUSED_BY_SITE


def test_a_job_has_so_many_connections_and_no_more(gate: Gate, site: Site) -> None:
    """What is over the bound is refused at once, another job is served, and what was closed makes room."""
    gate.job("t", site.endpoint)
    gate.job("other", site.endpoint)
    opened = [gate.connect("t", "127.0.0.1", site.port) for _ in range(CONNECTIONS_OF_ONE_JOB)]
    assert {code for _, code in opened} == {GateReply.DONE}
    assert gate.code("t", "127.0.0.1", site.port) == GateReply.TOO_MANY
    assert gate.code("other", "127.0.0.1", site.port) == GateReply.DONE
    accepted = [site.accept() for _ in range(CONNECTIONS_OF_ONE_JOB + 1)]
    opened[0][0].close()
    assert {take(each, 1) for each in accepted[:1]} == {b""}, "the site sees the end too"
    assert gate.code("t", "127.0.0.1", site.port) == GateReply.DONE
    told = gate.end("t")
    assert told["connections"] == CONNECTIONS_OF_ONE_JOB + 1
    assert told["outcomes"] == {"connected": CONNECTIONS_OF_ONE_JOB + 1, "refused": 1, "failed": 0}
    assert len(told["refused"]) == 1
    for sock in (*accepted, *(client for client, _ in opened)):
        sock.close()


def test_the_end_of_a_job_is_the_end_of_its_connections(gate: Gate, site: Site) -> None:
    """Both sides see it, and its token is nobody's from then on."""
    gate.job("t", site.endpoint)
    client, _ = gate.connect("t", "127.0.0.1", site.port)
    with client, site.accept() as accepted:
        gate.end("t")
        assert take(client, 1) == b""
        assert take(accepted, 1) == b""
    with gate.client() as late:
        late.sendall(b"\x05\x01\x02" + login("t"))
        assert take(late, 5) == b"\x05\x02\x01\x01"


def test_a_worker_that_dies_leaves_no_connection(gate: Gate, site: Site) -> None:
    """Its end goes on to the site at once, which may have kept the connection open for long."""
    gate.job("t", site.endpoint)
    client, _ = gate.connect("t", "127.0.0.1", site.port)
    with site.accept() as accepted:
        accepted.sendall(b"x" * 100_000)  # nobody reads it
        client.close()
        with suppress(ConnectionResetError):
            assert take(accepted, 1) == b""


def test_a_site_that_ends_has_said_all(gate: Gate, site: Site) -> None:
    """What it sent before its end is delivered whole to a client that reads late, and then the end."""
    gate.job("t", site.endpoint)
    client, _ = gate.connect("t", "127.0.0.1", site.port)
    content = os.urandom(3 << 20)
    with client:
        accepted = site.accept()
        accepted.sendall(content[: 1 << 19])

        def send_the_rest() -> None:
            with accepted:
                accepted.sendall(content[1 << 19 :])

        sending = threading.Thread(target=send_the_rest)
        sending.start()
        assert take(client, len(content) + 1) == content
        sending.join()


def test_a_reset_is_no_end(gate: Gate, site: Site) -> None:
    """An answer without a length that was cut off must not look whole."""
    gate.job("t", site.endpoint)
    client, _ = gate.connect("t", "127.0.0.1", site.port)
    with client:
        accepted = site.accept()
        accepted.sendall(b"half")
        assert take(client, 4) == b"half"
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        with pytest.raises(ConnectionResetError):
            take(client, 1)


ENEMIES = {
    "nothing in time": (b"", b""),
    "half a greeting": (b"\x05\x02\x00", b""),
    "half a login": (b"\x05\x01\x02\x01\x03jo", b"\x05\x02"),
    "half a request": (b"\x05\x01\x02" + login("t") + b"\x05\x01\x00\x03\x20abc", b"\x05\x02\x01\x00"),
    "HTTP": (b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n", b""),
    "CONNECT of HTTP": (b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n\r\n", b""),
    "TLS": (b"\x16\x03\x01\x02\x00\x01", b""),
    "SOCKS4": (b"\x04\x01\x00\x50\x7f\x00\x00\x01job\x00", b""),
    "no password": (b"\x05\x01\x00", b"\x05\xff"),
    "no method": (b"\x05\x00", b"\x05\xff"),
    "another's token": (b"\x05\x01\x02" + login("x"), b"\x05\x02\x01\x01"),
    "an empty token": (b"\x05\x01\x02" + login("") + request("127.0.0.1", 80), b"\x05\x02\x01\x01"),
    "another user": (b"\x05\x01\x02" + login("t", "root"), b"\x05\x02\x01\x01"),
    "a request before the login": (b"\x05\x01\x02" + request("127.0.0.1", 80), b"\x05\x02"),
    "BIND": (b"\x05\x01\x02" + login("t") + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x02\x01\x00\x05\x07"),
    "UDP": (b"\x05\x01\x02" + login("t") + b"\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x02\x01\x00\x05\x07"),
    "no kind of address": (b"\x05\x01\x02" + login("t") + b"\x05\x01\x00\x02abcdefg", b"\x05\x02\x01\x00\x05\x08"),
    "no name": (b"\x05\x01\x02" + login("t") + b"\x05\x01\x00\x03\x00\x00\x50", b"\x05\x02\x01\x00\x05\xf1"),
    "no text": (b"\x05\x01\x02" + login("t") + b"\x05\x01\x00\x03\x02\xff\xfe\x00\x50", b"\x05\x02\x01\x00\x05\xf1"),
    "a zero in the name": (
        b"\x05\x01\x02" + login("t") + b"\x05\x01\x00\x03\x02a\x00\x00\x50",
        b"\x05\x02\x01\x00\x05\xf1",
    ),
    "a label too long": (b"\x05\x01\x02" + login("t") + request("a" * 200, 80), b"\x05\x02\x01\x00\x05\xf1"),
    "noise": (bytes(range(256)) * 200, b""),
}


@pytest.mark.parametrize("name", ENEMIES)
def test_an_enemy_gets_nothing(gate: Gate, site: Site, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Who speaks otherwise, or not at all, is hung up on, and others are served as before."""
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.5)
    said, answered = ENEMIES[name]
    gate.job("t", site.endpoint)
    with gate.client() as enemy:
        enemy.sendall(said)
        try:
            heard = take(enemy, 1000)
        except ConnectionResetError:
            heard = answered  # what was sent and not read broke the connection
    assert heard[: len(answered)] == answered
    assert len(heard) <= len(answered) + 8
    assert gate.code("t", "127.0.0.1", site.port) == GateReply.DONE


def test_a_byte_at_a_time_is_understood(gate: Gate, site: Site) -> None:
    """A slow client is served as long as it is not too slow, and what it sends ahead arrives."""
    gate.job("t", site.endpoint)
    with gate.client() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\x05\x01\x02" + login("t") + request("127.0.0.1", site.port) + b"ahead":
            client.sendall(bytes([byte]))
        assert take(client, 14)[5] == GateReply.DONE
        with site.accept() as accepted:
            assert take(accepted, 5) == b"ahead"


def test_strangers_keep_nobody_out(gate: Gate, site: Site) -> None:
    """Whoever opens connections without end and says nothing loses the oldest of them."""
    gate.job("t", site.endpoint)
    strangers = [gate.client() for _ in range(server.STRANGERS + 40)]
    strangers[0].settimeout(connection.HANDSHAKE_SECONDS / 2)
    assert gate.code("t", "127.0.0.1", site.port) == GateReply.DONE
    assert take(strangers[0], 1) == b""
    for stranger in strangers:
        stranger.close()

"""Connects that the gate answers: whose they are is known by where they came from."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from doradura.media.gatecontrol import CONNECTIONS_OF_ONE_JOB
from doradura.wall import bpf, notification
from doradura.wall.architectures import Architecture, this_architecture
from doradura.wall.kernel import Filter, Kernel
from tests.integration.gate.conftest import SECONDS, Gate, Site, login, request, take

OF = this_architecture()
pytestmark = pytest.mark.skipif(OF is None or sys.platform != "linux", reason="Linux on x86-64 or arm64")
ANYWHERE = ("127.0.0.9", 9)


def notifying(of: Architecture) -> Filter:
    """A program that does nothing but notify of connects."""
    connect = bpf.when(of.numbers["connect"], bpf.ends_with(bpf.NOTIFY))
    return Filter(bpf.encoded(bpf.load(bpf.NUMBER_AT) + connect + bpf.ends_with(bpf.ALLOW)))


class Caller:
    """A process whose connects are answered by whoever has its listener."""

    def __init__(self, pid: int, listener: int) -> None:
        self.pid = pid
        self.listener = listener

    def hand_over(self, gate: Gate, token: str, last: int | None = None) -> None:
        """Give the listener to a gate. `last` is the number of the call that the gate before it received last."""
        line = json.dumps({"op": "notify", "token": token, "last": last}).encode() + b"\n"
        socket.send_fds(gate.control, [line], [self.listener])
        os.close(self.listener)

    def status(self) -> int:
        """How it ended."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextmanager
def calling(work: Callable[[], int]) -> Iterator[Caller]:
    """Fork a process that sets the filter, hands out its listener and then works."""
    assert OF is not None
    program, kernel = notifying(OF), Kernel(OF)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            kernel.give_up_privileges()
            listener = kernel.set_filter(program, listening=True)
            assert listener is not None
            socket.send_fds(theirs, [b"x"], [listener])
            os.close(listener)
            assert theirs.recv(1) == b"x"
            status = work()
        finally:
            os._exit(status)
    theirs.close()
    with ours:
        _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
        ours.sendall(b"x")
        yield Caller(pid, listener)


def spoken(token: str, host: str, port: int, *, blocking: bool = True) -> int:
    """Connect anywhere, and ask who answers for another place; the reply's code, or 100 and the errno."""
    with socket.socket() as client:
        client.settimeout(SECONDS)
        if not blocking:
            client.setblocking(False)
        failed = client.connect_ex(ANYWHERE)
        if failed:
            return 100 + failed
        assert os.get_blocking(client.fileno()) is (client.gettimeout() is None)
        assert not os.get_inheritable(client.fileno())
        client.settimeout(SECONDS)
        client.sendall(b"\x05\x01\x02" + login(token))
        if take(client, 4) != b"\x05\x02\x01\x00":
            return 98
        client.sendall(request(host, port))
        return take(client, 10)[1]


@pytest.mark.parametrize("blocking", [True, False])
def test_a_connect_ends_at_the_gate(*, gate: Gate, site: Site, blocking: bool) -> None:
    """Whatever address was named; with the flags that the socket had."""
    gate.job("right", site.endpoint)
    with calling(lambda: spoken("right", site.host, site.port, blocking=blocking)) as caller:
        caller.hand_over(gate, "right")
        site.accept().close()
        assert caller.status() == 0
    told = gate.end("right")
    assert (told["connections"], told["hosts"]) == (1, [site.host])


def test_another_job_s_token_does_not_help(gate: Gate, site: Site) -> None:
    """A job can't use the rules, nor the bound, of another one whose token it has learnt."""
    gate.job("mine")
    gate.job("another's", site.endpoint)
    with calling(lambda: spoken("another's", site.host, site.port)) as caller:
        caller.hand_over(gate, "mine")
        assert caller.status() == 98
    assert site.untouched
    assert gate.end("another's")["connections"] == 0


def test_a_flood_is_refused(gate: Gate, site: Site) -> None:
    """Twice the bound of connections that say nothing; the rest fail at once, and another job is served."""
    gate.job("flood")
    gate.job("good", site.endpoint)

    def flood() -> int:
        held = [socket.socket() for _ in range(3 * CONNECTIONS_OF_ONE_JOB)]
        codes = [each.connect_ex(ANYWHERE) for each in held]
        return 0 if codes.count(0) == 2 * CONNECTIONS_OF_ONE_JOB and codes[-1] == errno.ECONNREFUSED else 1

    with calling(flood) as caller:
        caller.hand_over(gate, "flood")
        assert caller.status() == 0
    assert gate.code("good", site.host, site.port) == 0
    assert gate.end("flood")["refused"]


def test_what_is_no_socket_stays_what_it_is(gate: Gate) -> None:
    """Connect of a file and of nothing fails as it would without the gate."""
    gate.job("right")

    def misuse() -> int:
        import ctypes  # noqa: PLC0415 - in the child alone

        libc = ctypes.CDLL(None, use_errno=True)
        codes = []
        for descriptor in (os.open("/dev/null", os.O_RDONLY), 999, -1):
            assert libc.connect(descriptor, bytes(16), 16) == -1
            codes.append(ctypes.get_errno())
        return 0 if codes == [errno.ENOTSOCK, errno.EBADF, errno.EBADF] else 1

    with calling(misuse) as caller:
        caller.hand_over(gate, "right")
        assert caller.status() == 0


def test_a_listener_without_a_job_is_let_go(gate: Gate) -> None:
    """Then nobody answers, and a connect fails: closed, and not open."""
    with calling(lambda: spoken("x", "127.0.0.1", 9)) as caller:
        caller.hand_over(gate, "nobody's")
        assert caller.status() == 100 + errno.ENOSYS


def test_a_caller_that_dies_costs_nothing(gate: Gate, site: Site) -> None:
    """Killed in the middle of a connect, or after it: the gate goes on, and so does its job's account."""
    gate.job("dead")
    gate.job("good", site.endpoint)
    for _ in range(20):
        with calling(lambda: spoken("dead", "127.0.0.1", 9)) as caller:
            caller.hand_over(gate, "dead")
            os.kill(caller.pid, 9)
            assert caller.status() == -9
    assert gate.code("good", site.host, site.port) == 0
    assert gate.end("dead")["job"] == 1


@pytest.mark.parametrize("untold", [0, 1, 5])
def test_a_connect_that_a_dead_gate_had_received_fails(*, gate: Gate, site: Site, untold: int) -> None:
    """It is offered to nobody else, so it would never end; the job connects again, and is answered."""
    gate.job("right", site.endpoint)

    def again() -> int:
        with socket.socket() as client:
            first = client.connect_ex(ANYWHERE)
        return spoken("right", site.host, site.port) if first == errno.ECONNABORTED else first

    with calling(again) as caller:
        while (received := notification.waiting(caller.listener)) is None:
            time.sleep(0.01)
        caller.hand_over(gate, "right", received.id - untold)
        site.accept().close()
        assert caller.status() == 0
    assert gate.end("right")["connections"] == 1


def test_a_listener_that_got_lost_ends_nothing_else(gate: Gate, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The kernel drops it where the gate is out of descriptors; the gate goes on, and the next job's is its own."""
    gate.job("lost")
    gate.job("good", site.endpoint)
    gate.tell(op="notify", token="lost")
    with calling(lambda: spoken("good", site.host, site.port)) as caller:
        caller.hand_over(gate, "good")
        site.accept().close()
        assert caller.status() == 0
    assert "no descriptor to be had" in caplog.text

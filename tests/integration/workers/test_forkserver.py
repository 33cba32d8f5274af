"""The fork server's own protocol, spoken to it by hand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from doradura.media.forkcontrol import ControlRequest, Exited, Ready, Report, StartChild, Started, StopChild


class Server:
    """A real server at the other end of a blocking socket."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(20)
        self.decoder: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
        command = [sys.executable, "-m", "doradura.child.worker", f"--control={theirs.fileno()}"]
        self.process = subprocess.Popen(
            [*command, "--job=nasty_job:run_job"],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        theirs.close()

    def say(self, request: ControlRequest, *descriptors: int) -> None:
        socket.send_fds(self.control, [msgspec.json.encode(request)], list(descriptors))

    def hear(self) -> Report:
        return self.decoder.decode(self.control.recv(65536))

    def start(self, work_id: int) -> tuple[socket.socket, Started]:
        ours, theirs = socket.socketpair()
        with theirs:
            self.say(StartChild(work_id=work_id, memory_bytes=10**9, processes=20), theirs.fileno())
        started = self.hear()
        assert isinstance(started, Started)
        return ours, started


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    """A server that is ready."""
    server = Server(environment)
    try:
        assert isinstance(server.hear(), Ready)
        yield server
    finally:
        server.control.close()
        server.process.wait(20)


def test_child_without_an_order(server: Server) -> None:
    """A child whose conversation ends before its order leaves, and the server reports it with its pid gone."""
    conversation, started = server.start(7)
    conversation.close()
    exited = server.hear()
    assert isinstance(exited, Exited)
    assert (exited.work_id, exited.status, exited.over_limit) == (7, 0, None)
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


def test_stop(server: Server) -> None:
    """A stopped child is reported as ended by SIGTERM, also when it was stopped in the moment of its start."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server.say(StartChild(work_id=1, memory_bytes=10**9, processes=20), theirs.fileno())
        server.say(StopChild(work_id=1, grace_seconds=20))
        assert isinstance(server.hear(), Started)
        exited = server.hear()
    assert isinstance(exited, Exited)
    assert exited.status == -15


def test_stop_of_nobody(server: Server) -> None:
    """A stop for a child that is not there is answered too, so nobody waits in vain."""
    server.say(StopChild(work_id=99, grace_seconds=1))
    assert server.hear() == Exited(work_id=99)


def test_start_without_a_conversation(server: Server) -> None:
    """A start whose descriptor did not arrive is answered by an end, and the server goes on."""
    server.say(StartChild(work_id=3, memory_bytes=1, processes=1))
    exited = server.hear()
    assert isinstance(exited, Exited)
    assert (exited.work_id, exited.status) == (3, None)
    assert exited.tail.startswith("no process to be had")
    conversation, _ = server.start(4)
    conversation.close()


def test_end_of_the_control_socket(server: Server) -> None:
    """When the other side closes, the server ends with status 0 and its children with it."""
    conversation, started = server.start(1)
    with conversation:
        server.control.close()
        assert server.process.wait(5) == 0
        assert conversation.recv(1) == b""
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)

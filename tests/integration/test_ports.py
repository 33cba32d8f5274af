"""The tests' own ports: nobody else can take one between two uses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ports
from tests.ports import free_port, kernels_range

ROOT = Path(__file__).parent.parent.parent
GIVE = "from tests.ports import free_port; print(*(free_port() for _ in range(20))); input()"


def test_none_is_the_kernels_to_give() -> None:
    """Neither an outgoing connection nor a listener on port 0 gets one."""
    given = {free_port() for _ in range(20)}
    assert len(given) == 20
    assert not given & set(kernels_range())


def test_the_kernels_are_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wherever the search begins, and though nobody has them just now."""
    kernels = range(ports.LOWEST + 5, ports.LOWEST + 2001)
    told = tmp_path / "ip_local_port_range"
    told.write_text(f"{kernels[0]}\t{kernels[-1]}\n", encoding="ascii")
    monkeypatch.setattr(ports, "_KERNELS", told)
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert kernels_range() == kernels
    assert not {free_port() for _ in range(20)} & set(kernels)


def test_no_two_processes_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each port belongs to one process until it ends, though nobody listens there and both begin at the same place."""
    monkeypatch.setattr(os, "getpid", lambda: 0)
    same_place = f"import os; os.getpid = lambda: 0; {GIVE}"
    with subprocess.Popen(
        [sys.executable, "-c", same_place], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = set(map(int, other.stdout.readline().split()))
        ours = {free_port() for _ in range(20)}
        other.communicate("\n")
    assert len(theirs) == 20
    assert not theirs & ours


def test_one_that_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any address of this machine, and though no test has asked for it."""
    port, name = free_port(), "\0doradura-test-port-%d again"
    monkeypatch.setattr(ports, "NAME", name)
    monkeypatch.setattr(ports, "LOWEST", port)
    monkeypatch.setattr(ports, "HIGHEST", port)
    with socket.create_server(("127.0.99.1", port)), pytest.raises(OSError, match="every port is taken"):
        free_port()
    assert free_port() == port

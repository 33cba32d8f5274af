"""The seccomp program, interpreted: every rule of it, on both architectures."""

from __future__ import annotations

import errno
import functools
from collections.abc import Iterator

import pytest

from doradura.wall import bpf
from doradura.wall.architectures import ARM64, X86_64, Architecture
from doradura.wall.program import OF_ITSELF_ALONE, REFUSED, REFUSED_CONNECTIONS, head, rest, signals
from tests.unit.wall.machine import ALLOWED, NOTIFIED, run

ARCHITECTURES = (X86_64, ARM64)
UNIX, INET, INET6, NETLINK, PACKET, VSOCK, ALG, XDP, SMC = 1, 2, 10, 16, 17, 40, 38, 44, 43
STREAM, DATAGRAM, RAW, RELIABLE, SEQPACKET = 1, 2, 3, 4, 5
CLOSE_ON_EXEC, NONBLOCKING = 0o2000000, 0o4000
TCP, UDP, ICMP, SCTP, MPTCP = 6, 17, 1, 132, 262
FAST_OPEN, NO_SIGNAL = 0x20000000, 0x4000
BOT, OWN = 100, 103
ABI = 7


@functools.cache
def program(of: Architecture, abi: int = ABI, *, notify: bool = True) -> bytes:
    """A child's whole program."""
    return bpf.encoded(head(of) + signals(of, abi, OWN) + rest(of, abi, notify=notify))


def called(of: Architecture, name: str, *arguments: int, abi: int = ABI, notify: bool = True) -> str | int:
    """What becomes of a call."""
    return run(program(of, abi, notify=notify), of.numbers[name], of.audit_word, arguments)


SOCKETS = (
    [((INET, STREAM, 0), ALLOWED), ((INET6, STREAM, 0), ALLOWED), ((INET, STREAM, TCP), ALLOWED)]
    + [((INET6, STREAM | CLOSE_ON_EXEC | NONBLOCKING, TCP), ALLOWED)]
    # What is above an int's 32 bits is not looked at by the kernel either.
    + [((INET | 1 << 32, STREAM | 1 << 40, TCP | 1 << 63), ALLOWED)]
    + [
        ((family, STREAM, protocol), errno.EACCES)
        for family in (INET, INET6)
        for protocol in (MPTCP, SCTP, UDP, 1 << 31)
    ]
    + [((INET, kind, 0), errno.EACCES) for kind in (DATAGRAM, RAW, RELIABLE, SEQPACKET, 0, DATAGRAM | CLOSE_ON_EXEC)]
    + [((INET, DATAGRAM, UDP), errno.EACCES), ((INET, DATAGRAM, ICMP), errno.EACCES), ((INET, RAW, ICMP), errno.EACCES)]
    + [((family, STREAM, 0), errno.EACCES) for family in (UNIX, NETLINK, PACKET, VSOCK, ALG, XDP, SMC, 0, 99)]
)
CALLS = [
    *(("socket", arguments, outcome) for arguments, outcome in SOCKETS),
    ("socketpair", (UNIX, STREAM, 0), ALLOWED),
    ("socketpair", (UNIX, SEQPACKET | CLOSE_ON_EXEC, 0), ALLOWED),
    ("socketpair", (UNIX, DATAGRAM, 0), errno.EACCES),
    ("socketpair", (UNIX, DATAGRAM | NONBLOCKING, 0), errno.EACCES),
    ("socketpair", (UNIX, RAW, 0), errno.EACCES),
    ("socketpair", (INET, STREAM, 0), errno.EACCES),
    ("sendto", (3, 0, 1, 0, 0, 0), ALLOWED),
    ("sendto", (3, 0, 1, NO_SIGNAL, 0, 0), ALLOWED),
    ("sendto", (3, 0, 1, FAST_OPEN, 0, 0), errno.EACCES),
    ("sendto", (3, 0, 1, FAST_OPEN | NO_SIGNAL, 0, 0), errno.EACCES),
    ("sendmsg", (3, 0, 0), ALLOWED),
    ("sendmsg", (3, 0, FAST_OPEN), errno.EACCES),
    ("sendmmsg", (3, 0, 1, NO_SIGNAL), ALLOWED),
    ("sendmmsg", (3, 0, 1, FAST_OPEN | NO_SIGNAL), errno.EACCES),
    ("clone", (0x1200011,), ALLOWED),  # as fork does it
    ("clone", (0x3D0F00,), ALLOWED),  # as a thread is made
    *(("clone", (flag | 17,), errno.EPERM) for flag in (0x20000, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30)),
    ("clone3", (0, 88), errno.ENOSYS),
    ("ioctl", (0, 0x541B), ALLOWED),
    ("ioctl", (0, 0x40086602), errno.EPERM),
    ("ioctl", (0, 0x401C5820), errno.EPERM),
    ("ioctl", (0, 0x8901, BOT), errno.EPERM),
    ("ioctl", (0, 0x8902, BOT), errno.EPERM),
    ("fcntl", (0, 1, 0), ALLOWED),
    ("fcntl", (0, 9, 0), ALLOWED),
    ("fcntl", (0, 8, BOT), errno.EPERM),
    ("fcntl", (0, 10, 9), errno.EPERM),
    ("fcntl", (0, 15, 0), errno.EPERM),
    *((name, (0, 1), ALLOWED) for name in OF_ITSELF_ALONE),
    *((name, (1, 1), errno.EPERM) for name in OF_ITSELF_ALONE),
    ("openat", (0, 0, 0o1000), ALLOWED),
    ("openat2", (0, 0, 0), ALLOWED),
    ("truncate", (0, 0), ALLOWED),
    ("kill", (BOT, 0), ALLOWED),  # Landlock holds it
    ("kill", (-1, 0), errno.EPERM),
    ("read", (), ALLOWED),
    ("getppid", (), ALLOWED),
]


@pytest.mark.parametrize("of", ARCHITECTURES, ids=lambda of: of.name)
@pytest.mark.parametrize(("name", "arguments", "outcome"), CALLS)
def test_calls_by_their_arguments(of: Architecture, name: str, arguments: tuple[int, ...], outcome: str | int) -> None:
    """A plain TCP socket, a stream pair, an own process: that is all that is left of each."""
    assert called(of, name, *arguments) == outcome


@pytest.mark.parametrize("of", ARCHITECTURES, ids=lambda of: of.name)
def test_calls_by_their_names(of: Architecture) -> None:
    """Whatever their arguments: refused, each with its errno. What the architecture has not is nobody's number."""
    for names, code in ((REFUSED, errno.EPERM), (REFUSED_CONNECTIONS, errno.EACCES)):
        assert {called(of, name, 3, 1, 4, 1, 5, 9) for name in names if name in of.numbers} == {code}
    assert set(REFUSED) | set(REFUSED_CONNECTIONS) <= X86_64.numbers.keys(), "x86-64 has all of them"
    missing = X86_64.numbers.keys() - ARM64.numbers.keys()
    assert missing == {
        *("open", "creat", "chmod", "chown", "lchown", "utime", "utimes", "futimesat", "inotify_init", "iopl", "ioperm")
    }
    assert len(set(of.numbers.values())) == len(of.numbers), "no number twice"


@pytest.mark.parametrize("of", ARCHITECTURES, ids=lambda of: of.name)
def test_all_other_calls_are_allowed(of: Architecture) -> None:
    """The default is to allow: of the first 600 numbers, those of our table alone are ever refused or notified."""
    held = {
        number
        for number in range(600)
        for arguments in ((), (2**32 - 1,) * 6)
        if run(program(of), number, of.audit_word, arguments) != ALLOWED
    }
    assert held < set(of.numbers.values())
    assert {of.numbers[name] for name in ("read", "openat", "openat2", "getppid", "seccomp")}.isdisjoint(held)


@pytest.mark.parametrize("of", ARCHITECTURES, ids=lambda of: of.name)
def test_connect(of: Architecture) -> None:
    """The gate answers it where the program notifies; Landlock does where it allows."""
    assert called(of, "connect", 3, 0, 16) == NOTIFIED
    assert called(of, "connect", 3, 0, 16, notify=False) == ALLOWED


def test_other_conventions() -> None:
    """A 32-bit call, another architecture's and an x32 call fail whatever their numbers are."""
    for of, other in ((X86_64, ARM64), (ARM64, X86_64)):
        for word in (0x40000003, 0x40000028, other.audit_word, 0):
            assert run(program(of), of.numbers["read"], word) == errno.EPERM
    for number in (0x40000000, 0x40000000 | X86_64.numbers["connect"], 0xFFFFFFFF):
        assert run(program(X86_64), number, X86_64.audit_word) == errno.EPERM
    assert run(program(ARM64), 0x40000000, ARM64.audit_word) == ALLOWED, "arm64 has no x32"


@pytest.mark.parametrize("of", ARCHITECTURES, ids=lambda of: of.name)
@pytest.mark.parametrize("abi", [1, 4, 5])
def test_signals_where_landlock_does_not_hold_them(of: Architecture, abi: int) -> None:
    """A child may signal itself and its group; no other number, for it may be one of the bot's threads."""
    for pid in (0, OWN, -OWN, -OWN & 0xFFFFFFFF):
        assert called(of, "kill", pid, 9, abi=abi) == ALLOWED
    for pid in (BOT, -BOT, -1, OWN - 1, OWN + 1, 5000):
        assert called(of, "kill", pid, 9, abi=abi) == errno.EPERM
        assert called(of, "kill", pid & 0xFFFFFFFF, 9, abi=abi) == errno.EPERM
    assert called(of, "tgkill", OWN, 5000, 6, abi=abi) == ALLOWED
    for pid in (0, BOT, -OWN, -1, 5000):
        assert called(of, "tgkill", pid, OWN, 6, abi=abi) == errno.EPERM
    for name in ("tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal"):
        assert called(of, name, OWN, abi=abi) == errno.EPERM
        assert called(of, name, OWN) == ALLOWED


@pytest.mark.parametrize("of", ARCHITECTURES, ids=lambda of: of.name)
@pytest.mark.parametrize("abi", [1, 2])
def test_truncation_where_landlock_does_not_hold_it(of: Architecture, abi: int) -> None:
    """A file that may be read alone is not emptied by its name, nor by opening it."""
    read_write, truncating = 0o2, 0o1000
    assert called(of, "truncate", 0, 0, abi=abi) == errno.EPERM
    assert called(of, "openat2", 0, 0, abi=abi) == errno.ENOSYS
    for name, flags in _opening(of):
        before = (0,) * flags
        assert called(of, name, *before, truncating, abi=abi) == errno.EPERM
        assert called(of, name, *before, truncating | CLOSE_ON_EXEC, abi=abi) == errno.EPERM
        assert called(of, name, *before, truncating | read_write, abi=abi) == ALLOWED
        assert called(of, name, *before, 0, abi=abi) == ALLOWED


def _opening(of: Architecture) -> Iterator[tuple[str, int]]:
    yield "openat", 2
    if "open" in of.numbers:
        yield "open", 1


def test_the_programs_are_as_long_as_the_kernel_takes() -> None:
    """BPF_MAXINSNS, and a jump's width, which `struct` would refuse."""
    for of in ARCHITECTURES:
        for abi in range(1, 8):
            assert 200 < len(program(of, abi)) // 8 < 4096

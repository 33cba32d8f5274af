"""A job that does what the order's url says, most of it bad. Loaded by the fork server, never by pytest."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

from doradura.media import processes
from doradura.media.protocol import Emit, Failure, Order, Progress, Result
from doradura.media.reasons import Reason


def run_job(order: Order, emit: Emit) -> None:
    """Do as told."""
    globals()[order.url](order, emit)


def _result(emit: Emit, title: str = "done") -> None:
    emit(Result(path="/nowhere/media.mp3", size_bytes=1, title=title))


def _tell_pid(emit: Emit, pid: int) -> None:
    emit(Progress(stage="fetching", fetched_bytes=pid))


def _forever() -> None:
    while True:
        signal.pause()


def _grandchild(*, own_group: bool = False, own_session: bool = False) -> int:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if own_session:
            os.setsid()
        elif own_group:
            os.setpgid(0, 0)
        _forever()
    return pid


def quick(order: Order, emit: Emit) -> None:
    """Succeed at once."""
    _result(emit)


def deceiving(order: Order, emit: Emit) -> None:
    """Make a link to a file outside, and call it the product."""
    path = Path(order.directory) / "media.mp3"
    path.symlink_to(Path(order.directory).parent / "secret")
    emit(Result(path=str(path), size_bytes=6, title="done"))


def hang(order: Order, emit: Emit) -> None:
    """Say one thing and then nothing."""
    emit(Progress(stage="fetching"))
    _forever()


def stubborn(order: Order, emit: Emit) -> None:
    """Ignore SIGTERM, with two grandchildren that do too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _tell_pid(emit, _grandchild())
    _tell_pid(emit, _grandchild(own_group=True))
    _forever()


def orphaning(order: Order, emit: Emit) -> None:
    """End and leave two grandchildren."""
    _tell_pid(emit, _grandchild())
    _tell_pid(emit, _grandchild(own_group=True))
    _result(emit)


def escaping(order: Order, emit: Emit) -> None:
    """The grandchild leaves the session, and the child waits until it has."""
    pid = _grandchild(own_session=True)
    while os.getsid(pid) != pid:
        time.sleep(0.001)
    _tell_pid(emit, pid)
    _result(emit)


def flooding(order: Order, emit: Emit) -> None:
    """Write ten megabytes to stdout and to stderr."""
    for descriptor in (1, 2):
        for _ in range(160):
            os.write(descriptor, b"x" * 65536)
    _result(emit)


def last_words(order: Order, emit: Emit) -> None:
    """Die with something on stderr."""
    os.write(2, b"first line\nthe last line\n")
    os._exit(3)


def hog(order: Order, emit: Emit) -> None:
    """Take memory without end."""
    held = []
    while True:
        held.append(b"x" * 4_000_000)
        time.sleep(0.01)


def gulping(order: Order, emit: Emit) -> None:
    """Take memory as fast as the machine gives it, up to 4 GB."""
    held = [b"x" * 8_000_000 for _ in range(500)]
    _result(emit, str(len(held)))


def gulping_child(order: Order, emit: Emit) -> None:
    """Have a child that takes memory as fast as the machine gives it."""
    if os.fork() == 0:
        gulping(order, emit)
    _forever()


def bomb(order: Order, emit: Emit) -> None:
    """Have sixty children, each in a group of its own."""
    for _ in range(60):
        _grandchild(own_group=True)
    _forever()


def long_line(order: Order, emit: Emit) -> None:
    """Say a line longer than a line may be."""
    emit(Failure(reason=Reason.INTERNAL, detail="x" * 300_000))
    _forever()


def nonsense(order: Order, emit: Emit) -> None:
    """Say what is no message."""
    descriptor = next(number for number in _descriptors() if Path(f"/proc/self/fd/{number}").is_socket())
    os.write(descriptor, b'{"type": "surprise"}\n')
    _forever()


def _descriptors(pid: str = "self") -> list[int]:
    """Open ones, the one that lists them among them."""
    return sorted(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())


def silent(order: Order, emit: Emit) -> None:
    """Say nothing."""


def raising(order: Order, emit: Emit) -> None:
    """Break."""
    raise RuntimeError("on purpose")


def killed(order: Order, emit: Emit) -> None:
    """Die of a signal."""
    os.kill(os.getpid(), signal.SIGKILL)


def big_file(order: Order, emit: Emit) -> None:
    """Write a file without end."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with Path("big").open("wb") as file:
        while True:
            file.write(b"x" * 65536)


def spinning(order: Order, emit: Emit) -> None:
    """Use the processor without end."""
    while True:
        pass


def talkative(order: Order, emit: Emit) -> None:
    """Say more than any buffer holds."""
    for number in range(20_000):
        emit(Progress(stage="fetching", fetched_bytes=number))
    _result(emit)


def peek(order: Order, emit: Emit) -> None:
    """Which of the bot's secrets can be opened: the bot is the server's parent."""
    server = processes.read_process(os.getppid())
    assert server is not None
    opened = []
    for name in ("mem", "environ", "maps", "fd"):
        path = f"/proc/{server.parent}/{name}"
        try:
            Path(f"{path}/0").readlink() if name == "fd" else Path(path).open("rb").close()
        except PermissionError:
            continue
        opened.append(name)
    _result(emit, " ".join(opened) or "nothing")


def descriptors(order: Order, emit: Emit) -> None:
    """Own and the server's open descriptors."""
    own, servers = len(_descriptors()), len(_descriptors(str(os.getppid())))
    emit(Progress(stage="fetching", fetched_bytes=own, total_bytes=servers))
    _result(emit)


def surroundings(order: Order, emit: Emit) -> None:
    """What the child finds itself in."""
    mask = os.umask(0)
    facts = {
        "cwd": str(Path.cwd()),
        "environment": dict(os.environ),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "autogroup": Path("/proc/self/autogroup").read_text() if Path("/proc/self/autogroup").exists() else "",
        "umask": mask,
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "pid": os.getpid(),
        "fsize": resource.getrlimit(resource.RLIMIT_FSIZE),
        "cpu": resource.getrlimit(resource.RLIMIT_CPU),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "descriptors": _descriptors(),
        "stdin": str(Path("/proc/self/fd/0").readlink()),
        "status": Path("/proc/self/status").read_text(),
        "sigterm": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "start_time": getattr(processes.read_process(os.getpid()), "start_time", 0),
    }
    _result(emit, json.dumps(facts))

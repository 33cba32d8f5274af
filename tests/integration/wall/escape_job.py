"""A job that is native code and hostile: it tries every way out, past the audit hook, by libc.

Loaded by the fork server. The order's url is JSON with what there is to reach (`walled_bot.py` holds it).
PYTHON_WALL_ABI makes it an older kernel's Landlock that the wall is made of, PYTHON_DENO says where deno is.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import throwaway  # type: ignore[import-not-found]  # a module of the test's, which may be read behind the wall

from doradura.child import walling
from doradura.media.protocol import Emit, Order, Result
from doradura.wall import landlock
from doradura.wall.architectures import X86_64, this_architecture

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
ARCHITECTURE = this_architecture()
NUMBERS = {} if ARCHITECTURE is None else ARCHITECTURE.numbers
INET, INET6, UNIX, STREAM, DATAGRAM, RAW, SEQPACKET = 2, 10, 1, 1, 2, 3, 5
SOCKET_CALLS = {
    "connect",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "listen",
    "bind",
    "pidfd_getfd",
    "pidfd_send_signal",
    "setns",
}
FAST_OPEN = 0x20000000
WAIT_SECONDS = 10

DENO = os.environ.get("PYTHON_DENO", walling.deno())
for module in (walling, sys.modules["__main__"]):  # where another Python than the one it came with runs this
    vars(module)["deno"] = lambda: DENO
landlock.NEWEST_ABI = int(os.environ.get("PYTHON_WALL_ABI", landlock.NEWEST_ABI))  # type: ignore[misc]

Attempt = Callable[[], int]


def run_job(order: Order, emit: Emit) -> None:
    """Try everything; the result's title is JSON, attempt -> `passed` or the errno's name."""
    reach = {**json.loads(order.url), "server": os.getppid()}
    told = {}
    for name, attempt in attempts(reach, Path(order.directory), order.ffmpeg):
        ctypes.set_errno(0)
        try:
            found = attempt()
        except OSError as error:
            found = -(error.errno or errno.EIO)
        # libc itself says -1; EPERM is 1.
        code = (ctypes.get_errno() or errno.EPERM) if found == -1 else -found
        told[name] = "passed" if found >= 0 else errno.errorcode.get(code, str(code))
    emit(Result(path="/nowhere", size_bytes=1, title=json.dumps(told)))


def call(name: str, *arguments: Any) -> int:
    """A system call; integers as longs, bytes as pointers. The errno, negative, where it fails or was given one."""
    given = next((each for each in arguments[:1] if isinstance(each, int) and each < 0 and name in SOCKET_CALLS), 0)
    if given:
        return given
    longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    found = int(LIBC.syscall(ctypes.c_long(NUMBERS[name]), *longs))
    return -ctypes.get_errno() if found < 0 else found


def address(port: int, host: str = "127.0.0.1") -> bytes:
    """Struct sockaddr_in or sockaddr_in6."""
    if ":" in host:
        return struct.pack("=H", INET6) + struct.pack("!HI16sI", port, 0, socket.inet_pton(INET6, host), 0)
    return struct.pack("=H", INET) + struct.pack("!H4s8x", port, socket.inet_aton(host))


def local(path: str) -> bytes:
    """Struct sockaddr_un; a name that begins with @ is abstract."""
    return struct.pack("=H", UNIX) + path.replace("@", "\0").encode() + (b"" if path.startswith("@") else b"\0")


def message(to: bytes) -> tuple[bytes, list[Any]]:
    """Struct msghdr of one byte, and what it points to."""
    name, byte = ctypes.create_string_buffer(to, len(to)), ctypes.create_string_buffer(b"x", 1)
    piece = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(byte), 1), 16)
    header = struct.pack("=QI4xQQQQi4x", ctypes.addressof(name), len(to), ctypes.addressof(piece), 1, 0, 0, 0)
    return header, [name, byte, piece]


def attempts(reach: dict[str, Any], own: Path, ffmpeg: str) -> Iterator[tuple[str, Attempt]]:
    """Every attempt, by name."""
    yield from connections(reach)
    yield from local_sockets(reach)
    yield from other_sockets()
    yield from processes(reach)
    yield from files(reach, own)
    yield from kernel(reach)
    yield from programs(reach, own, ffmpeg)
    yield "unlink", lambda: LIBC.unlink(os.fsencode(reach["file"]))
    yield "rename in", lambda: LIBC.rename(os.fsencode(reach["other"]), os.fsencode(own / "stolen"))


def connections(reach: dict[str, Any]) -> Iterator[tuple[str, Attempt]]:
    """Ways to a TCP listener."""
    tcp, tcp6 = address(reach["tcp"]), address(reach["tcp6"], "::1")
    beside = address(reach["gate"], "127.0.0.2")

    def connect(family: int, kind: int, to: bytes, protocol: int = 0, *, lazily: bool = False) -> int:
        sock = call("socket", family, kind, protocol)
        if sock < 0:
            return sock
        if lazily:
            LIBC.setsockopt(sock, 6, 30, ctypes.byref(ctypes.c_int(1)), 4)
        made = call("connect", sock, to, len(to))
        LIBC.send(sock, b"x", 1, 0x4000)
        LIBC.close(sock)
        return made

    yield "connect", lambda: connect(INET, STREAM, tcp)
    yield "connect to ::1", lambda: connect(INET6, STREAM, tcp6)
    yield "connect, with type bits", lambda: connect(INET, STREAM | 0o2004000, tcp)
    yield "connect, fast open by option", lambda: connect(INET, STREAM, tcp, lazily=True)
    yield "connect to the gate's port at 127.0.0.2", lambda: connect(INET, STREAM, beside)
    for name, protocol in (("MPTCP", 262), ("SCTP", 132), ("SMC", 256), ("UDP-Lite", 136)):
        yield f"connect by {name}", partial(connect, INET, STREAM, tcp, protocol)

    def in_a_thread() -> int:
        got: list[int] = []
        thread = threading.Thread(target=lambda: got.append(connect(INET, STREAM, tcp)))
        thread.start()
        thread.join()
        return got[0]

    yield "connect in a thread", in_a_thread
    yield "connect in a fork", lambda: in_a_fork(lambda: connect(INET, STREAM, tcp))

    def fast_open(by: str) -> int:
        sock = call("socket", INET, STREAM, 0)
        header, held = message(tcp)
        if by == "sendto":
            sent = call("sendto", sock, b"x", 1, FAST_OPEN, tcp, len(tcp))
        elif by == "sendmsg":
            sent = call("sendmsg", sock, header, FAST_OPEN)
        else:
            sent = call("sendmmsg", sock, ctypes.create_string_buffer(header + bytes(8)), 1, FAST_OPEN)
        del held
        return 0 if sent == -errno.EINPROGRESS else sent

    for by in ("sendto", "sendmsg", "sendmmsg"):
        yield f"fast open by {by}", partial(fast_open, by)
    yield "listen without bind", lambda: call("listen", call("socket", INET, STREAM, 0), 1)
    yield "bind", lambda: call("bind", call("socket", INET, STREAM, 0), address(0), 16)


def local_sockets(reach: dict[str, Any]) -> Iterator[tuple[str, Attempt]]:
    """Ways to a local socket."""

    def pair(kind: int) -> int:
        ends = (ctypes.c_int * 2)()
        made = call("socketpair", UNIX, kind, 0, ends)
        return made if made < 0 else ends[0]

    for name, path in (("on disk", reach["unix"]), ("abstract", reach["abstract"])):
        to = local(path)
        yield f"local socket {name}", partial(call, "connect", call("socket", UNIX, STREAM, 0), to, len(to))
    for name, path in (("on disk", reach["unix_datagram"]), ("abstract", reach["abstract_datagram"])):
        to = local(path)
        for kind, word in ((DATAGRAM, "datagram"), (RAW, "raw")):
            yield (
                f"{word} pair, sent to one {name}",
                partial(call, "sendto", pair(kind), b"x", 1, 0, to, len(to)),
            )
        yield (
            f"packet pair, sent to one {name}",
            partial(call, "sendto", pair(SEQPACKET), b"x", 1, 0, to, len(to)),
        )
    to = local(reach["unix"])
    yield "stream pair, connected elsewhere", lambda: call("connect", pair(STREAM), to, len(to))


def other_sockets() -> Iterator[tuple[str, Attempt]]:
    """Kinds of sockets that are no TCP."""
    kinds = {
        "UDP": (INET, DATAGRAM, 0),
        "UDP by IPv6": (INET6, DATAGRAM, 0),
        "ping": (INET, DATAGRAM, 1),
        "raw": (INET, RAW, 1),
        "PACKET": (17, RAW, 0),
        "NETLINK": (16, RAW, 0),
        "VSOCK": (40, STREAM, 0),
        "XDP": (44, RAW, 0),
        "ALG": (38, SEQPACKET, 0),
        "TIPC": (30, STREAM, 0),
        "SMC": (43, STREAM, 0),
        "Bluetooth": (31, RAW, 1),
        "CAN": (29, RAW, 1),
    }
    yield "repair a connection", lambda: LIBC.setsockopt(call("socket", INET, STREAM, 0), 6, 19, bytes([1, 0, 0, 0]), 4)
    for name, (family, kind, protocol) in kinds.items():
        yield f"socket {name}", partial(call, "socket", family, kind, protocol)


def processes(reach: dict[str, Any]) -> Iterator[tuple[str, Attempt]]:
    """Ways into, and against, other processes."""
    everybody = {name: reach[name] for name in ("bot", "server", "gate_pid")}
    remote = ctypes.create_string_buffer(struct.pack("=QQ", reach["memory"], 8))
    buffer = ctypes.create_string_buffer(8)
    into = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(buffer), 8))
    for name, pid in everybody.items():
        yield f"ptrace of {name}", partial(call, "ptrace", 0x4206, pid, 0, 0)
        yield f"memory of {name}", partial(call, "process_vm_readv", pid, into, 1, remote, 1, 0)
        yield f"/proc/PID/mem of {name}", partial(opened, f"/proc/{pid}/mem")
        yield f"/proc/PID/environ of {name}", partial(opened, f"/proc/{pid}/environ")
        yield f"signal to {name}", partial(call, "kill", pid, 0)
        yield f"signal to the group of {name}", partial(call, "kill", -os.getpgid(pid), 0)
        yield f"signal to a thread of {name}", partial(call, "tgkill", pid, pid, 0)
        yield f"queued signal to {name}", partial(call, "rt_sigqueueinfo", pid, 0, bytes(128))
        yield f"priority of {name}", partial(call, "setpriority", 0, pid, 19)
        yield f"limits of {name}", partial(call, "prlimit64", pid, 7, 0, buffer)
        yield f"processors of {name}", partial(call, "sched_setaffinity", pid, 8, b"\xff" * 8)
        yield f"descriptor of {name}", partial(call, "pidfd_getfd", held(pid), 0, 0)
        yield f"signal by descriptor to {name}", partial(call, "pidfd_send_signal", held(pid), 0, 0, 0)
        yield f"kcmp of {name}", partial(call, "kcmp", os.getpid(), pid, 0, 0, 0)
        yield f"signal with data to {name}", partial(call, "fcntl", sockets()[0], 8, pid)
        yield (
            f"signal with data to {name}, by ioctl",
            partial(call, "ioctl", sockets()[0], 0x8901, struct.pack("i", pid)),
        )
    yield "choose the signal with data", lambda: call("fcntl", sockets()[0], 10, 9)
    for by in ("kill", "tkill"):
        yield f"{by} of another thread of the bot", partial(call, by, reach["bot_thread"], 0)
    yield "be in front of all others", lambda: call("sched_setscheduler", 0, 1, struct.pack("i", 1))
    yield "be behind all others", lambda: call("sched_setscheduler", 0, 5, struct.pack("i", 0))
    # As signal 0 alone: it would be a machine's end.
    yield "signal to everybody", lambda: call("kill", -1, 0)
    yield "signal to another job", lambda: call("kill", reach["other_pid"], 0)


def sockets() -> Any:
    """The ends of a pair of stream sockets."""
    ends = (ctypes.c_int * 2)()
    call("socketpair", UNIX, STREAM, 0, ends)
    return ends


def held(pid: int) -> int:
    """A descriptor of a process."""
    return call("pidfd_open", pid, 0)


def opened(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """A file that is open for good."""
    return int(LIBC.open(os.fsencode(path), flags, 0o600))


def files(reach: dict[str, Any], own: Path) -> Iterator[tuple[str, Attempt]]:
    """Ways to files that are not the job's."""
    outside, other = Path(reach["file"]), Path(reach["other"])
    away = outside.parent
    name, there = os.fsencode(outside), os.fsencode(away)
    yield "read the database", lambda: opened(outside)
    yield "read another job's file", lambda: opened(other)
    yield "list the jobs", lambda: opened(other.parent.parent, os.O_RDONLY | os.O_DIRECTORY)
    yield "read /etc/passwd", lambda: opened("/etc/passwd")
    yield "read by ..", lambda: opened(own / ".." / ".." / outside.name)
    yield "write the database", lambda: opened(outside, os.O_WRONLY)
    yield "append to another job's file", lambda: opened(other, os.O_WRONLY | os.O_APPEND)
    yield "make a file beside it", lambda: opened(away / "made", os.O_WRONLY | os.O_CREAT)
    yield "make a file in /tmp", lambda: opened(f"/tmp/made-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
    yield "write our own source", lambda: opened(landlock.__file__, os.O_WRONLY)
    yield "a file without a name there", lambda: opened(away, os.O_WRONLY | 0o20200000)
    yield "truncate by name", lambda: LIBC.truncate(name, ctypes.c_long(0))
    yield "truncate by opening", lambda: opened(outside, os.O_RDONLY | os.O_TRUNC)
    yield "truncate a library by opening", lambda: opened(throwaway.__file__, os.O_RDONLY | os.O_TRUNC)
    yield "make a directory", lambda: LIBC.mkdir(there + b"/new", 0o700)
    yield "rename out", lambda: LIBC.rename(os.fsencode(made(own / "mine")), there + b"/mine")
    yield "link in", lambda: LIBC.link(name, os.fsencode(own / "linked"))
    yield "symbolic link of its own", lambda: LIBC.symlink(name, os.fsencode(own / "symbolic"))
    yield "fifo of its own", lambda: LIBC.mkfifo(os.fsencode(own / "fifo"), 0o600)
    yield "device of its own", lambda: LIBC.mknod(os.fsencode(own / "device"), 0o20600, ctypes.c_ulong(0x103))
    yield "chmod", lambda: LIBC.chmod(name, 0o644)
    yield "fchmod of a library", lambda: LIBC.fchmod(opened(throwaway.__file__), 0o644)
    yield "fchmodat2", lambda: call("fchmodat2", -100, name, 0o644, 0)
    yield "chown", lambda: LIBC.chown(name, os.getuid(), os.getgid())
    yield "utimensat", lambda: LIBC.utimensat(-100, name, None, 0)
    yield "setxattr", lambda: LIBC.setxattr(name, b"user.x", b"1", ctypes.c_size_t(1), 0)
    yield "file flags of a library", lambda: LIBC.ioctl(opened(throwaway.__file__), 0x40086602, bytes(8))
    # Thawing what is not frozen fails for whoever may: EPERM is for those who may not freeze it either.
    yield "freeze a file system", lambda: 0 if call("ioctl", opened("/usr/lib"), 0xC0045878, 0) != -errno.EPERM else -1
    yield "list private keys", lambda: opened("/etc/ssl/private", os.O_RDONLY | os.O_DIRECTORY)
    yield "watch a directory", lambda: call("inotify_add_watch", call("inotify_init1", 0), there, 2)
    yield "fanotify", lambda: call("fanotify_init", 0, 0)
    yield "by handle", lambda: call("name_to_handle_at", -100, name, bytes(136), bytes(8), 0)
    yield "by an older handle", lambda: call("open_by_handle_at", 3, bytes(136), 0)
    yield "chroot", lambda: LIBC.chroot(b"/")
    yield "mount", lambda: LIBC.mount(b"none", there, b"tmpfs", 0, None)
    yield "shared memory by name", lambda: opened(f"/dev/shm/made-{os.getpid()}", os.O_RDWR | os.O_CREAT)


def made(path: Path, content: bytes = b"x", mode: int = 0o600) -> Path:
    """A file of the job's own, which is executable from its beginning or never."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    return path


def kernel(reach: dict[str, Any]) -> Iterator[tuple[str, Attempt]]:
    """The kernel's other doors."""
    user, network = 0x10000000, 0x40000000
    yield "io_uring", lambda: call("io_uring_setup", 4, bytes(120))
    yield "user namespace", lambda: in_a_fork(lambda: call("unshare", user))
    yield "network namespace", lambda: in_a_fork(lambda: call("unshare", user | network))
    yield "clone into a namespace", lambda: in_a_fork(lambda: call("clone", user | 17, 0, 0, 0, 0))
    yield (
        "clone3",
        lambda: in_a_fork(lambda: call("clone3", struct.pack("=11Q", user, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)),
    )
    yield "setns", lambda: call("setns", held(reach["bot"]), user)
    yield "bpf", lambda: call("bpf", 0, bytes(72), 72)
    yield "perf events", lambda: call("perf_event_open", bytes(120), 0, -1, -1, 0)
    yield "userfaultfd", lambda: call("userfaultfd", 1)
    yield "keyrings", lambda: call("keyctl", 0, -3, 1)
    yield "shared memory by key", lambda: call("shmget", 0x1234, 4096, 0o1600)
    yield "semaphore by key", lambda: call("semget", 0x1234, 1, 0o1600)
    yield "message queue by key", lambda: call("msgget", 0x1234, 0o1600)
    yield "message queue by name", lambda: call("mq_open", b"made", 0o102, 0o600, 0)
    if ARCHITECTURE is X86_64:
        yield "a call of x32", lambda: int(LIBC.syscall(ctypes.c_long(0x40000000 | 39)))
        yield "a 32-bit call", lambda: in_a_fork(short_call)


def short_call() -> int:
    """Getpid by int 0x80, as a 32-bit program makes it."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    return int(function())


def in_a_fork(attempt: Attempt) -> int:
    """Try it in a process of its own, which ends."""
    pid = os.fork()
    if pid == 0:
        try:
            found = attempt()
            os._exit(0 if found >= 0 else -found if found < -1 else ctypes.get_errno() or errno.EPERM)
        finally:
            os._exit(254)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return -abs(code)


def programs(reach: dict[str, Any], own: Path, ffmpeg: str) -> Iterator[tuple[str, Attempt]]:
    """What programs that the job may start can reach, and which others it can start."""

    def execute(program: str | Path, *arguments: str) -> int:
        def replace() -> int:
            line = (ctypes.c_char_p * (len(arguments) + 2))(os.fsencode(program), *map(os.fsencode, arguments), None)
            LIBC.execv(os.fsencode(program), line)
            return -1

        return in_a_fork(replace)

    loader = next(iter(Path("/lib64").glob("ld-linux*")), Path("/lib/ld-linux-aarch64.so.1"))
    yield "run /bin/sh", lambda: execute("/bin/sh", "-c", "exit 0")
    yield "run python", lambda: execute(os.path.realpath(sys.executable), "-c", "")
    yield "run a file of its own", lambda: execute(made(own / "program", loader.read_bytes(), 0o700), "--version")
    yield "run /bin/true by the loader", lambda: execute(loader, "/bin/true")

    def tool(*line: str, given: str = "") -> int:
        environment = {"HOME": str(own), "NO_COLOR": "1"}
        try:
            found = subprocess.run(
                line, input=given.encode(), capture_output=True, timeout=WAIT_SECONDS, check=False, env=environment
            )
        except subprocess.TimeoutExpired:  # it got somewhere, and waits for an answer
            return 0
        return 0 if found.returncode == 0 else -errno.EACCES

    def converted(source: str, target: str = "pipe:1") -> int:
        line = [ffmpeg, "-nostdin", "-v", "error", "-y", "-f", "u8", "-ar", "8000", "-ac", "1", "-i", source]
        return tool(*line, "-f", "u8", target)

    mine = str(made(own / "source", bytes(8000)))
    yield "ffmpeg over TCP", lambda: converted(f"tcp://127.0.0.1:{reach['tcp']}")
    yield "ffmpeg over HTTP", lambda: converted(f"http://127.0.0.1:{reach['tcp']}/")
    yield "ffmpeg to UDP", lambda: converted(mine, f"udp://127.0.0.1:{reach['udp']}")
    yield "ffmpeg to a local socket", lambda: converted(mine, f"unix:{reach['unix']}")
    yield "ffmpeg reads the database", lambda: converted(f"file:{reach['file']}")
    yield "ffmpeg writes outside", lambda: converted(mine, f"file:{Path(reach['file']).parent}/converted")
    if Path(DENO).is_file():
        scripts = {
            "connects": f"const c = await Deno.connect({{hostname: '127.0.0.1', port: {reach['tcp']}}});"
            "const n = await c.read(new Uint8Array(8)); if (n === null) throw new Error('hung up');",
            "listens": "Deno.listen({hostname: '127.0.0.1', port: 0});",
            "runs": "await new Deno.Command('/bin/sh', {args: ['-c', 'true']}).output();",
            "reads": f"Deno.readTextFileSync({json.dumps(reach['file'])});",
            "writes": f"Deno.writeTextFileSync({json.dumps(reach['file'])}, 'x');",
        }
        for name, script in scripts.items():
            yield f"deno {name}", partial(tool, DENO, "run", "-A", "-", given=script)
    yield "good: a stream pair", lambda: call("socketpair", UNIX, STREAM, 0, (ctypes.c_int * 2)())
    yield "good: a plain socket", lambda: call("socket", INET, STREAM, 6)
    yield "good: a file of its own", lambda: opened(made(own / "good"), os.O_RDWR | os.O_TRUNC)
    yield "good: a directory of its own", lambda: LIBC.mkdir(os.fsencode(own / "deeper"), 0o700)
    yield "good: rename inside", lambda: LIBC.rename(os.fsencode(own / "good"), os.fsencode(own / "deeper" / "good"))
    yield "good: a thread, a fork", lambda: in_a_fork(lambda: 0)
    yield "good: ffmpeg converts", lambda: converted(mine, f"file:{own}/copy")
    yield "good: a signal to its own process", lambda: call("kill", os.getpid(), 0)
    if Path(DENO).is_file():
        yield "good: deno computes", lambda: tool(DENO, "run", "--no-prompt", "-", given="console.log(6 * 7)")

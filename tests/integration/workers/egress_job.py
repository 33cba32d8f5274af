"""A job that tries every way out it knows and says what became of each. Loaded by the fork server, never by pytest.

The order's url ends in `?OPENED,CLOSED`: a loopback port it may reach, and one it may not.
"""

from __future__ import annotations

import errno
import functools
import http.client
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import requests
import websockets.sync.client
import yt_dlp

from doradura.child import guard
from doradura.media import addresses
from doradura.media.protocol import Emit, Order, Result, SelfTest


def run_job(order: Order, emit: Emit) -> None:
    """Try everything; the result's title is JSON, way to outcome."""
    if order.task == "selftest":
        emit(SelfTest(yt_dlp="", ffmpeg=_public() if order.door else "", guarded=guard.is_guarded()))
        return
    opened, closed = map(int, order.url.rpartition("?")[2].split(","))
    told = {name: _outcome(attempt) for name, attempt in _attempts(opened, closed, order)}
    emit(Result(path="/nowhere/x", size_bytes=1, title=json.dumps(told)))


def _public() -> str:
    """Whether a connection to a public address, which sends nothing, is refused."""
    attempt = functools.partial(_socket, socket.AF_INET, socket.SOCK_DGRAM, lambda s: s.connect(("8.8.8.8", 9)))
    return f"public {_outcome(attempt)}"


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
        text = f"{error} {error.__cause__} {error.__context__}"
        if addresses.MARKER in text:
            return "refused"
        return "program refused" if "doradura-program-refused" in text else f"{type(error).__name__}: {error}"
    return "passed"


def _socket(family: int, kind: int, use: Callable[[socket.socket], object]) -> object:
    with socket.socket(family, kind) as opened:
        opened.settimeout(5)
        return use(opened)


def _attempts(opened: int, closed: int, order: Order) -> Iterable[tuple[str, Callable[[], object]]]:
    inet, inet6, unix, stream, datagram = (
        socket.AF_INET,
        socket.AF_INET6,
        socket.AF_UNIX,
        socket.SOCK_STREAM,
        socket.SOCK_DGRAM,
    )
    for host in (
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "[fe80::1]",
    ):
        url = f"http://{host}:{closed}/"
        yield f"urllib {host}", functools.partial(urllib.request.urlopen, url, timeout=5)
        yield f"requests {host}", functools.partial(requests.get, url, timeout=5)
        yield f"yt-dlp {host}", functools.partial(_ytdlp, url)
        yield f"create_connection {host}", functools.partial(socket.create_connection, (host.strip("[]"), closed), 5)
    yield "http.client", lambda: http.client.HTTPConnection("127.0.0.1", closed, timeout=5).request("GET", "/")
    yield "websocket", lambda: websockets.sync.client.connect(f"ws://127.0.0.1:{closed}/", proxy=None)
    yield "connect_ex", lambda: _socket(inet, stream, lambda s: s.connect_ex(("127.0.0.1", closed)))
    yield "connect name", lambda: _socket(inet, stream, lambda s: s.connect(("localhost", closed)))
    yield "connect empty", lambda: _socket(inet, stream, lambda s: s.connect(("", closed)))
    yield "connect bytes", lambda: _socket(inet, stream, lambda s: s.connect((b"127.0.0.1", closed)))
    yield "connect v6", lambda: _socket(inet6, stream, lambda s: s.connect(("::1", closed)))
    yield "connect zone", lambda: _socket(inet6, stream, lambda s: s.connect(("fe80::1%lo", closed)))
    yield "connect mapped", lambda: _socket(inet6, stream, lambda s: s.connect(("::ffff:127.0.0.1", closed, 0, 0)))
    yield "udp sendto", lambda: _socket(inet, datagram, lambda s: s.sendto(b"x", ("127.0.0.1", closed)))
    yield "udp sendto flags", lambda: _socket(inet, datagram, lambda s: s.sendto(b"x", 0, ("127.0.0.1", closed)))
    yield "udp sendmsg", lambda: _socket(inet, datagram, lambda s: s.sendmsg([b"x"], [], 0, ("127.0.0.1", closed)))
    yield "udp broadcast", lambda: _socket(inet, datagram, lambda s: s.sendto(b"x", ("<broadcast>", closed)))
    yield "unix", lambda: _socket(unix, stream, lambda s: s.connect("/run/docker.sock"))
    yield "unix abstract", lambda: _socket(unix, stream, lambda s: s.connect(b"\0bus"))
    yield "unix sendto", lambda: _socket(unix, datagram, lambda s: s.sendto(b"x", "/dev/log"))
    yield "netlink", lambda: _socket(socket.AF_NETLINK, socket.SOCK_RAW, lambda s: s.sendto(b"x", (0, 0)))
    yield "bind", lambda: _socket(inet, stream, lambda s: s.bind(("127.0.0.1", 0)))
    redirect = f"http://127.0.0.1:{opened}/redirect"
    yield "redirect urllib", lambda: urllib.request.urlopen(redirect, timeout=5)
    yield "redirect requests", lambda: requests.get(redirect, timeout=5)
    yield "redirect yt-dlp", lambda: _ytdlp(redirect)
    yield "rebinding", lambda: _rebound(closed)
    yield "shell", lambda: subprocess.run("true", shell=True, check=True)
    yield "other program", lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True)
    yield "program by name", lambda: subprocess.run(["true"], check=True)
    yield "os.system", lambda: os.system("true")
    yield "os.posix_spawn", lambda: os.posix_spawn("/bin/sh", ["sh"], {})
    yield "os.execv", lambda: os.execv("/bin/sh", ["sh"])
    yield "ffmpeg", lambda: subprocess.run([order.ffmpeg], check=True)
    fine = f"http://127.0.0.1:{opened}/fine"
    yield "allowed urllib", lambda: urllib.request.urlopen(fine, timeout=5).read()
    yield "allowed requests", lambda: requests.get(fine, timeout=5).content
    yield "allowed mapped", lambda: _socket(inet6, stream, lambda s: s.connect(("::ffff:127.0.0.1", opened)))
    yield "socketpair", _pair
    yield "connected sendmsg", lambda: _connected_sendmsg(opened)


def _ytdlp(url: str) -> object:
    with yt_dlp.YoutubeDL({"quiet": True, "no_warnings": True, "retries": 0, "extractor_retries": 0}) as ydl:
        return ydl.extract_info(url, download=False)


def _rebound(port: int) -> object:
    """A host whose every look-up says loopback: a name server that answers differently the second time."""
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        return real("127.0.0.1", port, *rest, **named)

    socket.getaddrinfo = answer
    try:
        return urllib.request.urlopen(f"http://media.example.com:{port}/", timeout=5)
    finally:
        socket.getaddrinfo = real


def _pair() -> None:
    for end in socket.socketpair():
        end.close()


def _connected_sendmsg(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connected:
        if connected.sendmsg([b"x"]) != 1:
            raise OSError(errno.EIO, "not sent")

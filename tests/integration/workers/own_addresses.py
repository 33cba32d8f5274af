"""Jobs on a machine with public addresses: run in a network namespace of its own, never by pytest.

The namespace has a link with an address of each family, a site that listens on all of them, and no way out. What the
site was asked, and how each job ended, is printed as JSON.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any

import trio

from doradura.media.protocol import Failure, Limits, Order
from doradura.media.variant import Variant
from doradura.workers.fork import ForkWorkers
from doradura.workers.gate import Gate, GatedWorkers
from doradura.workers.interface import Workers

LIMITS = Limits(file_bytes=10**7, upload_bytes=10**7, cpu_seconds=60, memory_bytes=10**9, processes=20)


def ip(line: str) -> None:
    """Change the namespace by one command of iproute2."""
    subprocess.run(["ip", *line.split()], check=True)


@dataclasses.dataclass
class Site:
    """What the site was asked, by host and path."""

    port: int = 0
    asked: list[str] = dataclasses.field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *arguments: Any) -> None:
        self._site = site
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        self._site.asked.append(f"{self.headers['Host']}{self.path}")
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", f"http://5.5.5.5:{self._site.port}/health")
            content = b""
        elif self.path == "/list.m3u8":
            ip("addr replace 9.9.9.9/24 dev here")  # the machine gets this address while the job runs
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", "first.ts", "#EXTINF:1,")
            content = "\n".join((*lines, f"http://9.9.9.9:{self._site.port}/health", "#EXT-X-ENDLIST", "")).encode()
        elif self.path == "/first.ts":
            self.send_response(200)
            content = b"G" + bytes(187)
        else:
            self.send_response(404)
            content = b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    address_family = AF_INET6  # and IPv4 with it
    daemon_threads = True


@contextmanager
def listening(site: Site) -> Iterator[None]:
    """The site on every address."""
    with _Server(("::", 0), functools.partial(_Handler, site)) as server:
        site.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


async def ended(workers: Workers, url: str, **more: Any) -> str:
    """How a job for the link ends."""
    with tempfile.TemporaryDirectory() as directory:
        order = Order(
            job_id=1,
            task="download",
            directory=directory,
            url=url,
            variant=Variant("mp4", "720p"),
            limits=LIMITS,
            ffmpeg="/bin/true",
            **more,
        )
        with trio.fail_after(60):
            async with workers.work(order) as conversation:
                last = [message async for message in conversation][-1]
    return last.reason if isinstance(last, Failure) else type(last).__name__


async def main() -> None:
    """Set the namespace up, and try."""
    for line in (
        "link set lo up",
        "link add here type veth peer name there",
        "link set here up",
        "link set there up",
        "addr add 5.5.5.5/24 dev here",
        "addr add 2001:4860:77::5/64 dev here nodad",
        "addr add 2a01:1::5/128 dev here nodad",
        "-6 route add 2a01:2::/64 dev here",
        "addr add 2a01:2::9/128 dev lo",
    ):
        ip(line)
    site, told = Site(), {}
    with listening(site):
        port = site.port
        near, own, children = f"127.0.0.1:{port}", f"5.5.5.5:{port}", ForkWorkers(environment=os.environ)
        gates = {
            "": Gate(environment=os.environ),
            "near": Gate(environment=os.environ, way=lambda _site: f"http://{near}"),
            "own": Gate(environment=os.environ, way=lambda _site: f"http://{own}"),
        }
        async with trio.open_nursery() as nursery:
            for gate in gates.values():
                await nursery.start(gate.run)
            await nursery.start(children.run)
            workers = GatedWorkers(children, gates[""])
            for host in sys.argv[1:]:
                told[f"alone {host}"] = await ended(children, f"http://{host}:{port}/health")
            for host in sys.argv[1:]:
                told[host] = await ended(workers, f"http://{host}:{port}/health")
            told["redirect"] = await ended(workers, f"http://{near}/redirect", allowed_private=(near,))
            told["segment"] = await ended(workers, f"http://{near}/list.m3u8", allowed_private=(near,))
            told["by proxy"] = await ended(GatedWorkers(children, gates["near"]), f"http://5.5.5.5:{port}/health")
            refused = site.asked.copy()
            told["allowed"] = await ended(workers, f"http://{own}/health", allowed_private=(own,))
            told["proxy of ours"] = await ended(GatedWorkers(children, gates["own"]), "http://8.8.8.8/x")
            nursery.cancel_scope.cancel()
    paths = [path.replace(str(port), "PORT") for path in refused]
    sys.stdout.write(json.dumps({"told": told, "asked": paths}))


trio.run(main)

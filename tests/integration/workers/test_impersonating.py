"""Requests that look like a browser's: behind which wall, and what a site sees of them."""

from __future__ import annotations

import importlib
import json
import os
import re
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import trio

from doradura.child.impersonating import _MOST_PIECES, _Pieces
from doradura.media.protocol import Failure, Order, Result, WallKind, WorkerMessage
from doradura.workers.gate import GatedWorkers
from tests.integration.gated import gate_and_workers
from tests.integration.workers.client_hello import ClientHello
from tests.integration.workers.tls_site import Answer, TlsSite, make_certificate, serving
from tests.programs import needs_curl_cffi

NewOrder = Callable[..., Order]
HERE = str(Path(__file__).parent)
WALLS: tuple[WallKind, ...] = ("notify", "port")
MEGABYTE = b"x" * 2**20


def _page(content: bytes, *headers: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(content), b"".join(headers), content)


def _redirect(to: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % to


def _endless(coded: ssl.SSLSocket, released: threading.Event) -> None:
    coded.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not released.is_set():
        coded.sendall(MEGABYTE)


def _dripping(coded: ssl.SSLSocket, released: threading.Event) -> None:
    coded.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not released.wait(0.1):
        coded.sendall(b"x")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def site(certificate: Path) -> Iterator[TlsSite]:
    """A site that sees its clients' handshakes."""
    answers: dict[str, Answer] = {
        "/": _page(b"fine"),
        "/private": _redirect(b"https://10.0.0.1/"),
        "/file": _redirect(b"file:///etc/passwd"),
        "/ftp": _redirect(b"ftp://127.0.0.1/"),
        "/endless": _endless,
        "/dripping": _dripping,
    }
    with serving(certificate, answers) as opened:
        yield opened


@pytest.fixture
def impersonates() -> None:
    """Skip where curl_cffi is not installed."""
    needs_curl_cffi()


Ask = Callable[..., Any]


@pytest.fixture
async def ask(site: TlsSite, new_order: NewOrder) -> AsyncIterator[Ask]:
    """Return what a job says that requests an address behind a wall."""
    path = os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}

    async def run(wall: WallKind, target: str, address: str) -> WorkerMessage:
        order = new_order(f"{target} {address}", allowed=(f"127.0.0.1:{site.port}",))
        order = msgspec.structs.replace(order, floor_seconds=3.0)
        with trio.fail_after(120):
            async with GatedWorkers(workers, gate, wall).work(order) as conversation:
                return [message async for message in conversation][-1]

    async with gate_and_workers(environment=environment, job="impersonating_job:run_job") as (gate, workers):
        yield run


def told(end: WorkerMessage) -> dict[str, Any]:
    """What a job says that was answered."""
    assert isinstance(end, Result), end
    return cast("dict[str, Any]", json.loads(end.title))


async def outside(site: TlsSite, target: str) -> ClientHello:
    """What curl_cffi shows where nothing is around it."""
    requests = importlib.import_module("curl_cffi.requests")
    handler = importlib.import_module("yt_dlp.networking._curlcffi").CurlCFFIRH
    names = {key.client: name for key, name in reversed(handler._SUPPORTED_IMPERSONATE_TARGET_MAP.items())}
    await trio.to_thread.run_sync(
        lambda: requests.get(f"{site.url}/", impersonate=names[target], verify=False, timeout=30)
    )
    return site.hellos.pop()


@pytest.mark.usefixtures("impersonates")
@pytest.mark.parametrize("wall", WALLS)
async def test_a_browser_s_handshake(site: TlsSite, ask: Ask, wall: WallKind) -> None:
    """Behind a wall a site sees exactly what it sees of curl_cffi anywhere, and none of it is Python's."""
    assert told(await ask(wall, "-", f"{site.url}/"))["bytes"] == 4
    plain = site.hellos.pop()
    assert (plain.protocols, plain.traits) == (("http/1.1",), frozenset())
    for target in ("chrome", "safari", "firefox"):
        assert told(await ask(wall, target, f"{site.url}/"))["bytes"] == 4
        seen = site.hellos.pop()
        assert re.search(target, site.asked[-1][1]["user-agent"], re.IGNORECASE)
        assert seen == await outside(site, target)
        assert seen.protocols == ("h2", "http/1.1")
        assert not {seen.ciphers, seen.extensions} & {plain.ciphers, plain.extensions}
        assert len(seen.traits) == {"chrome": 5, "safari": 3, "firefox": 3}[target], seen.traits
    assert told(await ask(wall, "-", f"{site.url}/"))["bytes"] == 4
    assert site.hellos == [plain]


@pytest.mark.usefixtures("impersonates")
async def test_without_a_wall_it_is_not_offered(site: TlsSite, ask: Ask) -> None:
    """It is loaded, in one thread, and not among what yt-dlp may use: a request for it never leaves."""
    plain = told(await ask("hook", "-", f"{site.url}/"))
    assert plain["loaded"]
    assert plain["handlers"] == ["Requests", "Urllib", "Websockets"]
    site.hellos.clear()
    end = await ask("hook", "chrome", f"{site.url}/")
    assert isinstance(end, Failure)
    assert "Impersonate target" in end.detail
    assert site.hellos == []


@pytest.mark.usefixtures("impersonates")
@pytest.mark.parametrize("wall", WALLS)
async def test_the_gate_is_its_only_way(site: TlsSite, ask: Ask, wall: WallKind) -> None:
    """A browser's requests are refused what plain ones are, in the same words."""
    for address, reason in (
        ("https://10.0.0.1/", "refused_address"),
        ("https://localhost:1/", "refused_address"),
        (f"{site.url}/private", "refused_address"),
        ("https://nowhere.invalid/", "gone"),
    ):
        for target in ("chrome", "-"):
            end = await ask(wall, target, address)
            assert isinstance(end, Failure), end
            assert end.reason == reason, (address, target, end.detail)
            assert "the gate says" in end.detail


@pytest.mark.usefixtures("impersonates")
@pytest.mark.parametrize("wall", WALLS)
async def test_a_certificate_is_checked(site: TlsSite, ask: Ask, wall: WallKind) -> None:
    """The list of authorities is within reach behind the wall, so a stranger's certificate is what is refused."""
    for target in ("chrome!", "-!"):
        end = await ask(wall, target, f"{site.url}/")
        assert isinstance(end, Failure), end
        assert end.reason == "network"
        assert re.search(r"\(60\) SSL certificate|CERTIFICATE_VERIFY_FAILED", end.detail), end.detail


@pytest.mark.usefixtures("impersonates")
async def test_what_a_site_could_do_to_it(site: TlsSite, ask: Ask) -> None:
    """Curl speaks two dozen protocols and reads for ever: no redirect leaves the web, and a page has its bound."""
    for path, words in (
        ("/file", "rotocol"),
        ("/ftp", "rotocol"),
        ("/endless", "page or manifest of more than"),
    ):
        end = await ask("port", "chrome", f"{site.url}{path}")
        assert isinstance(end, Failure), end
        assert words in end.detail
    assert end.reason == "unsupported"


@pytest.mark.usefixtures("impersonates")
async def test_a_site_that_drags_it_out(site: TlsSite, ask: Ask) -> None:
    """The floor holds it as it holds Python's networking."""
    for target in ("chrome", "-"):
        end = await ask("notify", target, f"{site.url}/dripping")
        assert isinstance(end, Failure), end
        assert end.reason == "too_slow", end.detail


def test_a_fast_site_waits_for_the_job() -> None:
    """What has come and was not read yet is a few pieces; where nobody reads any more, nothing waits."""
    pieces, came = _Pieces(), 0

    def put() -> None:
        nonlocal came
        for number in range(10_000):
            pieces.put_nowait(number)
            came += 1

    site = threading.Thread(target=put)
    site.start()
    for number in range(5000):
        assert pieces.get() == number
        assert came <= number + 1 + _MOST_PIECES
    pieces.leave()
    site.join(60)
    assert came == 10_000

from __future__ import annotations

import base64
import gzip
import hashlib
import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio

from doradura.health import CheckResult
from doradura.health_sentences import HealthText, Sentence
from doradura.metrics import DATABASE_FAMILIES
from doradura.web import AccessRules
from tests.programs import found

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
NOWHERE = (ipaddress.ip_network("192.0.2.0/24"),)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)

Start = Callable[..., Awaitable[Any]]


async def ask(url: str, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """One request on a connection of its own; header names with _ for -."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.request(method, path, headers={"Accept-Encoding": "identity", "Accept": "*/*"} | wanted)


async def test_metrics_in_both_forms(client: httpx.AsyncClient) -> None:
    """Accept decides the form, and the content type names it."""
    text = await client.get("/metrics")
    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'doradura_health_status{check="poll"} 1.0' in text.text
    assert "doradura_queue_depth 3.0" in text.text
    opened = await client.get("/metrics", headers={"Accept": OPENMETRICS})
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert opened.text.endswith("# EOF\n")
    assert opened.headers["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
async def test_gzip_when_accepted(client: httpx.AsyncClient, accepted: str, *, zipped: bool) -> None:
    """Accept-Encoding decides whether the text is packed; refused with q=0 it is not."""
    async with client.stream("GET", "/metrics", headers={"Accept-Encoding": accepted}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert (response.headers.get("Content-Encoding") == "gzip") is zipped
    assert int(response.headers["Content-Length"]) == len(raw)
    assert b"# TYPE doradura_build_info gauge" in (gzip.decompress(raw) if zipped else raw)


async def test_metrics_without_a_database(site: Any, client: httpx.AsyncClient) -> None:
    """A database that is down takes its own families away and nothing else; each is counted once."""
    site.database_down = True
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert "doradura_queue_depth" not in response.text
    assert "doradura_build_info" in response.text
    assert site.errors("storage") == len(DATABASE_FAMILIES)
    assert site.errors("http") == 0.0


async def test_promtool_finds_nothing_to_say(client: httpx.AsyncClient) -> None:
    """Prometheus' own linter accepts what is served."""
    command = [found("promtool"), "check", "metrics"]
    text = (await client.get("/metrics")).content
    said = await trio.run_process(command, stdin=text, capture_stdout=True, capture_stderr=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, b"")


async def test_health_follows_checks_and_state(site: Any, client: httpx.AsyncClient) -> None:
    """503 while starting, failing and draining; 200 when ok; every time with the whole report."""
    response = await client.get("/health")
    assert (response.status_code, response.json()["status"]) == (503, "starting")
    site.health.mark_running()
    response = await client.get("/health")
    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["status", "version", "uptime_seconds", "checks"]
    assert body["checks"] == {"poll": {"age_seconds": 1, "status": "ok", "message": "Telegram answers"}}
    site.health.mark_draining()
    response = await client.get("/health")
    assert (response.status_code, response.json()["status"]) == (503, "draining")
    assert (await client.get("/metrics")).status_code == 200


async def test_failing_check_is_503(start: Start) -> None:
    """What a restart can mend is a 503, and the gauge says the same."""
    site = await start()
    site.health.mark_running()
    site.check = CheckResult("failing", Sentence(HealthText.POLL_CONFLICT))
    response = await ask(site.url, "/health")
    assert (response.status_code, response.json()["status"]) == (503, "failing")
    assert 'doradura_health_status{check="poll"} 0.0' in (await ask(site.url, "/metrics")).text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes(start: Start, method: str) -> None:
    """/livez is 200 from the bind to the end, /readyz between start and draining; neither tells a thing."""
    site = await start(AccessRules(NOWHERE, basic_auth="user:password"))
    async with httpx.AsyncClient(base_url=site.url, trust_env=False, timeout=60) as client:

        async def seen() -> tuple[int, int]:
            answers = [await client.request(method, path) for path in ("/livez", "/readyz")]
            assert [answer.content for answer in answers] == [b"", b""]
            assert [answer.headers["Content-Length"] for answer in answers] == ["0", "0"]
            return answers[0].status_code, answers[1].status_code

        assert await seen() == (200, 503)
        site.health.mark_running()
        assert await seen() == (200, 200)
        site.check = CheckResult("failing", Sentence(HealthText.DATABASE_CLOSED))
        assert (await client.get("/health")).status_code == 503
        assert await seen() == (200, 200)
        site.health.mark_draining()
        assert await seen() == (200, 503)
        assert (await client.post("/livez")).status_code == 405


async def test_runbooks_are_served(client: httpx.AsyncClient) -> None:
    """A page for each alert, found in any case, with its text, commands and links to others; and a list of them."""
    index = await client.get("/runbooks/")
    assert index.status_code == 200
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    names = re.findall(r'<li><a href="/runbooks/(\w+)">', index.text)
    assert len(names) > 20
    assert "bot_pid()" in index.text
    for name in names:
        page = await client.get(f"/runbooks/{name}")
        assert page.status_code == 200
        assert f"<h1>{name}</h1>" in page.text
        assert "<b>Means</b>" in page.text
        assert "<b>Do</b>" in page.text
        assert "**" not in re.sub(r"<code>.*?</code>", "", page.text, flags=re.DOTALL)
        linked = set(re.findall(r'href="([^"]*)"', page.text))
        assert {link for link in linked if not link.startswith("http")} <= {
            f"/runbooks/{name}" for name in ["", *names]
        }
    for spelling in ("/runbooks/botdown", "/runbooks/BOTDOWN", "/runbooks/BotDown/"):
        assert "<h1>BotDown</h1>" in (await client.get(spelling)).text
    assert (await client.get("/runbooks")).text == index.text
    assert '<a href="/runbooks/TelegramUnreachable">' in (await client.get("/runbooks/HighErrorRate")).text


async def test_an_unknown_runbook_is_a_404_with_the_list(client: httpx.AsyncClient) -> None:
    """What was asked for is shown escaped and short, and the list leads on."""
    for path in ("/runbooks/NoSuchAlert", "/runbooks/%3Cscript%3E", f"/runbooks/{'x' * 5000}", "/runbooks/%ff%00"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert '<a href="/runbooks/BotDown">' in answer.text
        assert "<script>" not in answer.text
        assert "x" * 200 not in answer.text
    assert "&lt;script&gt;" in (await client.get("/runbooks/%3Cscript%3E")).text
    assert (await client.get("/runbooks/../metrics/no")).status_code == 404


async def test_runbooks_have_the_access_rules_of_metrics(start: Start) -> None:
    """Not for other networks, and not without the password where one is set."""
    stranger, closed = await start(AccessRules(NOWHERE)), await start(AccessRules(LOOPBACK, basic_auth="user:pass"))
    for path in ("/runbooks", "/runbooks/", "/runbooks/BotDown", "/runbooks/None", "//runbooks/BotDown"):
        assert (await ask(stranger.url, path)).status_code == 403
        assert (await ask(closed.url, path)).status_code == 401
    async with httpx.AsyncClient(base_url=closed.url, trust_env=False, timeout=60, auth=("user", "pass")) as client:
        assert (await client.get("/runbooks/BotDown")).status_code == 200


async def test_index_speaks_json_and_html(client: httpx.AsyncClient) -> None:
    """JSON for programs; for a browser a page that shows the same, escaped, with a style its policy allows."""
    body = (await client.get("/")).json()
    assert body["name"] == "doradura"
    assert set(body["links"]) == {"/health", "/livez", "/readyz", "/metrics", "/runbooks/"}
    response = await client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;1.0&gt;" in response.text
    assert "1 d 2 h" in response.text
    assert 'href="/metrics"' in response.text
    assert 'It is <span class="starting">starting</span>' in response.text
    assert '<th scope="row">poll</th><td><span class="ok">ok</span></td><td>Telegram answers</td>' in response.text
    style = re.search(r"<style>(.*)</style>", response.text)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/metrics", "/health", "/nowhere"])
async def test_every_answer_has_the_safe_headers(client: httpx.AsyncClient, path: str) -> None:
    """Not sniffed, not cached, not framed, and the server's make is its own business."""
    headers = (await client.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers


@pytest.mark.parametrize("path", ["/", "/metrics", "/health", "/runbooks/", "/runbooks/BotDown"])
async def test_methods(client: httpx.AsyncClient, path: str) -> None:
    """HEAD is GET without the body; OPTIONS and a 405 name what there is."""
    head = await client.head(path)
    assert head.content == b""
    assert int(head.headers["Content-Length"]) > 0
    options = await client.options(path)
    assert options.status_code == 200
    assert set(options.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    for method in ("POST", "PUT", "DELETE"):
        response = await client.request(method, path, content=b"x")
        assert response.status_code == 405
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
        assert "method not allowed" in response.json()["error"]


async def test_unknown_path_is_json(client: httpx.AsyncClient) -> None:
    """A 404 says in JSON what is here."""
    response = await client.get("/nowhere")
    assert response.status_code == 404
    assert response.json() == {
        "error": "not found: /, /health, /livez, /readyz, /metrics, /runbooks/ and POST /alerts are here"
    }


async def test_foreign_network_gets_403_but_health(start: Start) -> None:
    """Outside the networks only /health answers, which has nothing to hide and whose probes come from anywhere."""
    site = await start(AccessRules(NOWHERE))
    for path in ("/metrics", "/"):
        response = await ask(site.url, path, X_Forwarded_For="192.0.2.1")
        assert response.status_code == 403
        assert "DORADURA_ALLOWED_NETWORKS" in response.json()["error"]
    assert (await ask(site.url, "/health")).status_code == 503
    assert "doradura_build_info" not in (await ask(site.url, "/metrics")).text


async def test_trusted_proxy_names_the_client(start: Start) -> None:
    """Through a trusted proxy the client's own network decides."""
    site = await start(AccessRules(NOWHERE, trusted_proxies=LOOPBACK))
    assert (await ask(site.url, "/metrics", X_Forwarded_For="192.0.2.1")).status_code == 200
    assert (await ask(site.url, "/metrics", X_Forwarded_For="192.0.2.1, 198.51.100.1")).status_code == 403
    assert (await ask(site.url, "/metrics", X_Forwarded_For="192.0.2.1, nonsense")).status_code == 403
    assert (await ask(site.url, "/metrics", Remote_Addr="192.0.2.1")).status_code == 403


async def test_password(start: Start) -> None:
    """With a password set, /metrics and / want it and say so; /health doesn't."""
    site = await start(AccessRules(LOOPBACK, basic_auth="prometheus:s3cret"))
    for path in ("/metrics", "/"):
        response = await ask(site.url, path)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
        wrong = base64.b64encode(b"prometheus:wrong").decode()
        assert (await ask(site.url, path, Authorization=f"Basic {wrong}")).status_code == 401
        right = base64.b64encode(b"prometheus:s3cret").decode()
        assert (await ask(site.url, path, Authorization=f"Basic {right}")).status_code == 200
    assert (await ask(site.url, "/health")).status_code == 503


async def test_broken_route_is_500_logged_and_counted_once(
    site: Any, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """One request's failure is a JSON 500, a traceback in the log and one count; the next request works."""
    site.break_with = RuntimeError("render broke")
    response = await client.get("/metrics")
    assert response.status_code == 500
    assert set(response.json()) == {"error"}
    assert "render broke" not in response.text
    (record,) = [record for record in caplog.records if record.name.startswith("doradura")]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "render broke"
    assert site.errors("http") == 1.0
    site.break_with = None
    assert (await client.get("/metrics")).status_code == 200


async def test_large_body_is_refused(client: httpx.AsyncClient) -> None:
    """A body over the limit is refused by its announced length, before it is read."""
    response = await client.post("/metrics", content=b"x" * (1024 * 1024 + 1))
    assert response.status_code == 413
    assert "error" in response.json()

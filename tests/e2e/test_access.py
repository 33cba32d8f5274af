"""Who may see the real program's numbers: the three ways of docs/settings.md, from real addresses of this machine."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from tests.e2e.program import running

PROXY, FRIEND, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3"


async def status(url: str, source: str = PROXY, **options: object) -> int:
    """Ask from an address of this machine; give the answer's status."""
    transport = httpx.AsyncHTTPTransport(local_address=source)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        return (await client.get(url, **options)).status_code  # type: ignore[arg-type]  # what get takes


async def test_bound_to_one_address(tmp_path: Path) -> None:
    """What listens on one address is not there on the machine's others."""
    async with running(tmp_path / "data", DORADURA_HTTP_BIND=f"{FRIEND}:0") as program:
        assert program.http_url.startswith(f"http://{FRIEND}:")
        assert await status(f"{program.http_url}/metrics") == 200
        with pytest.raises(httpx.ConnectError):
            await status(f"{program.http_url.replace(FRIEND, PROXY)}/health")


async def test_a_password_in_a_file(tmp_path: Path) -> None:
    """With a password, which may lie in a file, /metrics and / want it; /health has no secret to keep."""
    secret = tmp_path / "secret"
    secret.write_text("prometheus:correct horse\n", encoding="utf-8")
    async with running(tmp_path / "data", DORADURA_METRICS_BASIC_AUTH_FILE=str(secret)) as program:
        for path in ("/metrics", "/"):
            url = f"{program.http_url}{path}"
            assert await status(url) == 401
            assert await status(url, auth=("prometheus", "correct")) == 401
            assert await status(url, auth=("prometheus", "correct horse")) == 200
        assert await status(f"{program.http_url}/health") == 200
        assert "correct horse" not in program.log()


async def test_networks_and_a_proxy_that_is_believed(tmp_path: Path) -> None:
    """The network decides: of the client itself, or of whom a trusted proxy names; nobody else's word counts."""
    async with running(
        tmp_path / "data",
        DORADURA_ALLOWED_NETWORKS=f"{FRIEND}/32,2001:db8::/32",
        DORADURA_TRUSTED_PROXIES=f"{PROXY}/32",
    ) as program:
        url = f"{program.http_url}/metrics"

        async def named(who: str, source: str = PROXY) -> int:
            return await status(url, source, headers={"X-Forwarded-For": who})

        assert await status(url, FRIEND) == 200
        assert await status(url, STRANGER) == 403
        assert await status(url, PROXY) == 403, "the proxy itself is in no allowed network"
        assert await named(FRIEND) == 200
        assert await named("2001:db8::1") == 200
        assert await named("2001:db9::1") == 403
        assert await named(f"{FRIEND}, {STRANGER}") == 403, "what stands before the proxy's own word is the client's"
        assert await named(FRIEND, STRANGER) == 403
        assert await status(f"{program.http_url}/health", STRANGER) == 200


async def test_a_client_of_ipv6(tmp_path: Path) -> None:
    """IPv6 clients are judged by IPv6 networks."""
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    for networks, expected in (("::1/128", 200), ("127.0.0.0/8,2001:db8::/32", 403)):
        extra = {"DORADURA_HTTP_BIND": "[::1]:0", "DORADURA_ALLOWED_NETWORKS": networks}
        async with running(tmp_path / networks[:2].strip(":"), **extra) as program:
            assert await status(f"{program.http_url}/metrics", "::1") == expected

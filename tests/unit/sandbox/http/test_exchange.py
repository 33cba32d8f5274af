from __future__ import annotations

import pytest

from doradura.sandbox.http.exchange import is_loopback_host


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3:80", True),
        ("LOCALHOST:8082", True),
        ("[::1]:8082", True),
        ("[::1]", True),
        ("", False),
        ("evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("localhost.evil.com:8082", False),
        ("192.168.0.1", False),
        ("0.0.0.0:1", False),
    ],
)
def test_only_loopback_hosts_are_answered(host: str, *, allowed: bool) -> None:
    """Names and addresses of this machine alone are taken, with any port."""
    assert is_loopback_host(host) is allowed

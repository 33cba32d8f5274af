from __future__ import annotations

import pytest

from doradura.sandbox.server import SandboxBindError, parse_bind


def test_bind_addresses() -> None:
    """Loopback addresses are taken; others are refused with a sentence that names them."""
    assert parse_bind("127.0.0.1:8082")[1:] == ("127.0.0.1", 8082)
    assert parse_bind("localhost:0")[1:] == ("127.0.0.1", 0)
    assert parse_bind("[::1]:1")[1:] == ("::1", 1)
    with pytest.raises(SandboxBindError, match=r"loopback only .* not on 0\.0\.0\.0:8082"):
        parse_bind("0.0.0.0:8082")
    for wrong in ("127.0.0.1", "example.org:80", "127.0.0.1:99999", ":80"):
        with pytest.raises(SandboxBindError):
            parse_bind(wrong)

from __future__ import annotations

import pytest

from doradura.telegram.poller import poll_seconds


@pytest.mark.parametrize(
    ("api_url", "seconds"),
    [
        ("https://api.telegram.org", 45),
        ("http://bot-api.internal:8081", 45),
        ("http://127.0.0.1:8082", 2),
        ("http://localhost:8081", 2),
        ("http://[::1]:8081", 2),
    ],
)
def test_a_server_on_this_machine_is_asked_often(api_url: str, seconds: int) -> None:
    """An idle poll at Telegram lasts 45 s, on this machine 2 s, under the outage a fast stack looks for."""
    assert poll_seconds(api_url) == seconds

"""A stack that has nobody to ask says so."""

from __future__ import annotations

import httpx
import pytest

from stack.runner import without_bot

SAID = "  No bot answers at http://127.0.0.1:9090, so there is no data yet: `just run` starts it."


def away(request: httpx.Request) -> httpx.Response:
    """Nobody listens."""
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(lambda _request: httpx.Response(200), None), (lambda _request: httpx.Response(404), SAID), (away, SAID)],
)
async def test_a_stack_without_a_bot_says_so(answer: object, said: str | None) -> None:
    """Where it looked, and what starts one; a bot that lives is no news."""
    assert await without_bot("http://127.0.0.1:9090", httpx.MockTransport(answer)) == said  # type: ignore[arg-type]

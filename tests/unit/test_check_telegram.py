"""What `check` says where the Bot API's server does not say whose the token is: the advice fits the fault."""

from __future__ import annotations

import pytest

from doradura.cli.check import telegram_fault
from doradura.telegram.errors import (
    BadRequestError,
    DeadlineExceededError,
    NotSentError,
    RateLimitedError,
    ServerError,
    TelegramError,
    TokenRefusedError,
    UnconfirmedError,
)

CLOUD = "https://api.telegram.org"
OWN = "http://10.0.0.5:8081"


def unreachable(why: str) -> NotSentError:
    """No connection came about."""
    error = NotSentError("getMe", f"not sent ({why})")
    error.unreachable = why
    return error


@pytest.mark.parametrize("given_up", [False, True])
@pytest.mark.parametrize(
    ("error", "api_url", "said", "advice"),
    [
        (TokenRefusedError("getMe", 401, "Unauthorized"), CLOUD, "(401 Unauthorized)", "@BotFather"),
        (TokenRefusedError("getMe", 404, "Not Found"), OWN, "(404 Not Found)", "@BotFather"),
        (unreachable("name not found"), CLOUD, "can't reach api.telegram.org (name not found)", "name server"),
        (unreachable("name not found"), OWN, "can't reach 10.0.0.5:8081", "DORADURA_TELEGRAM_API_URL"),
        (unreachable("connection refused"), OWN, "(connection refused)", "DORADURA_TELEGRAM_API_URL"),
        (unreachable("no answer"), CLOUD, "(no answer)", "firewall"),
        (unreachable("its certificate is not trusted"), CLOUD, "certificate", "clock"),
        (RateLimitedError("getMe", "Too Many Requests", retry_after_seconds=5), CLOUD, "asks to wait", "in 5 s"),
        (ServerError("getMe", 502, "Bad Gateway"), CLOUD, "502 Bad Gateway", "a few minutes"),
        (ServerError("getMe", 502, "Bad Gateway"), OWN, "502 Bad Gateway", "DORADURA_TELEGRAM_API_URL"),
        (UnconfirmedError("getMe", "status 200 with 20 bytes"), CLOUD, "is not Telegram", "online"),
        (UnconfirmedError("getMe", "status 200 with 20 bytes"), OWN, "is not Telegram", "DORADURA_TELEGRAM_API_URL"),
        (BadRequestError("getMe", 400, "odd"), CLOUD, "400 odd", "online"),
    ],
)
def test_the_advice_fits_the_fault(
    error: TelegramError, api_url: str, said: str, advice: str, *, given_up: bool
) -> None:
    """Only a refused token is asked about, after several attempts as after one."""
    if given_up:
        last, error = error, DeadlineExceededError("getMe", attempts=5, last=error, unconfirmed=False)
        error.__cause__ = last
    text = telegram_fault(error, api_url)
    assert said in text
    assert advice in text
    assert ("TOKEN" in text) == ("@BotFather" in advice)

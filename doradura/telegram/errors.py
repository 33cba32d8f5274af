"""The tree of everything that can go wrong between the bot and Telegram.

The tree answers the one question that a sender has: did the call take effect? `ApiError` is an answer, so it did not.
`NotSentError` means that the server never received the whole request, so it did not. `UnconfirmedError` may have. No
error carries a URL, because the URL contains the token.
"""

from __future__ import annotations

import re
from typing import Final, Literal

RequestOutcome = Literal["ok", "client_error", "rate_limited", "server_error", "network", "timeout"]
"""How one HTTP request ended: a closed set that is also the metric's label."""
OUTAGES: Final[tuple[RequestOutcome, ...]] = ("server_error", "network", "timeout")
"""The outcomes that are the fault of Telegram or of the network."""


DETAIL_CHARS = 500
"""Texts from outside are cut to this length: they go into the log, the database, /health and messages to admins."""
_UNSEEN = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def tidy(text: str) -> str:
    """Return a text from outside as one line of bounded length; every invisible character becomes a space."""
    line = _UNSEEN.sub(" ", text[: 2 * DETAIL_CHARS]).strip()
    return line if len(line) <= DETAIL_CHARS else line[:DETAIL_CHARS] + "…"


class TelegramError(Exception):
    """Any failure of a Bot API call; `method` names the call, `detail` says why in one line of bounded length."""

    outcome: RequestOutcome = "network"

    def __init__(self, method: str, detail: str) -> None:
        detail = tidy(detail)
        super().__init__(f"{method}: {detail}")
        self.method = method
        self.detail = detail


class MalformedUpdateError(ValueError):
    """An update that does not have the Bot API's shape. No call failed, so this is not a `TelegramError`."""


class ApiError(TelegramError):
    """Telegram answered with `ok: false`, so nothing was done.

    `code` is the answer's error_code, `description` its text, `parameters` the rest (retry_after, migrate_to_chat_id).
    Codes without a class of their own are raised as this class.
    """

    outcome: RequestOutcome = "client_error"

    def __init__(self, method: str, code: int, description: str, parameters: dict[str, int] | None = None) -> None:
        description = tidy(description)
        super().__init__(method, f"{code} {description}")
        self.code = code
        self.description = description
        self.parameters = dict(parameters or {})


class BadRequestError(ApiError):
    """400: the request cannot be fulfilled; asking again changes nothing."""


class MessageNotModifiedError(BadRequestError):
    """The edit would change nothing: the message already has this content."""


class MessageNotFoundError(BadRequestError):
    """The message to edit, delete or reply to does not exist (any more), or can no longer be edited."""


class EntityParseError(BadRequestError):
    """The text's markup is not what its parse_mode allows."""


class QueryTooOldError(BadRequestError):
    """A callback query or a pre-checkout query was answered too late or twice."""


class WrongFileIdError(BadRequestError):
    """The file_id cannot be sent: it is another bot's, truncated, expired or of another type."""


class ChatNotFoundError(BadRequestError):
    """The chat does not exist (any more), or this bot has never met it."""


class NotAllowedError(BadRequestError):
    """The bot is in the chat but may not write there: its admins muted it, or the topic is closed."""


class TopicNotFoundError(BadRequestError):
    """The chat exists, but the topic to write to does not (any more)."""


class ChatMigratedError(BadRequestError):
    """The group became a supergroup; `new_chat_id` is its id from now on."""

    def __init__(self, method: str, code: int, description: str, parameters: dict[str, int] | None = None) -> None:
        super().__init__(method, code, description, parameters)
        self.new_chat_id = self.parameters["migrate_to_chat_id"]


class TokenRefusedError(ApiError):
    """The token is wrong or was revoked: 401, or 404 where only a wrong token can be the reason."""


class ForbiddenError(ApiError):
    """403: the user blocked the bot, was deactivated or never started it, or the bot was removed from the group.

    Only `description` says which; all mean that nothing gets through. A positive chat id is a user's.
    """


class ConflictError(ApiError):
    """409: another getUpdates runs with this token, or a webhook is set."""


class TooLargeError(ApiError):
    """413: the request or its file is over the server's limit."""


class RateLimitedError(ApiError):
    """429: no call before `retry_after_seconds` have passed."""

    outcome: RequestOutcome = "rate_limited"

    def __init__(self, method: str, description: str, *, retry_after_seconds: float) -> None:
        super().__init__(method, 429, description)
        self.retry_after_seconds = retry_after_seconds


class ServerError(ApiError):
    """5xx in Telegram's own envelope: the server is restarting or in trouble, and did nothing."""

    outcome: RequestOutcome = "server_error"


class NotSentError(TelegramError):
    """The server certainly did not receive the whole request: no connection, or it broke before the last byte."""

    unreachable: str | None = None
    """Why there was no connection at all, in a few words; None if there was one."""

    def __init__(self, method: str, detail: str, *, outcome: RequestOutcome = "network") -> None:
        super().__init__(method, detail)
        self.outcome = outcome


class UploadFileError(NotSentError):
    """The file to send is missing, unreadable or changed while it was read; trying again would not help."""

    def __init__(self, method: str, detail: str) -> None:
        super().__init__(method, detail, outcome="client_error")


class UnconfirmedError(TelegramError):
    """The request was sent whole and no understandable answer came: the call may have taken effect or not."""

    def __init__(self, method: str, detail: str, *, outcome: RequestOutcome = "network") -> None:
        super().__init__(method, detail)
        self.outcome = outcome


class UnexpectedResultError(UnconfirmedError):
    """Telegram answered ok, but the result does not have the documented shape.

    The call took effect, so it is never repeated; only its result (the message's id) is unknown.
    """


class DeadlineExceededError(TelegramError):
    """The call was given up because its time ran out; `__cause__` is the last failure.

    `unconfirmed` says whether any attempt may have succeeded after all. `retry_after_seconds` is set if Telegram asked
    to wait longer than the call had time.
    """

    def __init__(self, method: str, *, attempts: int, last: TelegramError, unconfirmed: bool) -> None:
        super().__init__(method, f"given up after {attempts} attempts; last: {last.detail}")
        self.attempts = attempts
        self.outcome = last.outcome
        self.unconfirmed = unconfirmed
        self.retry_after_seconds = last.retry_after_seconds if isinstance(last, RateLimitedError) else None


CHAT_CLOSED = (ForbiddenError, ChatNotFoundError)
"""The chat accepts nothing from this bot until somebody lets it in again. A user blocked it, was deleted or never
started it; a group removed it, was deleted, or is unknown to this bot (any more)."""

"""Everything that can go wrong when the bot talks to Telegram, as one tree.

The tree answers the one question a sender has: did it happen? `ApiError` is an answer, so it did not. `NotSentError`
never reached the server whole, so it did not. `UnconfirmedError` may have. No error carries a URL, because the URL
holds the token.
"""

from __future__ import annotations

import re
from typing import Final, Literal

RequestOutcome = Literal["ok", "client_error", "rate_limited", "server_error", "network", "timeout"]
"""How one HTTP request ended: the closed set that is also the metric's label."""
OUTAGES: Final[tuple[RequestOutcome, ...]] = ("server_error", "network", "timeout")
"""Those that are Telegram's or the way's there."""


DETAIL_CHARS = 500
"""What is said from outside is cut to this: it goes into the log, the database, /health and messages to admins."""
_UNSEEN = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def tidy(text: str) -> str:
    """Return a text from outside as one line of bounded length: what is no visible character becomes a space."""
    line = _UNSEEN.sub(" ", text[: 2 * DETAIL_CHARS]).strip()
    return line if len(line) <= DETAIL_CHARS else line[:DETAIL_CHARS] + "…"


class TelegramError(Exception):
    """Any failure of a Bot API call; `method` says which call it was, `detail` why, in one line of bounded length."""

    outcome: RequestOutcome = "network"

    def __init__(self, method: str, detail: str) -> None:
        detail = tidy(detail)
        super().__init__(f"{method}: {detail}")
        self.method = method
        self.detail = detail


class MalformedUpdateError(ValueError):
    """An update that does not have the Bot API's shape; no call failed, so it is not a `TelegramError`."""


class ApiError(TelegramError):
    """Telegram answered with `ok: false`, so nothing was done.

    `code` is the answer's error_code, `description` its text, `parameters` what else it said (retry_after,
    migrate_to_chat_id). Of this class itself are the codes that have no class of their own.
    """

    outcome: RequestOutcome = "client_error"

    def __init__(self, method: str, code: int, description: str, parameters: dict[str, int] | None = None) -> None:
        description = tidy(description)
        super().__init__(method, f"{code} {description}")
        self.code = code
        self.description = description
        self.parameters = dict(parameters or {})


class BadRequestError(ApiError):
    """400: what was asked cannot be done; asking again changes nothing."""


class MessageNotModifiedError(BadRequestError):
    """An edit that would change nothing: the message already is as it was wanted."""


class MessageNotFoundError(BadRequestError):
    """The message to edit, delete or reply to does not exist (any more), or cannot be edited any more."""


class EntityParseError(BadRequestError):
    """The text's markup is not what its parse_mode allows."""


class QueryTooOldError(BadRequestError):
    """A button press or a pre-checkout query that was answered too late or twice."""


class WrongFileIdError(BadRequestError):
    """A file_id that cannot be sent: foreign, cut, expired or of another type."""


class ChatNotFoundError(BadRequestError):
    """No such chat (any more), or one this bot has never met."""


class NotAllowedError(BadRequestError):
    """The bot is in the chat and may not write there: muted by its admins, or in a topic that is closed."""


class TopicNotFoundError(BadRequestError):
    """The chat is there, but the topic of it that was to be written to is not (any more)."""


class ChatMigratedError(BadRequestError):
    """The group became a supergroup; `new_chat_id` is its id from now on."""

    def __init__(self, method: str, code: int, description: str, parameters: dict[str, int] | None = None) -> None:
        super().__init__(method, code, description, parameters)
        self.new_chat_id = self.parameters["migrate_to_chat_id"]


class TokenRefusedError(ApiError):
    """The token is wrong or was revoked: 401, or 404 where only a wrong token can be the reason."""


class ForbiddenError(ApiError):
    """403: the user blocked the bot, was deactivated or never started it, or the bot was removed from the group.

    Which of them stands in `description` alone; all mean that nothing gets through, and a chat's id says whose it is.
    """


class ConflictError(ApiError):
    """409: another getUpdates runs with this token, or a webhook is set."""


class TooLargeError(ApiError):
    """413: the request or its file is over the server's limit."""


class RateLimitedError(ApiError):
    """429: not before `retry_after_seconds` have passed."""

    outcome: RequestOutcome = "rate_limited"

    def __init__(self, method: str, description: str, *, retry_after_seconds: float) -> None:
        super().__init__(method, 429, description)
        self.retry_after_seconds = retry_after_seconds


class ServerError(ApiError):
    """5xx in Telegram's own envelope: the server restarts or is in trouble, and did not do it."""

    outcome: RequestOutcome = "server_error"


class NotSentError(TelegramError):
    """The request certainly did not reach the server whole: no connection, or it tore before the last byte."""

    unreachable: str | None = None
    """Why there was no connection to the server at all, in a few words; None where there was one."""

    def __init__(self, method: str, detail: str, *, outcome: RequestOutcome = "network") -> None:
        super().__init__(method, detail)
        self.outcome = outcome


class UploadFileError(NotSentError):
    """The file to send is missing, unreadable or changed while it was read; trying again would not help."""

    def __init__(self, method: str, detail: str) -> None:
        super().__init__(method, detail, outcome="client_error")


class UnconfirmedError(TelegramError):
    """The request was sent whole and no understandable answer came: it may have been done, or not."""

    def __init__(self, method: str, detail: str, *, outcome: RequestOutcome = "network") -> None:
        super().__init__(method, detail)
        self.outcome = outcome


class UnexpectedResultError(UnconfirmedError):
    """Telegram said ok, but with a result of another shape than its documentation says.

    It was done, so it is never repeated; what is not known is what came of it (the message's id).
    """


class DeadlineExceededError(TelegramError):
    """The call was given up because its time ran out; `__cause__` is the last failure.

    `unconfirmed` says whether any attempt may have been done after all. `retry_after_seconds` is set when Telegram
    asked to wait for longer than the call had time.
    """

    def __init__(self, method: str, *, attempts: int, last: TelegramError, unconfirmed: bool) -> None:
        super().__init__(method, f"given up after {attempts} attempts; last: {last.detail}")
        self.attempts = attempts
        self.outcome = last.outcome
        self.unconfirmed = unconfirmed
        self.retry_after_seconds = last.retry_after_seconds if isinstance(last, RateLimitedError) else None


CHAT_CLOSED = (ForbiddenError, ChatNotFoundError)
"""A chat takes nothing from this bot, now and until somebody lets it in again. A user: blocked it, was deleted, never
started it. A group: threw it out, was deleted, or is one this bot does not know (any more)."""
